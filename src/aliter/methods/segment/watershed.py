"""Objects from the probability of foreground: distance, seeds, watershed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32
from pydantic import NonNegativeFloat, PositiveFloat
from scipy.ndimage import distance_transform_edt, gaussian_filter, label, maximum_filter

from aliter.core.spec import Spec


@dataclass(frozen=True)
class Fragments:
    """What objects are put together from."""

    labels: Int32[np.ndarray, "*space"]
    """Number of the fragment at each voxel, 0 in the background."""
    affinities: Float32[np.ndarray, "n *space"]
    """How much each voxel belongs with its neighbour towards -1, along each axis, in [0, 1]."""


class Watershed(Spec):
    """Cut the foreground where it is narrow.

    Each voxel of the foreground has its distance to the background. Maxima of the smoothed distance are seeds, and
    the distance is flooded from them. Two neighbours belong together as far as both are foreground and as far as
    both are deep inside: their distance relative to the greatest one of their fragment, the lesser of both. So a neck
    holds two fragments together the less the narrower it is for their size.

    References
    ----------
    Soille 2003, Morphological image analysis, section 9.2.3 (seeds from the distance function).
    """

    kind: Literal["watershed"] = "watershed"
    level: PositiveFloat = 0.5
    """Probability from which a voxel is foreground."""
    smooth_px: NonNegativeFloat = 1.0
    """Width of the Gaussian that smooths the distance before its maxima are taken."""
    spacing: tuple[PositiveFloat, ...] | None = None
    """Distance of voxels along each axis; the same along all if None."""

    def __call__(self, foreground: Float[np.ndarray, "*space"]) -> Fragments:
        """Return the fragments of ``foreground``, probabilities, and how much voxels belong together."""
        from skimage.segmentation import watershed

        probable = foreground.astype(np.float32)
        steps = self.spacing or (1.0,) * foreground.ndim
        inside = probable > self.level
        depth, smooth, peaks = relief(inside, self.smooth_px, steps)
        seeds, _ = label(peaks, np.ones((3,) * foreground.ndim))
        labels = watershed(-smooth, seeds, mask=inside).astype(np.int32)  # type: ignore[no-untyped-call]
        return Fragments(labels, neck_affinities(labels, depth, probable))


def relief(
    inside: Bool[np.ndarray, "*space"], smooth_px: float, steps: Sequence[float]
) -> tuple[Float32[np.ndarray, "*space"], Float32[np.ndarray, "*space"], Bool[np.ndarray, "*space"]]:
    """Return how far each voxel is from what is not ``inside``, that smoothed, and where the smoothed is highest.

    Where all is inside, the distance is to the border of the field.
    """
    if inside.all():
        depth = distance_transform_edt(np.pad(inside, 1), sampling=steps)[(slice(1, -1),) * inside.ndim]
    else:
        depth = distance_transform_edt(inside, sampling=steps)
    depth = depth.astype(np.float32)
    smooth = gaussian_filter(depth, smooth_px / np.asarray(steps)) if smooth_px else depth
    return depth, smooth, (maximum_filter(smooth, 3) == smooth) & inside


def neck_affinities(
    labels: Int32[np.ndarray, "*space"], depth: Float32[np.ndarray, "*space"], probable: Float32[np.ndarray, "*space"]
) -> Float32[np.ndarray, "n *space"]:
    """Return how much neighbours belong together: the lesser relative depth of both, times the lesser probability."""
    deepest = np.zeros(int(labels.max(initial=0)) + 1, np.float32)
    np.maximum.at(deepest, labels.ravel(), depth.ravel())
    relative = depth / np.maximum(deepest[labels], 1e-6)
    found = np.zeros((labels.ndim, *labels.shape), np.float32)
    for axis in range(labels.ndim):
        out = np.moveaxis(found[axis], axis, 0)
        moved = [np.moveaxis(one, axis, 0) for one in (relative, probable)]
        out[1:] = np.minimum(moved[0][1:], moved[0][:-1]) * np.minimum(moved[1][1:], moved[1][:-1])
    return found
