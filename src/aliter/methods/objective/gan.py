"""Learn to draw images like real ones."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.methods.adversary import Adversary
from aliter.methods.adversary.non_saturating import NonSaturating


@dataclass(frozen=True)
class GANRoles:
    """The networks by what they do."""

    generator: Callable[[Tensor], Tensor]
    """z -> image."""
    discriminator: Callable[[Tensor], Tensor]
    """Image -> logit of being real."""


class GAN(Spec):
    """A generator and a discriminator, one move each.

    A batch holds real images ``x`` and latents ``z``.

    References
    ----------
    Goodfellow et al. 2014, Generative adversarial nets, arXiv:1406.2661, algorithm 1.
    """

    kind: Literal["gan"] = "gan"
    adversary: Adversary = NonSaturating()
    """What both play for."""
    every: PositiveInt = 1
    """The generator moves at every so many moves of the discriminator."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Discriminator first, then generator."""
        return (Turn("discriminate", ("discriminator",)), Turn("generate", ("generator",), self.every))

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the terms of one turn."""
        roles = GANRoles(nets["generator"], nets["discriminator"])
        if turn.name == "discriminate":
            return discriminate(self.adversary, roles, batch)
        logits = roles.discriminator(roles.generator(batch["z"]))
        return {"adversarial": self.adversary.generate(logits)}


def discriminate(adversary: Adversary, roles: GANRoles, batch: Batch) -> dict[str, Tensor]:
    """Return the terms of the discriminator."""
    with torch.no_grad():
        fake = roles.generator(batch["z"])
    return adversary.discriminate(roles.discriminator, batch["x"], fake, batch.chance("adversary"))
