"""Rows that stand for others, and rows that nothing stands for."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int, Real
from scipy.spatial.distance import cdist, pdist

from aliter.core.errors import RequestError

_PAIRS = 4_000_000
"""Distances held at once."""
_TIE = 1e-12


def medoid(rows: Real[np.ndarray, "N D"]) -> int:
    """Return the index of the row with the least sum of Euclidean distances to all others; the first of equals.

    Raises
    ------
    RequestError
        If there are no rows.

    References
    ----------
    Kaufman and Rousseeuw 1987, Clustering by means of medoids.
    """
    rows = np.asarray(rows, dtype=float)
    if not len(rows):
        raise RequestError("expected rows to choose from, found none; leave out empty clusters")
    size = max(1, _PAIRS // len(rows))
    sums = [cdist(rows[start : start + size], rows).sum(axis=1) for start in range(0, len(rows), size)]
    return _least(np.concatenate(sums))


def mmd_critic(kernel: Real[np.ndarray, "N N"], count: int) -> Int[np.ndarray, " count"]:
    """Return the indices of ``count`` prototypes, in the order chosen.

    Each is the row that brings the maximum mean discrepancy between the prototypes and all rows lowest; the first of
    equals.

    Raises
    ------
    RequestError
        If there are fewer than ``count`` rows.

    References
    ----------
    Kim et al. 2016, Examples are not enough, learn to criticize! Criticism for interpretability, algorithm 1.
    """
    kernel = np.asarray(kernel, dtype=float)
    free = np.ones(len(kernel), dtype=bool)
    _check(count, free)
    mean, own = kernel.mean(axis=1), np.diagonal(kernel)
    shared, chosen = np.zeros(len(kernel)), np.zeros(0, dtype=np.int64)
    for size in range(1, count + 1):
        inner = kernel[np.ix_(chosen, chosen)].sum() + 2 * shared + own
        discrepancy = inner / size**2 - 2 * (mean[chosen].sum() + mean) / size
        best = _least(np.where(free, discrepancy, np.inf))
        free[best] = False
        chosen = np.append(chosen, best)
        shared = shared + kernel[:, best]
    return chosen


def criticisms(
    kernel: Real[np.ndarray, "N N"], prototypes: Int[np.ndarray, " P"] | Sequence[int], count: int
) -> Int[np.ndarray, " count"]:
    """Return the indices of the ``count`` rows that ``prototypes`` stand for worst, the worst first.

    Those, prototypes left out, with the largest absolute witness: mean similarity to all rows less mean similarity to
    the prototypes.

    Raises
    ------
    RequestError
        If fewer than ``count`` rows are left, or there are no prototypes.

    References
    ----------
    Kim et al. 2016, Examples are not enough, learn to criticize! Criticism for interpretability, equation 4.
    """
    kernel, prototypes = np.asarray(kernel, dtype=float), np.asarray(prototypes, dtype=np.int64)
    if not prototypes.size:
        raise RequestError("expected prototypes to criticise, found none; choose some first")
    free = np.ones(len(kernel), dtype=bool)
    free[prototypes] = False
    _check(count, free)
    witness = np.abs(kernel.mean(axis=1) - kernel[:, prototypes].mean(axis=1))
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(_least(np.where(free, -witness, np.inf)))
        free[chosen[-1]] = False
    return np.array(chosen, dtype=np.int64)


def coverage(rows: Real[np.ndarray, "N D"], prototypes: Int[np.ndarray, " P"], radius: float) -> float:
    """Return the share of rows that have a prototype within ``radius``, in Euclidean distance."""
    rows = np.asarray(rows, dtype=float)
    return float((cdist(rows, rows[prototypes]).min(axis=1) <= radius).mean())


def diversity(rows: Real[np.ndarray, "N D"], prototypes: Int[np.ndarray, " P"]) -> float:
    """Return the mean distance between two prototypes for that between two rows: 1 is as diverse as drawn by chance.

    NaN for fewer than two prototypes, or rows that are all equal.
    """
    rows = np.asarray(rows, dtype=float)
    spread = float(pdist(rows).mean()) if len(rows) > 1 else 0.0
    if len(prototypes) < 2 or not spread:
        return float("nan")
    return float(pdist(rows[prototypes]).mean()) / spread


def _least(values: Float64[np.ndarray, " N"]) -> int:
    """Return the index of the least of ``values``; of those that differ by rounding, the first."""
    least = float(values.min())
    return int(np.flatnonzero(values <= least + _TIE * max(1.0, abs(least)))[0])


def _check(count: int, free: Bool[np.ndarray, " N"]) -> None:
    """Refuse to choose more rows than there are."""
    if not 0 <= count <= free.sum():
        raise RequestError(f"expected a count of at most {free.sum()} rows, found {count}; ask for fewer")
