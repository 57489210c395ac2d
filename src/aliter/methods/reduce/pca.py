"""Directions of the largest variance."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Float64
from pydantic import PositiveInt

from aliter.core.spec import Spec


class PCA(Spec):
    """The first principal components; the sign of each makes its largest entry positive.

    References
    ----------
    Pearson 1901, On lines and planes of closest fit to systems of points in space.
    """

    kind: Literal["pca"] = "pca"
    dimensions: PositiveInt = 10
    """Components; no more than rows less one, or columns."""

    def __call__(self, rows: Float[np.ndarray, "N D"], seed: int = 0) -> Float64[np.ndarray, "N d"]:
        """Return the rows in fewer dimensions; ``seed`` has no influence."""
        centred = rows.astype(float) - rows.mean(axis=0)
        left, values, right = np.linalg.svd(centred, full_matrices=False)
        kept = min(self.dimensions, max(1, len(rows) - 1), rows.shape[1])
        largest = right[np.arange(len(right)), np.abs(right).argmax(axis=1)]
        return np.asarray((left * values * np.where(largest < 0, -1.0, 1.0))[:, :kept])
