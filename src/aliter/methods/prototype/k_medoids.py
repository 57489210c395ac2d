"""Several central rows of each group."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt
from scipy.spatial.distance import cdist

from aliter.core.spec import Spec


class KMedoids(Spec):
    """Rows such that the sum of distances to the nearest of them cannot be lowered by a single exchange.

    Begun greedily, then the best exchange is made until none helps.

    References
    ----------
    Kaufman and Rousseeuw 1987, Clustering by means of medoids: BUILD and SWAP.
    """

    kind: Literal["k_medoids"] = "k_medoids"
    count: PositiveInt = 2
    """Prototypes of each group; fewer where a group is smaller."""

    def __call__(self, rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " P"]:
        """Return the prototypes of each group, in ascending order."""
        parts = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
        found = [one[k_medoids(cdist(rows[one], rows[one]), min(self.count, len(one)))] for one in parts]
        return np.concatenate(found or [np.zeros(0, np.int64)])


def k_medoids(distances: Float[np.ndarray, "N N"], count: int) -> Int[np.ndarray, " count"]:
    """Return ``count`` rows, ascending, from which no exchange of one lowers the sum of distances."""
    chosen: list[int] = []
    nearest = np.full(len(distances), np.inf)
    for _ in range(count):
        sums = np.minimum(nearest[:, None], distances).sum(axis=0)
        sums[chosen] = np.inf
        chosen.append(int(np.argmin(sums)))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    best = float(nearest.sum())
    while True:
        value, out, row = min(_exchange(distances, chosen, out) for out in range(count))
        if not value < best - 1e-12 * max(1.0, best):
            return np.array(sorted(chosen), np.int64)
        chosen[out], best = row, value


def _exchange(distances: np.ndarray, chosen: list[int], out: int) -> tuple[float, int, int]:
    """Return the sum that the best exchange of one chosen row leads to, which one, and the row that comes in."""
    others = [one for place, one in enumerate(chosen) if place != out]
    nearest = distances[:, others].min(axis=1) if others else np.full(len(distances), np.inf)
    sums = np.minimum(nearest[:, None], distances).sum(axis=0)
    sums[others] = np.inf
    row = int(np.argmin(sums))
    return float(sums[row]), out, row
