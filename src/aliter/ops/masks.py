"""Masks of what an attribution points at: thresholded, closed and softened."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float, Real, Shaped
from numpy.typing import ArrayLike
from torch import Tensor

from aliter.core.errors import RequestError
from aliter.ops.arrays import Array, as_tensor

BLUR_RADIUS_PX = 5
"""Taps of the blur on either side of its centre."""
_BAND_PX = 32


def closing(mask: Shaped[Array, "*lead H W"], diameter_px: int) -> Shaped[Array, "*lead H W"]:
    """Return the morphological closing of ``mask`` by the discrete ellipse of odd diameter ``diameter_px``.

    Masks and grey images of any dtype; every leading index is closed by itself. What lies outside of the image
    counts neither for the dilation nor for the erosion. A closing contains its input, and closing again changes
    nothing; closing a grey image and then thresholding it equals closing the thresholded image. A diameter of 1
    closes nothing.

    Raises
    ------
    RequestError
        If the diameter is even or not positive: an even ellipse has no centre, and loses pixels.

    References
    ----------
    Serra 1982, Image analysis and mathematical morphology, chapter II.
    """
    half_widths = _ellipse(diameter_px)
    image = as_tensor(mask)
    closed = _window(_window(image, half_widths, torch.maximum), half_widths, torch.minimum)
    return closed.numpy() if isinstance(mask, np.ndarray) else closed


def threshold_masks(
    attribution: Real[Array, "C H W"],
    thresholds: Real[np.ndarray, " T"] | ArrayLike,
    close_px: int,
    channelwise: bool,
) -> Bool[Array, "T C H W"]:
    """Return, for each threshold, the closed mask of the values above it.

    Thresholds are compared in the precision of ``attribution``. If not ``channelwise``, a pixel above the threshold
    in any channel is in the mask of every channel. A mask never grows with its threshold.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """
    closed = closed_grey(as_tensor(attribution), close_px, channelwise)
    levels = torch.as_tensor(thresholds, dtype=closed.dtype, device=closed.device)
    masks = closed > rearrange(levels, "t -> t 1 1 1")
    return masks.numpy() if isinstance(attribution, np.ndarray) else masks


def closed_grey(attribution: Real[Tensor, "C H W"], close_px: int, channelwise: bool) -> Float[Tensor, "C H W"]:
    """Return the grey image whose values above a threshold are the closed mask of that threshold.

    At least in single precision; if not ``channelwise``, every channel is the largest of all channels, closed.
    """
    grey = attribution if attribution.dtype == torch.float64 else attribution.float()
    if channelwise:
        return closing(grey, close_px)
    largest = closing(reduce(grey, "c h w -> h w", "max"), close_px)
    return repeat(largest, "h w -> c h w", c=grey.shape[0])


def blur(masks: Float[Tensor, "B C H W"], sigma_px: float) -> Float[Tensor, "B C H W"]:
    """Return ``masks`` under a Gaussian of 11 taps an axis and width ``sigma_px``; 0 blurs nothing.

    Borders are mirrored without repeating the edge (reflect-101). Values in [0, 1] stay there.
    """
    if sigma_px == 0:
        return masks
    lines = rearrange(masks, "b c h w -> (b c h) w")
    rows = torch.empty_like(lines)
    for part, read, weights in _bands(masks.shape[-1], sigma_px):
        torch.mm(lines[:, read], weights.T.to(lines), out=rows[:, part])
    images = rearrange(rows, "(n h) w -> n h w", h=masks.shape[-2])
    result = torch.empty_like(images)
    for part, read, weights in _bands(masks.shape[-2], sigma_px):
        torch.bmm(weights.to(images).expand(len(images), -1, -1), images[:, read], out=result[:, part])
    return result.view(masks.shape)


@lru_cache(maxsize=16)
def _bands(size: int, sigma_px: float) -> tuple[tuple[slice, slice, Float[Tensor, "part source"]], ...]:
    """Return the blur of a line of ``size`` pixels in parts: pixels made, pixels read, and the weights between them.

    A product with a narrow matrix is several times faster than a convolution by as few taps.
    """
    offsets = np.arange(-BLUR_RADIUS_PX, BLUR_RADIUS_PX + 1)
    taps = np.exp(-(offsets**2) / (2 * sigma_px**2))
    sources = np.pad(np.arange(size), BLUR_RADIUS_PX, mode="reflect")
    matrix = np.zeros((size, size))
    for offset, tap in enumerate(taps / taps.sum()):
        matrix[np.arange(size), sources[offset : offset + size]] += tap
    parts = [slice(start, min(start + _BAND_PX, size)) for start in range(0, size, _BAND_PX)]
    reads = [slice(max(one.start - BLUR_RADIUS_PX, 0), min(one.stop + BLUR_RADIUS_PX, size)) for one in parts]
    return tuple((part, read, torch.from_numpy(matrix[part, read])) for part, read in zip(parts, reads, strict=True))


def _ellipse(diameter_px: int) -> list[int]:
    """Return half the width of each row of the ellipse, from its centre row down."""
    if diameter_px < 1 or diameter_px % 2 == 0:
        raise RequestError(f"expected an odd diameter in pixels, found {diameter_px}; take {diameter_px + 1}")
    radius = diameter_px // 2
    return [round((radius**2 - row**2) ** 0.5) for row in range(radius + 1)]


def _window(
    image: Shaped[Tensor, "*lead H W"], half_widths: list[int], extreme: Callable[[Tensor, Tensor], Tensor]
) -> Shaped[Tensor, "*lead H W"]:
    """Return the extreme of ``image`` over the ellipse around each pixel."""
    rows = [image]
    for shift in range(1, half_widths[0] + 1):
        rows.append(_with_neighbours(rows[-1], image, shift, -1, extreme))
    result = rows[half_widths[0]]
    for shift, half_width in enumerate(half_widths[1:], start=1):
        result = _with_neighbours(result, rows[half_width], shift, -2, extreme)
    return result


def _with_neighbours(
    image: Shaped[Tensor, "*lead H W"],
    other: Shaped[Tensor, "*lead H W"],
    shift: int,
    axis: int,
    extreme: Callable[[Tensor, Tensor], Tensor],
) -> Shaped[Tensor, "*lead H W"]:
    """Return the extreme of ``image`` and of ``other`` moved by ``shift`` both ways; what enters is ignored."""
    count = image.shape[axis] - shift
    if count <= 0:
        return image
    result = image.clone()
    ahead, behind = result.narrow(axis, 0, count), result.narrow(axis, shift, count)
    ahead.copy_(extreme(ahead, other.narrow(axis, shift, count)))
    behind.copy_(extreme(behind, other.narrow(axis, 0, count)))
    return result
