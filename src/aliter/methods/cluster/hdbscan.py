"""Dense regions, however many; what lies between is in no group."""

import warnings
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field, NonNegativeFloat, PositiveInt

from aliter.core.spec import Spec


class HDBSCAN(Spec):
    """Clusters of a hierarchy of densities.

    References
    ----------
    Campello et al. 2013, Density-based clustering based on hierarchical density estimates.
    """

    kind: Literal["hdbscan"] = "hdbscan"
    smallest: Annotated[int, Field(ge=2)] = 5
    """Rows of the smallest group."""
    samples: PositiveInt = 3
    """Neighbours that make a row dense; fewer where there are fewer."""
    reach: NonNegativeFloat = 0.0
    """Groups nearer than this are one."""

    def __call__(self, rows: Float[np.ndarray, "N D"], seed: int = 0) -> Int[np.ndarray, " N"]:
        """Return the group of each row, -1 for those in none; ``seed`` has no influence."""
        from sklearn import cluster

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = cluster.HDBSCAN(
                min_cluster_size=self.smallest,
                min_samples=min(self.samples, len(rows) - 1),
                cluster_selection_epsilon=self.reach,
                cluster_selection_method="leaf",
                copy=True,
            )
            return np.asarray(found.fit_predict(rows)).astype(int)
