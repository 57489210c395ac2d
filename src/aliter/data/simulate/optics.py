"""What a fluorescence microscope makes of points, lines and surfaces.

Lengths are pixels. The point spread function is Gaussian, so a blurred point, line or edge has a closed form;
each is averaged over the pixel, hence shapes smaller than a pixel fade instead of flickering.
"""

from functools import lru_cache
from math import ceil, hypot, pi, sqrt

import numpy as np
from jaxtyping import Float, Int, UInt16
from scipy.special import erf, erfc

_PIXEL = sqrt(1 / 12)
"""Standard deviation of a position within one pixel."""
_TAPS = 8
"""Lattice points that a smooth field is made of at each pixel, per axis: four deviations to each side."""


def centred(size: int) -> tuple[Float[np.ndarray, "H 1"], Float[np.ndarray, "1 W"]]:
    """Return the rows and the columns of pixel centres, counted from the centre of a square image."""
    axis = np.arange(size) + 0.5 - size / 2
    return axis[:, None], axis[None, :]


def ellipse_distance(
    y: Float[np.ndarray, "H W"], x: Float[np.ndarray, "H W"], semi_y_px: float, semi_x_px: float
) -> Float[np.ndarray, "H W"]:
    """Return the distance to an ellipse at the origin, negative inside.

    It is exact on a circle and of first order in the distance elsewhere: right at the outline,
    where blurred edges and lines need it.

    References
    ----------
    Taubin 1991, Estimation of planar curves, surfaces, and nonplanar space curves (approximate distance).
    """
    level = np.sqrt((y / semi_y_px) ** 2 + (x / semi_x_px) ** 2)
    slope = np.sqrt((y / semi_y_px**2) ** 2 + (x / semi_x_px**2) ** 2)
    depth = np.full_like(level, min(semi_y_px, semi_x_px))
    return (level - 1) * np.divide(level, slope, out=depth, where=slope > 0)


def edge(distance: Float[np.ndarray, "*space"], sigma_px: float) -> Float[np.ndarray, "*space"]:
    """Return a blurred surface: 1 where ``distance`` is far below 0, 0 where it is far above, 1/2 at 0."""
    image: np.ndarray = erfc(distance / (hypot(sigma_px, _PIXEL) * sqrt(2))) / 2
    return image


def line(distance: Float[np.ndarray, "*space"], sigma_px: float) -> Float[np.ndarray, "*space"]:
    """Return a blurred line along ``distance`` 0; its peak is 1 where ``sigma_px`` is wide for a pixel."""
    width = hypot(sigma_px, _PIXEL)
    return np.exp(-((distance / width) ** 2) / 2) * (sigma_px / width)


def spots(
    size: int, centres: Float[np.ndarray, "N 2"], sigma_px: Float[np.ndarray, " N"], peaks: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "H W"]:
    """Return the sum of blurred points, each averaged over the pixels it falls on.

    ``centres`` are (row, column) from the centre of the image; ``peaks`` are the heights before averaging.
    """
    borders = np.arange(size + 1) - size / 2
    reach = (borders - centres[:, :, None]) / (sigma_px[:, None, None] * sqrt(2))
    profile = np.diff(erf(reach), axis=-1) * (sigma_px * sqrt(pi / 2))[:, None, None]
    image: np.ndarray = np.einsum("ny,nx->yx", profile[:, 0] * peaks[:, None], profile[:, 1])
    return image


def smooth_field(
    shape: tuple[int, ...], sigma_px: float | tuple[float, ...], rng: np.random.Generator
) -> Float[np.ndarray, "*space"]:
    """Return a smooth Gaussian random field: mean 0, variance 1 at every pixel, Gaussian correlation.

    White noise on a lattice of spacing ``sigma_px`` is spread by a Gaussian of that width, so the cost does not
    grow with ``sigma_px``, borders are like any other place, and a finer image shows the same field. The width may
    be given for each axis.
    """
    widths = sigma_px if isinstance(sigma_px, tuple) else (sigma_px,) * len(shape)
    field = rng.standard_normal([ceil(length / width) + _TAPS for length, width in zip(shape, widths, strict=True)])
    for length, width in zip(shape, widths, strict=True):
        place, weight = _taps(length, width)
        # Not a matrix product: its rounding may depend on the number of threads.
        field = np.einsum("nk,nk...->...n", weight, field[place])
    return field


@lru_cache(maxsize=64)
def _taps(length: int, sigma_px: float) -> tuple[Int[np.ndarray, "N M"], Float[np.ndarray, "N M"]]:
    """Return which lattice points make each pixel of an axis, and their weights, whose squares sum to 1."""
    at = (np.arange(length)[:, None] + 0.5) / sigma_px
    place = np.floor(at).astype(int) + np.arange(_TAPS)
    weight = np.exp(-((at + _TAPS / 2 - 1 - place) ** 2) / 2)
    return place, weight / np.sqrt((weight**2).sum(axis=1, keepdims=True))


def noise(shape: tuple[int, ...], deviation: float, rng: np.random.Generator) -> Float[np.ndarray, "*space"]:
    """Return the noise of a camera: independent and Gaussian at every pixel."""
    return deviation * rng.standard_normal(shape, np.float32)


def to_uint16(image: Float[np.ndarray, "*space"], white: float) -> UInt16[np.ndarray, "*space"]:
    """Return ``image`` as a 16-bit camera stores it: 0 at 0, 65535 at ``white``, clipped outside."""
    return np.rint(np.clip(image / white, 0, 1) * 65535).astype(np.uint16)
