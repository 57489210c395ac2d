"""An explanation against planted truth."""

import numpy as np
from jaxtyping import Bool, Float


def overlap(
    truth: Bool[np.ndarray, "*shape"], mask: Bool[np.ndarray, "*shape"], attribution: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, " 4"]:
    """Return IoU, precision and recall of ``mask``, and the average precision of ``attribution``.

    All NaN where nothing was planted; the precision of an empty mask is 0.
    """
    from sklearn.metrics import average_precision_score

    if not truth.any():
        return np.full(4, np.nan)
    hit = np.count_nonzero(truth & mask)
    either, chosen, planted = np.count_nonzero(truth | mask), np.count_nonzero(mask), np.count_nonzero(truth)
    precision = hit / chosen if chosen else 0.0
    found = average_precision_score(truth.ravel(), attribution.ravel())
    return np.array([hit / either, precision, hit / planted, found])
