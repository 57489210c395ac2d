"""Many curves as one: the middle half of a population."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Float64

SHARES: Float64[np.ndarray, "101"] = np.arange(101) / 100
"""The sizes of masks, as shares of an image, at which a population is told."""


def population(curves: Iterable[Float[np.ndarray, "T 3"]]) -> Float64[np.ndarray, "101 3"]:
    """Return lower quartile, median and upper quartile of the change of score at each of ``SHARES``.

    A curve is rows of threshold, mask size (ascending) and change; rows of NaN are none. Between its rows it is
    straight. NaN if there is no curve with rows.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """
    sound = [curve[np.isfinite(curve).all(axis=1)] for curve in curves]
    rows = [np.interp(SHARES, curve[:, 1], curve[:, 2]) for curve in sound if len(curve)]
    if not rows:
        return np.full((len(SHARES), 3), np.nan)
    return np.asarray(np.quantile(np.stack(rows), (0.25, 0.5, 0.75), axis=0).T)
