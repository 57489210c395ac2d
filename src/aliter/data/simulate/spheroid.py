"""Depth in a spheroid, and smooth random fields that can be read anywhere."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, pi, sqrt

import numpy as np
from jaxtyping import Float

_TAPS = 8
"""Lattice points that a smooth field is made of at each place, per axis: four deviations to each side."""
_FAR, _FINE = 140, 2
"""How far from the centre a table of depths reaches, and its entries per voxel."""

Axes = tuple[np.ndarray, np.ndarray, np.ndarray]


def smoothed_sd(deviation: float, sigma: float) -> float:
    """Return the standard deviation of white noise on voxels once a Gaussian has smoothed it in three dimensions."""
    return float(deviation / (2 * sqrt(pi) * sigma) ** 1.5)


@dataclass(frozen=True)
class Lattice:
    """A smooth Gaussian random field: mean 0, variance 1, Gaussian correlation, centred on the origin.

    White noise on a lattice of spacing ``sigma`` is spread by a Gaussian of that width, so it can be read at any
    places within ``reach`` of the centre, few or many, and is the same there.
    """

    values: Float[np.ndarray, "N N N"]
    sigma: float

    @classmethod
    def drawn(cls, reach: float, sigma: float, rng: np.random.Generator) -> "Lattice":
        """Return a field that can be read from ``-reach`` to ``reach`` on each axis."""
        side = 2 * ceil(reach / sigma) + _TAPS
        return cls(rng.standard_normal((side, side, side), np.float32).astype(np.float64), sigma)

    def __call__(self, axes: Axes) -> Float[np.ndarray, "D H W"]:
        """Return the field where these places on the three axes cross."""
        field = self.values
        for places in axes:
            at = places / self.sigma + (len(self.values) - _TAPS) / 2
            first = np.floor(at).astype(int)
            near = first[:, None] + np.arange(_TAPS)
            weight = np.exp(-((at[:, None] + _TAPS / 2 - 1 - near) ** 2) / 2)
            weight /= np.sqrt((weight**2).sum(axis=1, keepdims=True))
            # Not a matrix product: its rounding may depend on the number of threads.
            field = np.einsum("nk,nk...->...n", weight, field[near])
        return field


@lru_cache(maxsize=8)
def depth_table(radius: float, elongation: float) -> Float[np.ndarray, "N N"]:
    """Return the distance to the surface of a spheroid, positive inside.

    Entry (i, j) belongs to ``i / 2`` along the long axis and ``j / 2`` across.

    References
    ----------
    Eberly 2013, Distance from a point to an ellipse, an ellipsoid, or a hyperellipsoid (the bounds of t).
    """
    long, short = radius * elongation, radius
    grid = np.stack(np.meshgrid(*[np.arange(_FINE * _FAR) / _FINE] * 2, indexing="ij"), axis=-1)
    p, q = grid[..., 0], np.maximum(grid[..., 1], 1e-9)
    # The nearest point is (long^2 p / (t + long^2), short^2 q / (t + short^2)) for the one t that puts it there.
    low, high = short * q - short**2, np.hypot(long * p, short * q) - short**2
    for _ in range(60):
        t = (low + high) / 2
        beyond = (long * p / (t + long**2)) ** 2 + (short * q / (t + short**2)) ** 2 > 1
        low, high = np.where(beyond, t, low), np.where(beyond, high, t)
    distance = np.hypot(p - long**2 * p / (t + long**2), q - short**2 * q / (t + short**2))
    inside = (grid[..., 0] / elongation) ** 2 + grid[..., 1] ** 2 < radius**2
    return np.asarray(np.where(inside, distance, -distance))


def depth(axis: Float[np.ndarray, " 3"], radius: float, elongation: float, axes: Axes) -> Float[np.ndarray, "D H W"]:
    """Return the depth in a spheroid along ``axis`` at the origin, where these places on the three axes cross."""
    z, y, x = axes[0][:, None, None], axes[1][:, None], axes[2]
    along = np.abs(axis[0] * z + axis[1] * y + axis[2] * x)
    across = np.sqrt(np.maximum(z**2 + y**2 + x**2 - along**2, 0))
    table = depth_table(radius, elongation)
    first, second = (np.minimum(_FINE * one, len(table) - 1.001) for one in (along, across))
    i, j = first.astype(np.intp), second.astype(np.intp)
    u, v = first - i, second - j
    flat, place, width = table.ravel(), i * len(table) + j, len(table)
    low = flat[place] * (1 - v) + flat[place + 1] * v
    high = flat[place + width] * (1 - v) + flat[place + width + 1] * v
    return np.asarray(low * (1 - u) + high * u)
