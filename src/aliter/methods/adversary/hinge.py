"""The hinge, with a penalty on the slope at real images."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float
from pydantic import NonNegativeFloat
from torch import Tensor

from aliter.core.spec import Spec
from aliter.ops.adversarial import gradient_penalty, hinge

Critic = Callable[[Tensor], Tensor]
"""From images to logits ``(B,)``."""


class HingeR1(Spec):
    """Half the hinges of real and generated images, and R1; the generator raises the logit of its images.

    References
    ----------
    Lim and Ye 2017, Geometric GAN, arXiv:1705.02894, equations 12 and 13.
    Mescheder et al. 2018, Which training methods for GANs do actually converge?, arXiv:1801.04406, equation 9.
    """

    kind: Literal["hinge_r1"] = "hinge_r1"
    r1: NonNegativeFloat = 1.0
    """Weight of the penalty, half the mean squared norm of the gradient."""

    def discriminate(
        self, critic: Critic, real: Float[Tensor, "B *shape"], fake: Float[Tensor, "B *shape"], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the discriminator's terms."""
        x = real.detach().requires_grad_(self.r1 > 0)
        logits = critic(x)
        terms = {"real": hinge(logits, real=True) / 2, "fake": hinge(critic(fake), real=False) / 2}
        if self.r1 > 0:
            terms["r1"] = self.r1 * gradient_penalty(logits, x)
        return terms

    def generate(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the generator's term."""
        return -logits.float().mean()
