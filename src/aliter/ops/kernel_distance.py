"""How far two sets of features lie apart, without taking them for Gaussians."""

import numpy as np
from jaxtyping import Real

from aliter.core.errors import DataError


def kernel_distance(a: Real[np.ndarray, "N D"], b: Real[np.ndarray, "M D"]) -> float:
    """Return the unbiased squared maximum mean discrepancy under the kernel (x.y / D + 1)^3.

    Around 0, and so below it as often as above, where both have one law; unlike the Frechet distance its mean does not
    depend on the numbers of rows.

    Raises
    ------
    DataError
        For fewer than two rows.

    References
    ----------
    Binkowski et al. 2018, Demystifying MMD GANs, arXiv:1801.01401, section 4 and equation 4.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if min(len(a), len(b)) < 2:
        raise DataError(f"expected at least 2 rows on either side, found {len(a)} and {len(b)}; add more")
    within = sum(_mean_of_others(rows) for rows in (a, b))
    return float(within - 2 * _kernel(a, b).mean())


def _kernel(a: Real[np.ndarray, "N D"], b: Real[np.ndarray, "M D"]) -> Real[np.ndarray, "N M"]:
    return np.asarray((a @ b.T / a.shape[1] + 1) ** 3)


def _mean_of_others(rows: Real[np.ndarray, "N D"]) -> float:
    """Return the mean of the kernel over all pairs of different rows."""
    kernel = _kernel(rows, rows)
    return float((kernel.sum() - np.trace(kernel)) / (len(rows) * (len(rows) - 1)))
