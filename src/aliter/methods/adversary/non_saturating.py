"""The game as it was first played in practice."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Float
from torch import Tensor

from aliter.core.spec import Spec
from aliter.ops.adversarial import non_saturating

Critic = Callable[[Tensor], Tensor]
"""From images to logits ``(B,)``."""


class NonSaturating(Spec):
    """Cross-entropy for both: the generator wants its images to be called real.

    References
    ----------
    Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661, section 3.
    """

    kind: Literal["non_saturating"] = "non_saturating"

    def discriminate(
        self, critic: Critic, real: Float[Tensor, "B *shape"], fake: Float[Tensor, "B *shape"], rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """Return the discriminator's terms."""
        return {"real": non_saturating(critic(real), real=True), "fake": non_saturating(critic(fake), real=False)}

    def generate(self, logits: Float[Tensor, " B"]) -> Float[Tensor, ""]:
        """Return the generator's term."""
        return non_saturating(logits, real=True)
