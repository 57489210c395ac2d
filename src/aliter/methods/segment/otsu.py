"""Objects that are brighter than a level, parted where they are narrow."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float, Int32, Real
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label, maximum_filter

from aliter.core.spec import Spec

_BINS = 1024


class Otsu(Spec):
    """Smooth, take what is above one level for all images, fill holes, and flood from what is deepest inside.

    The level is Otsu's of images that are trusted, never of the image at hand: so a field without objects has none.

    References
    ----------
    Otsu 1979, A threshold selection method from gray-level histograms, equation 18.
    """

    kind: Literal["otsu"] = "otsu"
    smooth_px: NonNegativeFloat = 1.5
    """Width of the Gaussian that smooths an image."""
    fraction: PositiveFloat = 0.6
    """Where the level lies, from the mean of the darker group, 0, to Otsu's, 1: stains fade towards an outline."""
    part_px: NonNegativeFloat = 2.0
    """Width of the Gaussian that smooths the distance to the background before its maxima are taken."""
    smallest_px: NonNegativeInt = 30
    """Objects of fewer pixels are none."""

    def level(self, images: Sequence[Real[np.ndarray, "H W"]]) -> float:
        """Return the level for ``images`` like these, whose pixels Otsu's parts into two groups of least variance."""
        values = np.concatenate([self._smooth(image).ravel() for image in images])
        counts, edges = np.histogram(values, _BINS)
        middles = (edges[1:] + edges[:-1]) / 2
        below = np.cumsum(counts)[:-1]
        sums = np.cumsum(counts * middles)
        above, rest = counts.sum() - below, sums[-1] - sums[:-1]
        between = below * above * (sums[:-1] / np.maximum(below, 1) - rest / np.maximum(above, 1)) ** 2
        best = int(np.flatnonzero(between == between.max()).mean())
        dark = sums[best] / below[best]
        return float(dark + self.fraction * (edges[best + 1] - dark))

    def __call__(self, image: Real[np.ndarray, "H W"], level: float) -> Int32[np.ndarray, "H W"]:
        """Return the number of the object at each pixel, 0 where there is none."""
        from skimage.segmentation import watershed

        inside = binary_fill_holes(self._smooth(image) > level)
        depth = np.asarray(distance_transform_edt(inside))
        smooth = gaussian_filter(depth, self.part_px) if self.part_px else depth
        seeds, _ = label((maximum_filter(smooth, 5) == smooth) & inside, np.ones((3, 3)))
        found = watershed(-smooth, seeds, mask=inside)  # type: ignore[no-untyped-call]
        large = np.bincount(found.ravel()) >= self.smallest_px
        large[0] = False
        numbers = np.cumsum(large) * large
        return np.asarray(numbers[found], np.int32)

    def _smooth(self, image: Real[np.ndarray, "H W"]) -> Float[np.ndarray, "H W"]:
        values = np.asarray(image, np.float64)
        return np.asarray(gaussian_filter(values, self.smooth_px)) if self.smooth_px else values
