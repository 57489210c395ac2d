"""A mixture of Gaussians."""

import warnings
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import PositiveInt

from aliter.core.spec import Spec


class GaussianMixture(Spec):
    """Each row goes to the Gaussian that it is likeliest from; full covariances, begun by k-means++.

    References
    ----------
    Dempster et al. 1977, Maximum likelihood from incomplete data via the EM algorithm.
    """

    kind: Literal["gaussian_mixture"] = "gaussian_mixture"
    count: PositiveInt = 4
    """Groups; no more than rows."""

    def __call__(self, rows: Float[np.ndarray, "N D"], seed: int = 0) -> Int[np.ndarray, " N"]:
        """Return the group of each row."""
        from sklearn.mixture import GaussianMixture as Mixture

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mixture = Mixture(min(self.count, len(rows)), init_params="k-means++", random_state=seed, reg_covar=1e-4)
            return np.asarray(mixture.fit_predict(rows))
