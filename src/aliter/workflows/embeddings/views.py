"""Two views of one place, and which of their points belong together."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, prod, tau
from typing import Annotated, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from scipy.ndimage import gaussian_filter
from torch import Tensor

from aliter.core.batch import Batch, Draw
from aliter.core.errors import AliterError, RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.fields import Box, Fields
from aliter.nets.unet import UNetSpec
from aliter.ops.warp import Warp, smooth_shift

_MOST = 64
"""Fresh draws of a second view before it is a defect that too few points are in both."""


class Views(Spec):
    """What the two views of a place differ in; along z nothing is turned."""

    numbers: ClassVar[int] = 2
    size: tuple[PositiveInt, ...] = (100, 100)
    """Voxels of a view along each axis, as the network takes it."""
    shift_px: NonNegativeFloat = 8.0
    """Largest distance of a view from the place, along y and x."""
    rotation: bool = True
    """Turn by any angle in the plane."""
    mirror: bool = True
    """Mirror each axis half of the time."""
    scale: Annotated[float, Field(ge=1)] = 1.0
    """Largest factor by which the plane is magnified or shrunk."""
    elastic_px: NonNegativeFloat = 1.0
    """Deviation of the displacement at the knots, along y and x."""
    spacing_px: PositiveFloat = 20.0
    """Distance of the knots, along y and x; the displacement is smooth between them."""
    blur_px: NonNegativeFloat = 1.0
    """Largest width of a Gaussian blur, along y and x."""
    contrast: NonNegativeFloat = 0.1
    """Intensities are multiplied by a factor that differs from 1 by at most this."""
    brightness: NonNegativeFloat = 0.02
    """Largest change of all intensities, on the scale from -1 to 1. What views differ in, the embedding learns to
    ignore: keep it well below the contrast of the objects."""
    noise: NonNegativeFloat = 0.02
    """Largest deviation of the noise, on the scale from -1 to 1."""
    density: PositiveFloat = 0.05
    """Points for each voxel that the network gives."""


@dataclass(frozen=True)
class _Pair:
    """Views of one place, their matched points, and where in the field these lie."""

    views: tuple[Tensor, Tensor]
    points: tuple[Float[Tensor, "P n"], Float[Tensor, "P n"]]
    place: Float[Tensor, "P n"]


def two_views(fields: Fields, numbers: Sequence[int], views: Views, net: UNetSpec) -> Draw:
    """Return draws of pairs of views of the fields ``numbers``, for the objectives of ``methods.objective.contrast``.

    Raises
    ------
    RequestError
        If the views have not as many axes as the fields, or are not of a size that the network takes.
    """
    if len(views.size) != len(fields.shape):
        raise RequestError(f"contrast.views.size: expected {len(fields.shape)} numbers, found {views.size}; change it")
    out = net.check(views.size)

    def draw(seed: int, step: int, size: int) -> Batch:
        rng = chance(seed, "step", step, "fields")
        chosen = [int(numbers[one]) for one in rng.integers(0, len(numbers), size)]
        pairs = [
            pair_of(fields, number, views, out, chance(seed, "step", step, "views", place))
            for place, number in enumerate(chosen)
        ]
        first, second = zip(*(pair.views for pair in pairs), strict=True)
        at, at_other = zip(*(pair.points for pair in pairs), strict=True)
        tensors = {
            "x": torch.stack(first),
            "other": torch.stack(second),
            "at": torch.stack(at),
            "at_other": torch.stack(at_other),
            "place": torch.stack([pair.place for pair in pairs]),
            "field": torch.tensor(chosen),
        }
        return Batch(step, tuple(fields.ids[number] for number in chosen), seed, tensors)

    return draw


def pair_of(fields: Fields, number: int, views: Views, out: tuple[int, ...], rng: np.random.Generator) -> _Pair:
    """Draw two views of a place in a field, and points that both show where the network gives ``out`` voxels."""
    place = np.array([_within(rng, length, size) for length, size in zip(fields.shape, views.size, strict=True)])
    count = max(2, int(views.density * prod(out)))
    margin = torch.tensor([(size - left) / 2 for size, left in zip(views.size, out, strict=True)])
    first = warp(views, place, rng)
    drawn = rng.choice(prod(out), min(4 * count, prod(out)), replace=False)
    candidates = torch.from_numpy(np.stack(np.unravel_index(drawn, out), 1)).float()
    there = first.source(candidates + margin)
    for _ in range(_MOST):
        second = warp(views, place, rng)
        at = second.inverse(there) - margin
        seen = ((at >= 0) & (at <= torch.tensor(out) - 1)).all(1).nonzero()[:count, 0]
        if len(seen) == count:
            both = (shown(fields, number, first, views, rng), shown(fields, number, second, views, rng))
            return _Pair(both, (candidates[seen], at[seen]), there[seen])
    raise AliterError(f"{fields.ids[number]}: expected {count} points in both views, found fewer; lower the shift")


def warp(views: Views, place: np.ndarray, rng: np.random.Generator) -> Warp:
    """Draw how one view is turned, mirrored, shifted and bent."""
    ndim = len(views.size)
    matrix = np.eye(ndim)
    if views.rotation:
        angle = rng.uniform(0, tau)
        matrix[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    if views.scale > 1:
        matrix[-2:, -2:] *= views.scale ** rng.uniform(-1, 1)
    if views.mirror:
        matrix = matrix * rng.choice([-1.0, 1.0], ndim)
    flat = np.array([*[0.0] * (ndim - 2), 1.0, 1.0])
    origin = place + rng.uniform(-views.shift_px, views.shift_px, ndim) * flat
    knots = [2] * (ndim - 2) + [ceil(size / views.spacing_px) + 1 for size in views.size[-2:]]
    jitter = rng.normal(0, 1, (ndim, *knots)) * (views.elastic_px * flat).reshape(-1, *[1] * ndim)
    shift = smooth_shift(torch.from_numpy(jitter).float(), views.size)
    return Warp(torch.from_numpy(matrix).float(), torch.from_numpy(origin).float(), shift)


def shown(fields: Fields, number: int, one: Warp, views: Views, rng: np.random.Generator) -> Float[Tensor, "C *view"]:
    """Return what the field looks like through a warp, with its intensities changed."""
    box = _box(one, fields.shape)
    image = torch.from_numpy(fields.read(number, box))
    view = one.apply(image, [part.start for part in box]).numpy()
    blur = rng.uniform(0, views.blur_px)
    if blur > 0.3:
        view = gaussian_filter(view, [0.0] * (view.ndim - 2) + [blur, blur], truncate=3)
    factor = 1 + rng.uniform(-views.contrast, views.contrast)
    view = (view + 1) * factor - 1 + rng.uniform(-views.brightness, views.brightness)
    noise = rng.uniform(0, views.noise) * rng.standard_normal(view.shape, np.float32)
    return torch.from_numpy((view + noise).astype(np.float32))


def _box(one: Warp, shape: Sequence[int]) -> Box:
    """Return the part of a field that a view is made of."""
    at = one.sources().reshape(-1, len(shape))
    low, high = at.amin(0).floor().long().tolist(), at.amax(0).ceil().long().tolist()
    return tuple(
        slice(min(max(a - 1, 0), length - 2), max(min(b + 2, length), 2))
        for a, b, length in zip(low, high, shape, strict=True)
    )


def _within(rng: np.random.Generator, length: int, size: int) -> float:
    """Draw a place along an axis so that a view about it lies in the field, where that can be."""
    half = (size - 1) / 2
    return float(rng.uniform(half, length - 1 - half)) if length > size else (length - 1) / 2
