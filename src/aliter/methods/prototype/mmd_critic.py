"""Rows that together are most like their group."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import NonNegativeInt, PositiveInt
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
    criticisms: NonNegativeInt = 1
    """Rows of each group that its prototypes stand for worst."""

    def __call__(self, rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " P"]:
        """Return the prototypes of each group, in the order chosen."""
        return np.concatenate([chosen for chosen, _ in self._each(rows, labels)] or [np.zeros(0, np.int64)])

    def criticise(self, rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " P"]:
        """Return the criticisms of each group, the worst first."""
        return np.concatenate([found for _, found in self._each(rows, labels)] or [np.zeros(0, np.int64)])

    def _each(self, rows: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        parts = []
        for label in np.unique(labels[labels >= 0]):
            members = np.flatnonzero(labels == label)
            kernel = gaussian_kernel(rows[members])
            chosen = mmd_critic(kernel, min(self.count, len(members)))
            found = criticisms(kernel, chosen, min(self.criticisms, len(members) - len(chosen)))
            parts.append((members[chosen], members[found]))
        return parts


def gaussian_kernel(rows: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N N"]:
    """Return the Gaussian kernel of rows, as wide as their median distance."""
    distances = cdist(rows, rows)
    between = distances[np.triu_indices(len(rows), 1)]
    width = float(np.median(between)) if len(between) else 1.0
    kernel: np.ndarray = np.exp(-((distances / (width or 1.0)) ** 2) / 2)
    return kernel
