"""Nearest of several means."""

import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt

from aliter.core.spec import Spec


class KMeans(Spec):
    """Each row goes to the nearest mean; the best of ten starts.

    References
    ----------
    Lloyd 1982, Least squares quantization in PCM.
    """

    kind: Literal["k_means"] = "k_means"
    count: PositiveInt = 4
    """Groups; no more than rows."""

    def __call__(self, rows: Float[np.ndarray, "N D"], seed: int = 0) -> Int[np.ndarray, " N"]:
        """Return the group of each row."""
        from sklearn.cluster import KMeans as Means

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(Means(min(self.count, len(rows)), n_init=10, random_state=seed).fit_predict(rows)).astype(
                int
            )
