"""Rows that together are most like their group."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt
from scipy.spatial.distance import cdist

from aliter.core.spec import Spec
from aliter.ops.prototypes import criticisms, mmd_critic


class MMDCritic(Spec):
    """Rows chosen greedily to bring the maximum mean discrepancy from their group lowest.

    The kernel is a Gaussian as wide as the median distance of the group.

    References
    ----------
    Kim et al. 2016, Examples are not enough, learn to criticize! Criticism for interpretability, algorithm 1.
    """

    kind: Literal["mmd_critic"] = "mmd_critic"
    count: PositiveInt = 2
    """Prototypes of each group; fewer where a group is smaller."""

    def __call__(self, rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " P"]:
        """Return the prototypes of each group, in the order chosen."""
        parts = [np.zeros(0, np.int64)]
        for label in np.unique(labels[labels >= 0]):
            members = np.flatnonzero(labels == label)
            parts.append(members[mmd_critic(gaussian_kernel(rows[members]), min(self.count, len(members)))])
        return np.concatenate(parts)


def criticised(
    rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"], prototypes: Int[np.ndarray, " P"], count: int
) -> Int[np.ndarray, " Q"]:
    """Return the rows of each group that its ``prototypes``, chosen in whatever way, stand for worst, the worst first.

    Up to ``count`` of each group; the kernel is that of ``MMDCritic``.
    """
    parts = [np.zeros(0, np.int64)]
    for label in np.unique(labels[prototypes]):
        members = np.flatnonzero(labels == label)
        own = np.flatnonzero(np.isin(members, prototypes))
        found = criticisms(gaussian_kernel(rows[members]), own, min(count, len(members) - len(own)))
        parts.append(members[found])
    return np.concatenate(parts)


def gaussian_kernel(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N N"]:
    """Return the Gaussian kernel of rows, as wide as their median distance."""
    distances = cdist(rows, rows)
    between = distances[np.triu_indices(len(rows), 1)]
    width = float(np.median(between)) if len(between) else 1.0
    kernel: np.ndarray = np.exp(-((distances / (width or 1.0)) ** 2) / 2)
    return kernel
