"""A bank of filters at several scales: what describes a voxel without learning."""

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter

SCALES_PX = (1.0, 2.0, 4.0, 8.0)
"""Widths of the Gaussians."""


def filter_bank(
    image: Float[np.ndarray, "C *space"],
    spacing: Sequence[float] | None = None,
    scales_px: Sequence[float] = SCALES_PX,
) -> Float32[np.ndarray, "D *space"]:
    """Return, for each channel and scale, what random forests on microscopy images are commonly given.

    The smoothed image, the size of its gradient, its Laplacian, and the eigenvalues of its Hessian, sorted. A
    derivative is scaled by the width to the power of its order, so that scales can be compared. ``spacing`` is the
    distance of voxels along each axis; widths are in its unit.

    References
    ----------
    Berg et al. 2019, ilastik: interactive machine learning for (bio)image analysis, Nature Methods 16.
    """
    ndim = image.ndim - 1
    steps = np.ones(ndim) if spacing is None else np.asarray(spacing, float)
    found = [_at_scale(channel, scale, steps) for channel in image for scale in scales_px]
    return np.concatenate(found)


def _at_scale(
    image: Float[np.ndarray, "*space"], scale: float, steps: Float[np.ndarray, " n"]
) -> Float32[np.ndarray, "D *space"]:
    """Return the filters of one width."""
    ndim, widths = image.ndim, scale / steps
    source = image.astype(np.float32)

    def derived(*axes: int) -> np.ndarray:
        order = [axes.count(axis) for axis in range(ndim)]
        unit = float(np.prod([(scale / steps[axis]) for axis in axes])) if axes else 1.0
        found: np.ndarray = gaussian_filter(source, widths, order=order, mode="mirror", truncate=3)
        return found * np.float32(unit)

    gradient = np.sqrt(sum(np.square(derived(axis)) for axis in range(ndim)))
    hessian = np.empty((*image.shape, ndim, ndim), np.float32)
    for one, other in combinations_with_replacement(range(ndim), 2):
        hessian[..., one, other] = hessian[..., other, one] = derived(one, other)
    values = np.moveaxis(np.linalg.eigvalsh(hessian), -1, 0)
    laplacian = np.trace(hessian, axis1=-2, axis2=-1)
    return np.concatenate([np.stack([derived(), gradient, laplacian]), values]).astype(np.float32)
