"""Segments of an image at several resolutions, and what is seen of one alone."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float

_LEAST_SHARE = 1e-3
_JACCARD = 0.5


def superpixels(
    image: Float[np.ndarray, "H W 3"], counts: Sequence[int], compactness: float = 20.0, sigma_px: float = 1.0
) -> list[Bool[np.ndarray, "H W"]]:
    """Return the segments of ``image``, colours from 0 to 1, into about so many of each of ``counts``.

    Those of a thousandth of the image or less are left out, and those that agree with one already kept by a Jaccard
    index above one half.

    References
    ----------
    Achanta et al. 2012, SLIC superpixels compared to state-of-the-art superpixel methods.
    Ghorbani et al. 2019, Towards automatic concept-based explanations, arXiv:1902.03129, section 3.
    """
    from skimage.segmentation import slic

    found = (
        segment
        for count in counts
        for segment in _segments(
            slic(image, n_segments=count, compactness=compactness, sigma=sigma_px, channel_axis=-1, start_label=1)
        )
    )
    return distinct(found)


def distinct(segments: Iterator[Bool[np.ndarray, "H W"]]) -> list[Bool[np.ndarray, "H W"]]:
    """Return those of ``segments`` that are large enough and not nearly one that came before."""
    kept: list[np.ndarray] = []
    for one in segments:
        if one.mean() > _LEAST_SHARE and all(_jaccard(one, other) <= _JACCARD for other in kept):
            kept.append(one)
    return kept


def _segments(labels: np.ndarray) -> Iterator[Bool[np.ndarray, "H W"]]:
    """Yield a mask for every label there is, wherever the numbers start."""
    for number in np.unique(labels):
        yield labels == number


def _jaccard(a: Bool[np.ndarray, "H W"], b: Bool[np.ndarray, "H W"]) -> float:
    shared = int((a & b).sum())
    return shared / (int(a.sum()) + int(b.sum()) - shared)


def alone(
    image: Float[np.ndarray, "C H W"], mask: Bool[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "C h w"], Bool[np.ndarray, "h w"]]:
    """Return the rectangle around ``mask`` with all else in the mean colour of the image, and the mask there."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    mean = image.mean(axis=(1, 2), dtype=np.float64).astype(image.dtype)
    seen = np.where(mask[box], image[(slice(None), *box)], mean[:, None, None])
    return np.asarray(seen), mask[box]
