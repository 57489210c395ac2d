"""The most central row of each group."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from aliter.core.spec import Spec
from aliter.ops.prototypes import medoid


class Medoid(Spec):
    """The row with the least sum of distances to those of its group.

    References
    ----------
    Kaufman and Rousseeuw 1987, Clustering by means of medoids.
    """

    kind: Literal["medoid"] = "medoid"

    def __call__(self, rows: Float[np.ndarray, "N D"], labels: Int[np.ndarray, " N"]) -> Int[np.ndarray, " P"]:
        """Return the prototype of each group, in the order of the groups."""
        members = [np.flatnonzero(labels == label) for label in np.unique(labels[labels >= 0])]
        return np.array([one[medoid(rows[one])] for one in members], np.int64)
