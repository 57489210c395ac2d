"""Where cells lie in a field, how thick they are, and what is in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt, find_objects
from scipy.spatial import cKDTree

from aliter.data.simulate.optics import smooth_field

_Plane = Float[np.ndarray, "h w"]

PIXEL_UM = 0.325
"""Distance of neighbouring pixels in the specimen."""
_CELLS = 20 / 256**2
"""Cells of a square pixel."""
_RADIUS_PX = (26.0, 44.0)
_WAVE_PX, _WAVE_WIDTH_PX = 3.0, 10.0
_HEIGHT_UM = (3.0, 6.0)
_LONG_PX, _SHORT_PX = (11.0, 17.0), (8.0, 12.0)
_NUCLEUS_UM = (2.0, 4.0)
_CYTOPLASM, _NUCLEOPLASM = 0.025, -0.004
"""How much more than water the cell delays light, and the nucleus more than the cell: refractive indices."""
_GRANULES = 12
_REACH = 5
"""Pixels on each side of a small body that are drawn."""
_SMALLEST = 60


@dataclass(frozen=True)
class Cell:
    """One cell, in the part of the field that holds it."""

    box: tuple[slice, slice]
    inside: Bool[np.ndarray, "h w"]
    nucleus: Bool[np.ndarray, "h w"]
    path_um: _Plane
    """By how much it delays light."""
    nucleus_um: _Plane
    """Thickness of the nucleus."""
    membrane: _Plane
    """Membrane over a pixel, for that of a flat one: more where it is steep, and at the border."""


def cells_of(shape: tuple[int, int], density: float, rng: np.random.Generator) -> list[Cell]:
    """Draw the cells of a field: where they would touch they share wavy borders, and none is wider than it grows."""
    count = rng.poisson(density * _CELLS * shape[0] * shape[1]) if density else 0
    if not count:
        return []
    labels = _territories(_spread(shape, count, rng), shape, rng)
    return [
        found
        for number, box in enumerate(find_objects(labels), start=1)
        if box is not None and (found := _cell(box, labels[box] == number, rng)) is not None
    ]


def _spread(shape: tuple[int, int], count: int, rng: np.random.Generator) -> Float[np.ndarray, "K 2"]:
    """Return seeds, each moved three times to the centre of what is nearest to it.

    References
    ----------
    Lloyd 1982, Least squares quantization in PCM.
    """
    seeds = rng.uniform(0, 1, (count, 2)) * shape
    grid = np.stack(np.meshgrid(*(np.arange(2.0, side, 4) for side in shape), indexing="ij"), -1).reshape(-1, 2)
    for _ in range(3):
        _, nearest = cKDTree(seeds).query(grid)
        members = np.bincount(nearest, minlength=count)
        sums = np.stack([np.bincount(nearest, grid[:, axis], count) for axis in (0, 1)], 1)
        seeds = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], seeds)
    return seeds


def _territories(
    seeds: Float[np.ndarray, "K 2"], shape: tuple[int, int], rng: np.random.Generator
) -> Int[np.ndarray, "H W"]:
    """Return the number of the cell at each pixel, 0 between cells."""
    waves = [_WAVE_PX * smooth_field(shape, _WAVE_WIDTH_PX, rng) for _ in range(2)]
    y, x = np.meshgrid(*(np.arange(side) + 0.5 for side in shape), indexing="ij")
    at = np.stack([y + waves[0], x + waves[1]], -1).reshape(-1, 2)
    distance, nearest = cKDTree(seeds).query(at)
    reach = rng.uniform(*_RADIUS_PX, len(seeds))
    return np.where(distance < reach[nearest], nearest + 1, 0).reshape(shape)


def _cell(box: tuple[slice, slice], inside: Bool[np.ndarray, "h w"], rng: np.random.Generator) -> Cell | None:
    depth = np.asarray(distance_transform_edt(np.pad(inside, 1)))[1:-1, 1:-1]
    height = rng.uniform(*_HEIGHT_UM)
    flat = 1 - depth / depth.max()
    thick = np.where(inside, height * np.sqrt(np.maximum(1 - flat**2, 0)), 0.0)
    level = _nucleus_level(depth, rng)
    nucleus = (level < 1) & (depth > 2)
    if nucleus.sum() < _SMALLEST:
        return None
    nucleus_um = np.where(nucleus, rng.uniform(*_NUCLEUS_UM) * np.sqrt(np.maximum(1 - level, 0)), 0.0)
    path = _CYTOPLASM * thick + _NUCLEOPLASM * nucleus_um
    for spot in (*_nucleoli(nucleus & (level < 0.5), rng), *_granules(inside & ~nucleus & (depth > 2), rng)):
        _stamp(path, *spot)
    slope = np.hypot(*np.gradient(thick, PIXEL_UM))
    membrane = np.where(inside, np.sqrt(1 + slope**2) + 1.5 * (depth <= 1.5), 0.0)
    return Cell(box, inside, nucleus, path, nucleus_um, np.minimum(membrane, 6.0))


def _nucleus_level(depth: _Plane, rng: np.random.Generator) -> _Plane:
    """Return the squared distance from the nucleus' centre, 1 on its outline."""
    deep = np.argwhere(depth >= 0.8 * depth.max())
    centre = deep[rng.integers(len(deep))] + rng.uniform(-0.5, 0.5, 2)
    long, short, angle = rng.uniform(*_LONG_PX), rng.uniform(*_SHORT_PX), rng.uniform(0, pi)
    y, x = (np.arange(side) - at for side, at in zip(depth.shape, centre, strict=True))
    along = y[:, None] * np.sin(angle) + x[None, :] * np.cos(angle)
    across = y[:, None] * np.cos(angle) - x[None, :] * np.sin(angle)
    level: _Plane = (along / long) ** 2 + (across / short) ** 2
    return level


_Spot = tuple[float, float, float, float]
"""Row, column, width in pixels, and by how many micrometres light is delayed in the middle."""


def _nucleoli(where: Bool[np.ndarray, "h w"], rng: np.random.Generator) -> Iterator[_Spot]:
    for y, x in _places(where, int(rng.integers(1, 4)), rng):
        yield y, x, rng.uniform(1.5, 2.5), rng.uniform(0.012, 0.03)


def _granules(where: Bool[np.ndarray, "h w"], rng: np.random.Generator) -> Iterator[_Spot]:
    """Yield what is seen without stain and shows in none."""
    for y, x in _places(where, int(rng.poisson(_GRANULES)), rng):
        yield y, x, rng.uniform(0.8, 1.4), rng.uniform(0.01, 0.03)


def _places(where: Bool[np.ndarray, "h w"], count: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    there = np.argwhere(where)
    if not len(there):
        return []
    chosen = there[rng.integers(len(there), size=count)] + rng.uniform(-0.5, 0.5, (count, 2))
    return [(float(y), float(x)) for y, x in chosen]


def _stamp(path: _Plane, y: float, x: float, width: float, peak: float) -> None:
    """Add a small round body to ``path``."""
    reach = ceil(_REACH * width / 1.5)
    rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
    columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
    part = path[rows, columns]
    dy = np.arange(rows.start, rows.start + part.shape[0]) - y
    dx = np.arange(columns.start, columns.start + part.shape[1]) - x
    part += peak * np.exp(-(dy[:, None] ** 2 + dx[None, :] ** 2) / (2 * width**2))
