"""The distance of earth movers, with a penalty that keeps the critic's slope at 1."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from aliter.core.spec import Spec
from aliter.ops.adversarial import lipschitz_penalty

Critic = Callable[[Tensor], Tensor]
"""From images to logits ``(B,)``."""


class WassersteinGP(Spec):
    """The critic parts the means of its logits, its slope held near 1 between real and generated images.

    Its critic must not normalise over the batch: ``norm: layer`` in a DCGAN.

    References
    ----------
    Gulrajani et al. 2017, Improved training of Wasserstein GANs, arXiv:1704.00028, equation 3.
    """

    kind: Literal["wasserstein_gp"] = "wasserstein_gp"
    penalty: NonNegativeFloat = 10.0
    """Weight of the penalty."""

    def discriminate(
        self, critic: Critic, real: Float[Tensor, "B *shape"], fake: Float[Tensor, "B *shape"], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the critic's terms; points between each real and generated image are drawn from ``rng``."""
        part = torch.from_numpy(rng.random((len(real), *[1] * (real.ndim - 1)), np.float32)).to(real.device)
        between = torch.lerp(fake.detach().to(real.dtype), real, part.to(real.dtype)).requires_grad_(True)
        return {
            "real": -critic(real).float().mean(),
            "fake": critic(fake).float().mean(),
            "penalty": self.penalty * lipschitz_penalty(critic(between), between),
        }

    def generate(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the generator's term."""
        return -logits.float().mean()
