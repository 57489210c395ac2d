"""Tests of paired samples, corrections for many tests, and scores of stated uncertainty."""

import math

import numpy as np
from jaxtyping import Float64, Real
from numpy.typing import ArrayLike
from scipy.special import erf, stdtr

from aliter.core.errors import DataError
from aliter.core.rng import chance

Sample = Real[np.ndarray, " N"] | ArrayLike
"""One number for each of N pairs, in the same order."""
Values = Real[np.ndarray, "*space"] | float | int
"""One number for each place."""
Stated = Real[np.ndarray, "..."] | float | int
"""One number for each place, or for all."""

_EXACT = 20
"""Largest sample of which every flip of signs is tried."""
_DRAWS = 100_000
_ROUNDING = 1e-12


def paired_t(a: Sample, b: Sample) -> tuple[float, float]:
    """Return Student's t of the mean difference ``a - b``, and its two-sided p.

    Identical samples give (0, 1). Differences that are all equal, but not 0, have no variance to test against: t is
    infinite and p NaN. Both are NaN for fewer than two pairs.

    References
    ----------
    Student 1908, The probable error of a mean.
    """
    difference = _differences(a, b)
    count = difference.size
    if count < 2:
        return math.nan, math.nan
    mean, scale = float(difference.mean()), _ROUNDING * max(float(np.abs(a).max()), float(np.abs(b).max()))
    if np.ptp(difference) <= scale:
        return (0.0, 1.0) if abs(mean) <= scale else (math.copysign(math.inf, mean), math.nan)
    t = mean / float(difference.std(ddof=1)) * math.sqrt(count)
    return t, 2 * float(stdtr(count - 1, -abs(t)))


def sign_flip_p(a: Sample, b: Sample) -> float:
    """Return the two-sided p of the mean difference when the sign of every difference is up to chance.

    Exact for up to 20 pairs, where all flips are tried; above, 100 000 flips are drawn, always the same ones, and
    the observed one counts among them.

    References
    ----------
    Fisher 1935, The design of experiments, section 21.
    """
    difference = _differences(a, b)
    if not difference.size or np.isnan(difference).any():
        return math.nan
    least = abs(float(difference.sum())) - _ROUNDING * float(np.abs(difference).sum())
    if difference.size > _EXACT:
        return (1 + int((_drawn_sums(difference) >= least).sum())) / (1 + _DRAWS)
    sums = difference[:1]
    for value in difference[1:]:
        sums = np.concatenate([sums + value, sums - value])
    return float((np.abs(sums) >= least).mean())


def bootstrap_mean(values: Sample, draws: int = 2000) -> tuple[float, float, float]:
    """Return the mean, and the ends of its 95 % interval: percentiles of means of samples drawn with replacement.

    The draws are always the same ones. NaN counts as no value; the ends are NaN for fewer than two values.

    References
    ----------
    Efron 1979, Bootstrap methods: another look at the jackknife.
    """
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    if known.size < 2:
        return (float(known[0]) if known.size else math.nan), math.nan, math.nan
    chosen = chance(0, "bootstrap", known.size).integers(0, known.size, (draws, known.size))
    low, high = np.percentile(known[chosen].mean(axis=1), (2.5, 97.5))
    return float(known.mean()), float(low), float(high)


def bonferroni(p: Real[np.ndarray, "*tests"] | ArrayLike) -> Float64[np.ndarray, "*tests"]:
    """Return the p of each test, raised so that rejecting below alpha errs anywhere with chance alpha at most.

    NaN counts as no test.

    References
    ----------
    Dunn 1961, Multiple comparisons among means.
    """
    p = np.asarray(p, dtype=float)
    return np.minimum(p * np.count_nonzero(~np.isnan(p)), 1)


def benjamini_hochberg(p: Real[np.ndarray, "*tests"] | ArrayLike) -> Float64[np.ndarray, "*tests"]:
    """Return the p of each test, raised so that among those below alpha a share of alpha at most is false.

    NaN counts as no test.

    References
    ----------
    Benjamini and Hochberg 1995, Controlling the false discovery rate, equation 1.
    """
    p = np.asarray(p, dtype=float)
    flat = p.ravel()
    order = np.argsort(flat)[: np.count_nonzero(~np.isnan(flat))]
    raised = flat[order] * order.size / np.arange(1, order.size + 1)
    result = np.full(flat.shape, np.nan)
    result[order] = np.minimum(np.minimum.accumulate(raised[::-1])[::-1], 1)
    return result.reshape(p.shape)


def crps_gaussian(y: Values, mean: Stated, sd: Stated) -> Float64[np.ndarray, "*space"]:
    """Return the continuous ranked probability score of each ``y`` under a Gaussian; lower is better.

    In the units of ``y``; ``|y - mean|`` where ``sd`` is 0.

    References
    ----------
    Gneiting and Raftery 2007, Strictly proper scoring rules, equation 21.
    """
    error, sd = np.asarray(y, dtype=float) - mean, np.asarray(sd, dtype=float)
    z = np.divide(error, sd, out=np.zeros(np.broadcast_shapes(error.shape, sd.shape)), where=sd > 0)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    score = sd * (z * erf(z / math.sqrt(2)) + 2 * density - 1 / math.sqrt(math.pi))
    return np.asarray(np.where(sd > 0, score, np.abs(error)))


def crps_ensemble(
    y: Values, samples: Real[np.ndarray, "S *space"], fair: bool = False
) -> Float64[np.ndarray, "*space"]:
    """Return the continuous ranked probability score of each ``y`` under samples, which come first in their array.

    ``mean |sample - y| - half the mean |sample - sample'|``; if ``fair``, the latter mean is over different samples
    only, which makes small ensembles comparable with large ones.

    Raises
    ------
    DataError
        If there are too few samples: one, or two if ``fair``.

    References
    ----------
    Ferro 2014, Fair scores for ensemble forecasts, equation 7.
    """
    ordered = np.sort(np.asarray(samples, dtype=float), axis=0)
    count = len(ordered)
    if count < 1 + fair:
        raise DataError(f"expected at least {1 + fair} samples, found {count}; draw more")
    rank = np.arange(count, dtype=float).reshape(-1, *[1] * (ordered.ndim - 1))
    spread = ((2 * rank - count + 1) * ordered).sum(axis=0) / (count * (count - fair))
    return np.asarray(np.abs(ordered - y).mean(axis=0) - spread)


def coverage(y: Values, mean: Stated, sd: Stated, q: float | int) -> float:
    """Return the share of ``y`` within ``q`` standard deviations of ``mean``; 1.96 of a Gaussian cover 0.95."""
    return float(np.mean(np.abs(np.asarray(y, dtype=float) - mean) <= q * np.asarray(sd, dtype=float)))


def sigma_scaling(y: Values, mean: Stated, sd: Stated) -> float:
    """Return the factor by which ``sd`` should be multiplied: the root mean square of ``(y - mean) / sd``.

    An ``sd`` of 0 is right where there is no error, and otherwise makes the factor infinite.

    References
    ----------
    Laves et al. 2020, Well-calibrated regression uncertainty in medical imaging, equation 10.
    """
    error = np.abs(np.asarray(y, dtype=float) - mean)
    sd = np.broadcast_to(np.asarray(sd, dtype=float), error.shape)
    z = np.where(error > 0, np.inf, 0.0)
    np.divide(error, sd, out=z, where=sd > 0)
    return float(np.sqrt(np.mean(z**2)))


def _differences(a: Sample, b: Sample) -> Float64[np.ndarray, " N"]:
    """Return ``a - b`` of samples that are paired."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if a.shape != b.shape or a.ndim != 1:
        raise DataError(f"expected two samples of one length, found shapes {a.shape} and {b.shape}; pair them")
    return np.subtract(a, b)


def _drawn_sums(difference: Float64[np.ndarray, " N"]) -> Float64[np.ndarray, " draws"]:
    """Return the size of the sum for randomly flipped signs."""
    rng = chance(0, "sign flip")
    sums = []
    for _ in range(100):
        kept = rng.integers(0, 2, (_DRAWS // 100, difference.size), dtype=np.int8).astype(float)
        sums.append(kept @ difference)
    return np.asarray(np.abs(2 * np.concatenate(sums) - difference.sum()))
