"""How well an image agrees with the true image, pixel by pixel."""

import math

import numpy as np
from jaxtyping import Float64, Real
from scipy.ndimage import uniform_filter1d

from aliter.core.errors import DataError

_WINDOW_PX = 7


def mse(truth: Real[np.ndarray, "*space"], image: Real[np.ndarray, "..."]) -> float:
    """Return the mean squared error, in squared units of the truth.

    Raises
    ------
    DataError
        If the two differ in shape; so do all measures here.
    """
    truth, image = _pair(truth, image)
    return float(np.mean(np.square(truth - image)))


def psnr(truth: Real[np.ndarray, "*space"], image: Real[np.ndarray, "..."], data_range: float | int) -> float:
    """Return the peak signal-to-noise ratio in dB; infinite for equal images.

    ``data_range`` is what the data can span, one value per channel for a data set, never that of the image at hand:
    the ratio grows by 20 dB for every factor of 10 in it.
    """
    error = mse(truth, image)
    return 10 * math.log10(_positive(data_range) ** 2 / error) if error else math.inf


def ssim(truth: Real[np.ndarray, "*lead H W"], image: Real[np.ndarray, "..."], data_range: float | int) -> float:
    """Return the mean structural similarity, at most 1, in windows of 7 by 7 pixels.

    Windows are flat, covariances divide by 48, constants are 0.01 and 0.03 of ``data_range``, and only windows that
    lie in the image count. Every plane of the leading axes is an image by itself.

    Raises
    ------
    DataError
        If the images are smaller than the window.

    References
    ----------
    Wang et al. 2004, Image quality assessment: from error visibility to structural similarity, equation 13.
    """
    truth, image = _pair(truth, image)
    if min(truth.shape[-2:]) < _WINDOW_PX:
        raise DataError(f"expected images of {_WINDOW_PX} pixels or more, found {truth.shape}; measure larger ones")
    unbiased = _WINDOW_PX**2 / (_WINDOW_PX**2 - 1)
    mean_a, mean_b = _windows(truth), _windows(image)
    variances = unbiased * (_windows(truth**2) + _windows(image**2) - mean_a**2 - mean_b**2)
    covariance = unbiased * (_windows(truth * image) - mean_a * mean_b)
    light, contrast = (0.01 * _positive(data_range)) ** 2, (0.03 * data_range) ** 2
    same = (2 * mean_a * mean_b + light) * (2 * covariance + contrast)
    return float(np.mean(same / ((mean_a**2 + mean_b**2 + light) * (variances + contrast))))


def pearson(truth: Real[np.ndarray, "*space"], image: Real[np.ndarray, "..."]) -> float:
    """Return Pearson's correlation, in [-1, 1]; NaN if either image is constant."""
    truth, image = _pair(truth, image)
    if not (truth.size and np.ptp(truth) > 0 and np.ptp(image) > 0):
        return math.nan
    a, b = truth - truth.mean(), image - image.mean()
    return float(np.clip(np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)), -1, 1))


def nrmse(truth: Real[np.ndarray, "*space"], image: Real[np.ndarray, "..."]) -> float:
    """Return the root mean squared error as a share of the range of the truth; NaN if the truth is constant."""
    span = float(np.ptp(np.asarray(truth, dtype=float)))
    return math.sqrt(mse(truth, image)) / span if span else math.nan


def _pair(
    truth: Real[np.ndarray, "..."], image: Real[np.ndarray, "..."]
) -> tuple[Float64[np.ndarray, "*space"], Float64[np.ndarray, "*space"]]:
    """Return both in double precision: differences of unsigned integers would wrap."""
    truth, image = np.asarray(truth, dtype=float), np.asarray(image, dtype=float)
    if truth.shape != image.shape:
        raise DataError(f"expected an image of shape {truth.shape}, found {image.shape}; crop or pad one of them")
    return truth, image


def _positive(data_range: float | int) -> float:
    """Return ``data_range`` if it is one."""
    if not data_range > 0:
        raise DataError(f"expected a data range above 0, found {data_range}; state what the data can span")
    return float(data_range)


def _windows(image: Float64[np.ndarray, "*lead H W"]) -> Float64[np.ndarray, "*lead h w"]:
    """Return the mean of each window that lies in the image."""
    means = uniform_filter1d(uniform_filter1d(image, _WINDOW_PX, axis=-1), _WINDOW_PX, axis=-2)
    edge = _WINDOW_PX // 2
    return np.asarray(means[..., edge : means.shape[-2] - edge, edge : means.shape[-1] - edge])
