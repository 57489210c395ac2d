"""Learn to tell classes apart."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops import augment


class Classify(Spec):
    """Cross-entropy on images that were flipped, turned and given some noise.

    A batch holds ``x`` (B, C, H, W) in [-1, 1] and ``y`` (B,), class indices.
    """

    kind: Literal["classify"] = "classify"
    flip: NonNegativeFloat = 0.5
    """Probability of mirroring along each axis."""
    rotation_deg: NonNegativeFloat = 90.0
    """Largest angle by which an image is turned."""
    noise_sd: NonNegativeFloat = 0.02
    """Standard deviation of the noise, on the scale from -1 to 1."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The classifier moves."""
        return (Turn("classify", ("classifier",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the cross-entropy."""
        logits = nets["classifier"](self.augment(batch))
        return {"cross_entropy": F.cross_entropy(logits.float(), batch["y"])}

    def augment(self, batch: Batch) -> Tensor:
        """Return the images of ``batch``, changed at random as the fields say."""
        rng = batch.chance("augment")
        x = augment.flips(batch["x"], rng, self.flip)
        if self.rotation_deg:
            x = augment.rotations(x, rng, self.rotation_deg)
        return augment.gaussian_noise(x, rng, self.noise_sd) if self.noise_sd else x
