"""Whether an image's stated uncertainty is right, and what follows from it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log, pi

import numpy as np
from jaxtyping import Bool, Float, Float64, Real

from aliter.core.errors import DataError

_Values = Real[np.ndarray, "*space"]


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased variance of draws."""

    mean: Float64[np.ndarray, "*space"]
    variance: Float64[np.ndarray, "*space"]
    count: int


def moments(draws: Iterable[Real[np.ndarray, "*space"]]) -> Moments:
    """Return mean and variance of ``draws``, taken one by one: memory does not grow with their number.

    Raises
    ------
    DataError
        If there are fewer than two.

    References
    ----------
    Welford 1962, Note on a method for calculating corrected sums of squares and products.
    """
    count = 0
    mean = squares = np.zeros(())
    for draw in draws:
        count += 1
        value = np.asarray(draw, np.float64)
        change = value - mean
        mean = mean + change / count
        squares = squares + change * (value - mean)
    if count < 2:
        raise DataError(f"expected two draws or more, found {count}; draw more")
    return Moments(mean, squares / (count - 1), count)


def conformal_factor(scores: Real[np.ndarray, " N"], error: float) -> float:
    """Return the score that a new one exceeds with probability ``error`` at most, all being exchangeable.

    It is the ceil((N + 1) (1 - error))-th smallest; infinite if there are too few scores to say.

    References
    ----------
    Angelopoulos and Bates 2021, A gentle introduction to conformal prediction, arXiv:2107.07511, section 1.
    """
    rank = ceil(round((len(scores) + 1) * (1 - error), 9))
    if rank > len(scores):
        return float("inf")
    return float(np.partition(np.asarray(scores, float), rank - 1)[rank - 1])


def gaussian_nll(y: _Values, mean: _Values, sd: _Values) -> float:
    """Return the mean negative logarithm of the density of ``y``, in nats; needs ``sd`` above 0."""
    variance = np.square(np.asarray(sd, float))
    z = np.square(np.asarray(y, float) - mean) / variance
    return float(np.mean(z + np.log(variance)) + log(2 * pi)) / 2


def uncertainty_calibration_error(y: _Values, mean: _Values, sd: _Values, bins: int = 20) -> float:
    """Return the mean distance of variance and squared error over ``bins`` of equally many values, as told variance.

    In squared units of ``y``.

    References
    ----------
    Laves et al. 2020, Well-calibrated regression uncertainty in medical imaging, equation 12; bins of equal numbers.
    """
    variance = np.square(np.asarray(sd, float)).ravel()
    error = np.square(np.asarray(y, float) - mean).ravel()
    order = np.argsort(variance, kind="stable")
    parts = np.array_split(order, bins)
    gaps = [len(one) * abs(float(variance[one].mean() - error[one].mean())) for one in parts if len(one)]
    return sum(gaps) / len(order)


def sparsification(
    error: Float[np.ndarray, " N"], uncertainty: Float[np.ndarray, " N"], shares: Float[np.ndarray, " S"]
) -> Float64[np.ndarray, " S"]:
    """Return the mean of ``error`` after the most uncertain values were left out, for each share left out.

    References
    ----------
    Ilg et al. 2018, Uncertainty estimates and multi-hypotheses networks for optical flow, arXiv:1802.07095.
    """
    ordered = np.asarray(error, float)[np.argsort(uncertainty, kind="stable")]
    sums = np.cumsum(ordered)
    kept = np.maximum(1, np.rint((1 - np.asarray(shares)) * len(ordered)).astype(int))
    return np.asarray(sums[kept - 1] / kept)


def auroc(score: Real[np.ndarray, " N"], positive: Bool[np.ndarray, " N"]) -> float:
    """Return the chance that a positive case has a higher score than another one, ties counting half.

    NaN if all cases are of one kind.

    References
    ----------
    Hanley and McNeil 1982, The meaning and use of the area under a receiver operating characteristic curve.
    """
    from scipy.stats import rankdata

    positives = int(np.count_nonzero(positive))
    others = len(positive) - positives
    if not positives or not others:
        return float("nan")
    ranks = float(rankdata(score)[positive].sum())
    return (ranks - positives * (positives + 1) / 2) / (positives * others)
