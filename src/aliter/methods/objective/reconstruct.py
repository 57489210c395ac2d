"""Learn to draw what a frozen network sees."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops import augment


class Reconstruct(Spec):
    """The mean square error of images drawn from an encoder's maps; only the decoder learns.

    A batch holds ``x`` (B, C, H, W) in [-1, 1]. The encoder has no gradient, is in no optimiser, and is in eval mode,
    so that nothing in it moves, its running statistics included.

    References
    ----------
    Cohen et al. 2021, Gifsplanation via latent shift, arXiv:2102.09475, section 2.
    Mathieu et al. 2016, Deep multi-scale video prediction beyond mean square error, arXiv:1511.05440, equation 6:
    the difference of gradients.
    """

    kind: Literal["reconstruct"] = "reconstruct"
    absolute: NonNegativeFloat = 0.0
    """Weight of the mean absolute error."""
    slopes: NonNegativeFloat = 0.0
    """Weight of the mean absolute difference between neighbours' differences."""
    features: NonNegativeFloat = 0.0
    """Weight of the mean square difference of the maps of image and drawing, over their mean square."""
    flip: NonNegativeFloat = 0.5
    """Probability of mirroring along each axis."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The decoder moves."""
        return (Turn("reconstruct", ("decoder",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms."""
        x = augment.flips(batch["x"], batch.chance("augment"), self.flip)
        z = nets["encoder"](x).detach()
        drawn = nets["decoder"](z, x.shape[-1]).float()
        terms = {"square": F.mse_loss(drawn, x)}
        if self.absolute:
            terms["absolute"] = self.absolute * F.l1_loss(drawn, x)
        if self.slopes:
            terms["slopes"] = self.slopes * sum(
                (F.l1_loss(drawn.diff(dim=axis), x.diff(dim=axis)) for axis in (2, 3)), start=x.new_zeros(())
            )
        if self.features:
            terms["features"] = self.features * F.mse_loss(nets["encoder"](drawn), z) / z.square().mean()
        return terms
