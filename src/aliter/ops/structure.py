"""Structural similarity at several scales, differentiable."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from aliter.core.errors import RequestError

_WINDOW_PX = 11
_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_FLOOR = 1e-4


def ms_ssim(truth: Float[Tensor, "B C H W"], image: Float[Tensor, "B C H W"], span: float) -> Float[Tensor, ""]:
    """Return the mean structural similarity over five scales, at most 1, in float32 or better.

    Windows are flat and lie in the image; scales are means of 2 x 2 pixels; contrasts are held above 1e-4. ``span`` is
    what the data can span.

    Raises
    ------
    RequestError
        If a side is below 176 pixels: the coarsest scale would be smaller than its window.

    References
    ----------
    Wang et al. 2003, Multiscale structural similarity for image quality assessment, equation 7.
    """
    least = _WINDOW_PX << (len(_WEIGHTS) - 1)
    if min(truth.shape[-2:]) < least:
        found = tuple(truth.shape[-2:])
        raise RequestError(f"expected sides of {least} pixels or more for five scales, found {found}; use larger crops")
    kind = torch.promote_types(image.dtype, torch.float32)
    truth, image = truth.to(kind), image.to(kind)
    total = torch.ones(truth.shape[:2], dtype=kind, device=truth.device)
    for place, weight in enumerate(_WEIGHTS):
        light, contrast = _parts(truth, image, span)
        last = place == len(_WEIGHTS) - 1
        total = total * (contrast * light if last else contrast).mean((2, 3)).clamp_min(_FLOOR) ** weight
        truth, image = F.avg_pool2d(truth, 2), F.avg_pool2d(image, 2)
    return total.mean()


def _parts(truth: Tensor, image: Tensor, span: float) -> tuple[Tensor, Tensor]:
    """Return how alike brightness and contrast of each window are; variances of offset data stay exact."""
    middle = truth.mean((2, 3), keepdim=True)
    a, b = truth - middle, image - middle
    mean_a, mean_b = _windows(a), _windows(b)
    variances = _windows(a * a) + _windows(b * b) - mean_a**2 - mean_b**2
    covariance = _windows(a * b) - mean_a * mean_b
    contrast = (2 * covariance + (0.03 * span) ** 2) / (variances + (0.03 * span) ** 2)
    mean_a, mean_b = mean_a + middle, mean_b + middle
    light = (2 * mean_a * mean_b + (0.01 * span) ** 2) / (mean_a**2 + mean_b**2 + (0.01 * span) ** 2)
    return light, contrast


def _windows(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, _WINDOW_PX, 1)
