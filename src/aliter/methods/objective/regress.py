"""Learn one image from another, pixel by pixel."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops.structure import ms_ssim

_SPAN = 2.0
"""From the least to the greatest value of a stain."""


class Regress(Spec):
    """The mean absolute or squared error; ``mixed`` is half the former and half what lacks in structural similarity.

    A batch holds ``x`` (B, C, H, W) and ``stain`` (B, S, H, W) in [-1, 1].

    References
    ----------
    Zhao et al. 2017, Loss functions for image restoration with neural networks, arXiv:1511.08861, equation 12.
    """

    kind: Literal["regress"] = "regress"
    loss: Literal["l1", "mse", "mixed"] = "l1"

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The regressor moves."""
        return (Turn("regress", ("regressor",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the terms."""
        image, stain = nets["regressor"](batch["x"]).float(), batch["stain"]
        if self.loss == "mse":
            return {"mse": F.mse_loss(image, stain)}
        if self.loss == "l1":
            return {"l1": F.l1_loss(image, stain)}
        return {"l1": 0.5 * F.l1_loss(image, stain), "structure": 0.5 * (1 - ms_ssim(stain, image, _SPAN))}
