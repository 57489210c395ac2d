"""How much of an image lies at which fineness."""

import numpy as np
from jaxtyping import Float64, Real
from scipy.fft import fft2


def radial_power(image: Real[np.ndarray, "H W"], bins: int = 32) -> Float64[np.ndarray, " bins"]:
    """Return the mean power in rings of frequency, from 0 to Nyquist's; the mean of the image is left out.

    Borders are faded by a Hann window, so that they do not pass for fine detail.
    """
    height, width = image.shape
    window = np.hanning(height)[:, None] * np.hanning(width)[None, :]
    values = np.asarray(image, float)
    power = np.abs(fft2((values - values.mean()) * window)) ** 2 / np.square(window).sum()
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)[None, :])
    place = np.minimum((radius * 2 * bins).astype(int), bins).ravel()
    counts = np.bincount(place, minlength=bins + 1)[:bins]
    sums = np.bincount(place, power.ravel(), bins + 1)[:bins]
    return sums / np.maximum(counts, 1)


def sharpness(truth: Real[np.ndarray, "H W"], image: Real[np.ndarray, "H W"]) -> float:
    """Return the power of ``image`` above half of Nyquist's frequency over that of ``truth``; below 1 is blurred."""
    ours, theirs = (radial_power(one)[16:].sum() for one in (image, truth))
    return float(ours / theirs) if theirs > 0 else float("nan")
