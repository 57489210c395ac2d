"""Objects from affinities: distance, seeds, watershed."""

from typing import Literal

import numpy as np
from jaxtyping import Float, Float32
from pydantic import NonNegativeFloat, PositiveFloat
from scipy.ndimage import label

from aliter.core.spec import Spec
from aliter.methods.segment.watershed import Fragments, relief


class AffinityWatershed(Spec):
    """Flood what affinities call a boundary, from the places that are furthest from one.

    A voxel is the more a boundary the less it belongs with any of its neighbours: 1 less the least affinity over the
    axes, to either side. So both sides of a boundary are alike, along whatever axis it lies, in any dimension.
    Maxima of the smoothed distance to boundaries are seeds; boundaries are flooded from them over the whole field.
    Background has no affinity to anything, so it is boundary too: where it is deep, all of it is seed, of one number,
    and what is flooded from there belongs to no object.

    References
    ----------
    Funke et al. 2019, Large scale image segmentation with structured loss based deep learning, section 3.3.
    """

    kind: Literal["affinity_watershed"] = "affinity_watershed"
    level: PositiveFloat = 0.5
    """Least affinity from which a voxel is no boundary."""
    smooth_px: NonNegativeFloat = 1.0
    """Width of the Gaussian that smooths the distance before its maxima are taken."""
    background_px: PositiveFloat | None = 1.5
    """Distance from what is no boundary beyond which a voxel is a seed of the background: over half the width of a
    boundary between two objects. None: there is no background, every voxel belongs to an object."""
    spacing: tuple[PositiveFloat, ...] | None = None
    """Distance of voxels along each axis; the same along all if None."""

    def __call__(self, affinities: Float[np.ndarray, "n *space"]) -> Fragments:
        """Return the fragments that ``affinities``, in [0, 1], make; 0 is background."""
        from skimage.segmentation import watershed

        given = affinities.astype(np.float32)
        boundary = 1 - _belonging(given)
        inside = boundary < 1 - self.level
        steps = self.spacing or (1.0,) * inside.ndim
        seeds, count = label(relief(inside, self.smooth_px, steps)[2], np.ones((3,) * inside.ndim))
        if self.background_px is not None:
            seeds[relief(~inside, 0.0, steps)[0] > self.background_px] = count + 1
        labels = watershed(boundary, seeds).astype(np.int32)  # type: ignore[no-untyped-call]
        labels[labels > count] = 0
        return Fragments(labels, given)


def _belonging(affinities: Float32[np.ndarray, "n *space"]) -> Float32[np.ndarray, "*space"]:
    """Return how much each voxel belongs with all its neighbours; at the ends of an axis it has one there."""
    both = affinities.copy()
    for axis, found in enumerate(both):
        here, given = np.moveaxis(found, axis, 0), np.moveaxis(affinities[axis], axis, 0)
        here[0] = given[1] if len(given) > 1 else 0
        np.minimum(here[1:-1], given[2:], out=here[1:-1])
    return np.asarray(both.min(0))
