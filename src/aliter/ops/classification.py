"""How well labels are predicted, and how often a translated image is taken for its target."""

import numpy as np
from jaxtyping import Float, Int


def confusion(labels: Int[np.ndarray, " N"], predicted: Int[np.ndarray, " N"], classes: int) -> Int[np.ndarray, "K K"]:
    """Return how often each class (rows) was predicted as each class (columns)."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def balanced_accuracy(counts: Int[np.ndarray, "K K"]) -> float:
    """Return the mean over classes of the share predicted right; classes without images do not count."""
    totals = counts.sum(1)
    return float((np.diag(counts)[totals > 0] / totals[totals > 0]).mean())


def calibration_error(probabilities: Float[np.ndarray, "N K"], labels: Int[np.ndarray, " N"], bins: int = 15) -> float:
    """Return the mean distance of confidence and accuracy over equal bins of confidence, weighted by their images.

    References
    ----------
    Guo et al. 2017, On calibration of modern neural networks, arXiv:1706.04599, eq. 3.
    """
    confidence = probabilities.max(1)
    right = probabilities.argmax(1) == labels
    bin_of = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(right[bin_of == b].sum() - confidence[bin_of == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def translation_rate(predicted: Int[np.ndarray, "N R"], target: int) -> float:
    """Return the share of all tries that are classified as ``target``."""
    return float((predicted == target).mean())


def conversion_rate(predicted: Int[np.ndarray, "N R"], target: int) -> float:
    """Return the share of images of which some try is classified as ``target``; never below the translation rate."""
    return float((predicted == target).any(1).mean())


def wilson(share: float, count: int, z: float = 1.959964) -> tuple[float, float]:
    """Return Wilson's interval for a ``share`` seen in ``count`` independent cases; 95 % by default.

    References
    ----------
    Wilson 1927, Probable inference, the law of succession, and statistical inference.
    """
    if count == 0:
        return 0.0, 1.0
    centre = share + z**2 / (2 * count)
    half = z * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    scale = 1 + z**2 / count
    return max(0.0, float((centre - half) / scale)), min(1.0, float((centre + half) / scale))
