"""Boxes that a detector keeps, each with where it comes from; and the cells of a grid under a box."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

_SMALL_PX = 1e-2


@runtime_checkable
class Rules(Protocol):
    """What decides which boxes are kept."""

    @property
    def least(self) -> float:
        """Score that is too low."""
        ...

    @property
    def overlap(self) -> float:
        """Intersection over union above which two boxes are one object."""
        ...

    @property
    def most(self) -> int:
        """Boxes at most."""
        ...


@dataclass(frozen=True)
class Kept:
    """The boxes that are left, best first."""

    corners: Float[Tensor, "N 4"]
    scores: Float[Tensor, " N"]
    labels: Int[Tensor, " N"]
    source: Int[Tensor, " N"]
    """Row of the proposal that each comes from."""


def kept_boxes(
    corners: Float[Tensor, "P K 4"], scores: Float[Tensor, "P K"], size: tuple[int, int], rules: Rules
) -> Kept:
    """Return which boxes of which proposals and classes are kept; class 0 is background.

    Boxes are cut off at the border of an image of this ``size`` (height, width); those that score too low or are too
    small go, then those that a better one of their class hides, then all but the best. Each keeps the row of its
    proposal through all of these: numbers are composed, never applied to what was not filtered.
    """
    from torchvision.ops import batched_nms

    limit = corners.new_tensor([size[1], size[0], size[1], size[0]])
    clipped = torch.minimum(corners.clamp(min=0), limit)
    row, column = torch.meshgrid(
        torch.arange(len(scores), device=scores.device),
        torch.arange(scores.shape[1], device=scores.device),
        indexing="ij",
    )
    sides = clipped[..., 2:] - clipped[..., :2]
    kept = (column > 0) & (scores > rules.least) & (sides >= _SMALL_PX).all(-1)
    boxes, values, rows, labels = clipped[kept], scores[kept], row[kept], column[kept]
    best = batched_nms(boxes, values, labels, rules.overlap)[: rules.most]
    return Kept(boxes[best], values[best], labels[best], rows[best])


def box_cells(
    corners: Float[Tensor, " 4"], stride: float, grid: tuple[int, int], dilate: int = 0
) -> Bool[Tensor, "h w"]:
    """Return which cells of a ``grid`` (rows, columns) a box touches, and so many more around.

    A cell covers ``stride`` pixels of what the box is measured in.
    """
    left, top, right, low = (float(one) / stride for one in corners)
    mask = torch.zeros(grid, dtype=torch.bool)
    rows = slice(max(floor(top) - dilate, 0), max(ceil(low) + dilate, 0))
    columns = slice(max(floor(left) - dilate, 0), max(ceil(right) + dilate, 0))
    mask[rows, columns] = True
    return mask
