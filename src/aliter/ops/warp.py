"""Views of an image that know where each of their voxels came from.

A warp takes an index of the view to one of the source: turned, mirrored, and shifted a little differently at each
voxel. Indices count voxel centres: voxel i is at i.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from aliter.ops.points import sampled

_ROUNDS = 12
"""Rounds of the inversion; each divides the error by the slope of the shift."""


@dataclass(frozen=True)
class Warp:
    """source = ``origin`` + ``matrix`` (index - middle of the view) + ``shift`` at the index."""

    matrix: Float[Tensor, "n n"]
    """Turns, mirrors and magnifies."""
    origin: Float[Tensor, " n"]
    """Where in the source the middle of the view comes from."""
    shift: Float[Tensor, "n *space"]
    """Voxels of the source, smooth over the view."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the view."""
        return tuple(self.shift.shape[1:])

    def source(self, at: Float[Tensor, "*points n"]) -> Float[Tensor, "*points n"]:
        """Return where in the source the indices ``at`` of the view come from."""
        return self._plain(at) + self._shift(at)

    def sources(self) -> Float[Tensor, "*space n"]:
        """Return where in the source each voxel of the view comes from."""
        places = self.shift + self.origin.reshape(-1, *[1] * len(self.shape))
        for axis, size in enumerate(self.shape):
            along = torch.arange(size, dtype=self.shift.dtype) - (size - 1) / 2
            column = self.matrix[:, axis].reshape(-1, *[1] * len(self.shape))
            places += column * along.reshape(-1, *[1] * (len(self.shape) - 1 - axis))
        return rearrange(places, "n ... -> ... n")

    def inverse(self, places: Float[Tensor, "*points n"]) -> Float[Tensor, "*points n"]:
        """Return the indices of the view that come from ``places`` in the source."""
        back = torch.linalg.inv(self.matrix).T
        start = (places - self.origin) @ back + self._middle()
        return undone(lambda at: self._shift(at) @ back, start)

    def apply(self, image: Float[Tensor, "C *space"], corner: Sequence[int]) -> Float[Tensor, "C *view"]:
        """Return the view of ``image``, the part of the source that begins at ``corner``; beyond, it is mirrored."""
        at = self.sources() - torch.tensor(corner, dtype=self.shift.dtype)
        return sampled(image[None], at[None], "reflection")[0]

    def _plain(self, at: Tensor) -> Tensor:
        return (at - self._middle()) @ self.matrix.T + self.origin

    def _middle(self) -> Tensor:
        return torch.tensor([(size - 1) / 2 for size in self.shape], dtype=self.shift.dtype)

    def _shift(self, at: Tensor) -> Tensor:
        flat = at.reshape(1, -1, at.shape[-1])
        return rearrange(sampled(self.shift[None], flat)[0], "n p -> p n").reshape(at.shape)


def undone(
    shift: Callable[[Float[Tensor, "*points n"]], Float[Tensor, "*points n"]], places: Float[Tensor, "*points n"]
) -> Float[Tensor, "*points n"]:
    """Return the points that ``shift`` moves to ``places``: at + shift(at) = places, for slopes of less than 1."""
    at = places
    for _ in range(_ROUNDS):
        at = places - shift(at)
    return at


def smooth_shift(knots: Float[Tensor, "n *grid"], shape: Sequence[int]) -> Float[Tensor, "n *space"]:
    """Return the displacement at each voxel of ``shape`` from that at evenly spaced ``knots``, corners on corners."""
    mode = "bicubic" if len(shape) == 2 else "trilinear"
    return F.interpolate(knots[None], tuple(shape), mode=mode, align_corners=True)[0]
