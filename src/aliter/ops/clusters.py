"""How well groups hang together and stand apart; rows that are in no group do not count as one."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Real


@dataclass(frozen=True)
class Validity:
    """What is known of a grouping; scores are NaN where fewer than two groups, or as many as rows, are left."""

    count: int
    """Groups."""
    coverage: float
    """Share of the rows that are in a group."""
    silhouette: float
    """From -1 to 1: how much nearer its own group is to a row than the next."""
    davies_bouldin: float
    """0 or more: how wide groups are for their distance, the worst neighbour of each; low is good."""
    calinski_harabasz: float
    """Spread between groups for that within; high is good."""


def validity(rows: Real[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Validity:
    """Return how good a grouping is; rows labelled -1 are in no group and count in ``coverage`` alone.

    References
    ----------
    Rousseeuw 1987, Silhouettes; Davies and Bouldin 1979, A cluster separation measure; Calinski and Harabasz 1974, A
    dendrite method for cluster analysis.
    """
    from sklearn import metrics

    inside = labels >= 0
    found, own = np.asarray(rows, dtype=float)[inside], labels[inside]
    count = len(np.unique(own))
    coverage = float(inside.mean()) if len(labels) else 0.0
    if not 2 <= count < len(own):
        return Validity(count, coverage, float("nan"), float("nan"), float("nan"))
    scores = (metrics.silhouette_score, metrics.davies_bouldin_score, metrics.calinski_harabasz_score)
    return Validity(count, coverage, *(float(score(found, own)) for score in scores))


def agreement(a: Int[np.ndarray, " N"], b: Int[np.ndarray, " N"]) -> float:
    """Return the adjusted Rand index of two groupings: 1 if they are the same, 0 in the mean by chance.

    References
    ----------
    Hubert and Arabie 1985, Comparing partitions, equation 5.
    """
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(a, b))
