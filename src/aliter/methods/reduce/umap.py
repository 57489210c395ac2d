"""A layout that keeps neighbours together."""

import warnings
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Float64
from pydantic import NonNegativeFloat, PositiveInt

from aliter.core.spec import Spec


class UMAP(Spec):
    """Uniform manifold approximation and projection; distances in it are inflated, so nothing is scored there.

    One thread, so that the same seed gives the same layout.

    References
    ----------
    McInnes et al. 2018, UMAP: uniform manifold approximation and projection, arXiv:1802.03426.
    """

    kind: Literal["umap"] = "umap"
    dimensions: PositiveInt = 10
    neighbours: PositiveInt = 15
    """Rows that count as near; fewer where there are fewer."""
    distance: NonNegativeFloat = 0.1
    """Least distance in the layout."""
    metric: Literal["cosine", "euclidean"] = "cosine"

    def __call__(self, rows: Float[np.ndarray, "N D"], seed: int = 0) -> Float64[np.ndarray, "N d"]:
        """Return the rows in fewer dimensions."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import umap

            layout = umap.UMAP(
                n_components=min(self.dimensions, len(rows) - 2),
                n_neighbors=min(self.neighbours, len(rows) - 1),
                min_dist=self.distance,
                metric=self.metric,
                random_state=seed,
                n_jobs=1,
            )
            threads = torch.get_num_threads()
            try:
                return np.asarray(layout.fit_transform(rows), np.float64)
            finally:
                torch.set_num_threads(threads)  # Its compiler sets them for the whole process.
