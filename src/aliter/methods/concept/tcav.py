"""Test how often a model's answer rises along a concept."""

import math

import numpy as np
from jaxtyping import Real
from numpy.typing import ArrayLike

from aliter.core.errors import DataError


def tcav_score(gradients: Real[np.ndarray, "N D"] | ArrayLike, cav: Real[np.ndarray, " D"] | ArrayLike) -> float:
    """Return the share of examples whose answer rises along ``cav``, in [0, 1]; NaN without examples.

    ``gradients`` are those of a logit or a probability with respect to the activations, one row an example; for a
    loss, which falls where the answer rises, negate them. An answer that does not change does not rise.

    Raises
    ------
    DataError
        If the gradients and the direction differ in dimension.

    References
    ----------
    Kim et al. 2018, Interpretability beyond feature attribution: quantitative testing with concept activation vectors
    (TCAV), arXiv:1711.11279, equation 2.
    """
    slopes, direction = np.asarray(gradients, dtype=float), np.asarray(cav, dtype=float)
    if slopes.ndim != 2 or direction.shape != slopes.shape[1:]:
        found = f"{slopes.shape} and {direction.shape}"
        raise DataError(f"expected rows of gradients and a direction of one dimension, found {found}; pool both alike")
    return float(np.mean(slopes @ direction > 0)) if len(slopes) else math.nan
