"""The mask sweep as it was published, for comparison with published figures."""

from typing import ClassVar, Literal

import numpy as np
import torch
import torch.nn.functional as F
from einops import reduce, repeat
from jaxtyping import Bool, Float
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor

from aliter.core.probe import Scores
from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.methods.walk.mask_sweep import answers, hybrid


class PublishedSweep(Spec):
    """Sweep 200 thresholds from -1 to 0.99, with a closing by OpenCV's ellipse of even size.

    Half of the thresholds give the same whole mask, and an even ellipse has no centre: its closing shifts a region
    and loses single pixels. ``MaskSweep`` has neither fault. The query itself is put before the published
    positions, so that the walk starts there.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """

    kind: Literal["published_sweep"] = "published_sweep"
    steps: ClassVar[int] = 200
    close_px: PositiveInt = 10
    """Size of the ellipse; its anchor is pixel ``close_px // 2``."""
    blur_sigma_px: NonNegativeFloat = 2.0
    """Width of the Gaussian, 11 taps an axis."""
    channelwise: bool = True
    """Whether each channel has its own mask; otherwise a pixel above the threshold in any channel counts for all."""

    def __call__(
        self,
        score: Scores,
        x: Float[Tensor, "C H W"],
        counterfactual: Float[Tensor, "C H W"],
        attribution: Float[Tensor, "C H W"],
        target: int,
    ) -> Walk:
        """Return the walk from ``x`` to ``counterfactual``: 201 positions, equal masks and all."""
        thresholds = np.concatenate([[1.0], (np.arange(200) * 0.01 - 1)[::-1]])
        closed = self.closed(attribution)
        levels = torch.as_tensor(thresholds, dtype=closed.dtype, device=closed.device)
        size = torch.stack([(closed > level).double().mean() for level in levels]).cpu().numpy()
        answer = answers(score, x, counterfactual, closed, thresholds, self.blur_sigma_px)
        return Walk(thresholds, size, answer, x.detach().cpu().numpy())

    def mask(self, attribution: Float[Tensor, "C H W"], threshold: float) -> Bool[Tensor, "C H W"]:
        """Return the closed mask of ``threshold``, not blurred."""
        return self.closed(attribution) > threshold

    def hybrid(
        self, x: Float[Tensor, "C H W"], counterfactual: Float[Tensor, "C H W"], mask: Bool[Tensor, "C H W"]
    ) -> Float[Tensor, "C H W"]:
        """Return the query with what is in the blurred ``mask`` replaced: what the walk scored."""
        return hybrid(x, counterfactual, mask, self.blur_sigma_px)

    def closed(self, attribution: Float[Tensor, "C H W"]) -> Float[Tensor, "C H W"]:
        """Return the grey image whose values above a threshold are the mask of that threshold."""
        grey = attribution.float()
        if not self.channelwise:
            grey = repeat(reduce(grey, "c h w -> h w", "max"), "h w -> c h w", c=len(grey))
        dilated = _largest(grey, self.close_px)
        return -_largest(-dilated, self.close_px)


def _largest(grey: Float[Tensor, "C H W"], size: int) -> Float[Tensor, "C H W"]:
    """Return the largest value under an ellipse whose anchor is at each pixel; outside there is nothing."""
    anchor, (height, width) = size // 2, grey.shape[-2:]
    padded = F.pad(grey, (anchor, size - 1 - anchor) * 2, value=-torch.inf)
    shifted = [padded[:, y : y + height, x : x + width] for y, x in np.argwhere(_ellipse(size))]
    return torch.stack(shifted).amax(0)


def _ellipse(size: int) -> Bool[np.ndarray, "size size"]:
    """Return the ellipse that OpenCV draws in a square of ``size`` pixels."""
    radius = size // 2
    rows = np.arange(size)[:, None] - radius
    half = np.round(radius * np.sqrt(np.maximum(radius**2 - rows**2, 0)) / max(radius, 1))
    return np.asarray(np.abs(np.arange(size)[None] - radius) <= half)
