"""Translate images between classes: the game of StarGAN v2."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import NonNegativeFloat, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops import augment
from aliter.ops.adversarial import gradient_penalty, non_saturating

Pass = Literal["latent", "reference", "both"]


@dataclass(frozen=True)
class StarGANRoles:
    """The networks by what they do."""

    generator: Callable[[Tensor, Tensor], Tensor]
    """(x, style) -> image."""
    mapping: Callable[[Tensor, Tensor], Tensor]
    """(z, class) -> style."""
    style: Callable[[Tensor, Tensor], Tensor]
    """(x, class) -> style."""
    discriminator: Callable[[Tensor, Tensor], Tensor]
    """(x, class) -> logit of being a real image of that class."""


class StarGAN(Spec):
    """Make an image of one class look like another, with a style from chance or from a reference image.

    A batch holds images ``x`` of classes ``y``, ``reference`` images of the ``target`` classes, and two
    latents ``z`` and ``z2``.

    References
    ----------
    Choi et al. 2020, StarGAN v2: diverse image synthesis for multiple domains, arXiv:1912.01865, eq. 1-6.
    """

    kind: Literal["stargan"] = "stargan"
    passes: Literal["published", "shared"] = "published"
    """published: each step, discriminator and generator move once for latent styles and once for references,
    where the reference pass moves the generator alone. shared: each moves once, half of the batch with latent
    styles and half with references, and the style encoder learns from the adversary too."""
    style: NonNegativeFloat = 1.0
    """Weight of the style reconstruction (eq. 2)."""
    cycle: NonNegativeFloat = 1.0
    """Weight of the cycle consistency (eq. 4)."""
    diversity: NonNegativeFloat = 0.0
    """Initial weight of the style diversification (eq. 3)."""
    diversity_steps: PositiveInt = 100_000
    """Steps over which that weight falls to zero, linearly."""
    r1: NonNegativeFloat = 1.0
    """Weight of the gradient penalty on real images."""
    r1_every: PositiveInt = 1
    """The penalty is taken at every so many steps, and that many times as strong."""
    flip: NonNegativeFloat = 0.5
    """Probability of mirroring an image before its style is read."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Discriminator first, then generator."""
        if self.passes == "shared":
            return (
                Turn("discriminate", ("discriminator",)),
                Turn("generate", ("generator", "mapping", "style")),
            )
        return (
            Turn("discriminate_latent", ("discriminator",)),
            Turn("discriminate_reference", ("discriminator",)),
            Turn("generate_latent", ("generator", "mapping", "style")),
            Turn("generate_reference", ("generator",)),
        )

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of one turn."""
        roles = StarGANRoles(**nets)
        act, _, which = turn.name.partition("_")
        styles: Pass = "both" if not which else "latent" if which == "latent" else "reference"
        if act == "discriminate":
            return self._discriminate(roles, batch, styles)
        return self._generate(roles, nets["style"], batch, styles)

    def diversity_weight(self, step: int) -> float:
        """Return the weight of the diversification at ``step``."""
        return self.diversity * max(0.0, 1 - step / self.diversity_steps)

    def _discriminate(self, roles: StarGANRoles, batch: Batch, styles: Pass) -> dict[str, Tensor]:
        with torch.no_grad():
            fake = roles.generator(batch["x"], _styles(roles, batch, styles, "z"))
        penalised = self.r1 > 0 and batch.step % self.r1_every == 0
        x = batch["x"].detach().requires_grad_(penalised)
        real = roles.discriminator(x, batch["y"])
        terms = {
            "real": non_saturating(real, real=True),
            "fake": non_saturating(roles.discriminator(fake, batch["target"]), real=False),
        }
        if penalised:
            terms["r1"] = self.r1 * self.r1_every * gradient_penalty(real, x)
        return terms

    def _generate(self, roles: StarGANRoles, encoder: nn.Module, batch: Batch, styles: Pass) -> dict[str, Tensor]:
        x, target = batch["x"], batch["target"]
        style = _styles(roles, batch, styles, "z")
        fake = roles.generator(x, style)
        back = roles.generator(fake, roles.style(x, batch["y"]))
        terms = {
            "adversarial": non_saturating(roles.discriminator(fake, target), real=True),
            "style": self.style * self._style_error(roles, encoder, batch, fake, style, styles),
            "cycle": self.cycle * (back.float() - x.float()).abs().mean(),
        }
        weight = self.diversity_weight(batch.step)
        if weight:
            with torch.no_grad():
                other = roles.generator(x, _styles(roles, batch, styles, "z2"))
            terms["diversity"] = -weight * (fake.float() - other.float()).abs().mean()
        return terms

    def _style_error(
        self, roles: StarGANRoles, encoder: nn.Module, batch: Batch, fake: Tensor, style: Tensor, styles: Pass
    ) -> Tensor:
        """Return how far the style read from ``fake`` is from the one it was made with.

        The encoder learns from latent styles alone: if it also learned from its own styles, it could agree
        with itself on any.
        """
        flipped = augment.flips(fake, batch.chance("flip", styles), self.flip)
        latent = {"latent": len(fake), "reference": 0, "both": len(fake) // 2}[styles]
        still = {name: value.detach() for name, value in encoder.named_parameters()}
        target = batch["target"]
        read = []
        if latent:
            read.append(roles.style(flipped[:latent], target[:latent]))
        if latent < len(fake):
            read.append(functional_call(encoder, still, (flipped[latent:], target[latent:])))
        wanted = torch.cat((style[:latent], style[latent:].detach()))
        return (torch.cat(read).float() - wanted.float()).abs().mean()


def _styles(roles: StarGANRoles, batch: Batch, styles: Pass, latent: Literal["z", "z2"]) -> Tensor:
    """Return the styles of one pass: from the latent, from references, or half and half."""
    target = batch["target"]
    reference = batch["reference"]
    half = {"latent": len(target), "reference": 0, "both": len(target) // 2}[styles]
    parts = []
    if half:
        parts.append(roles.mapping(batch[latent][:half], target[:half]))
    if half < len(target):
        images = reference if latent == "z" else batch["reference2"]
        parts.append(roles.style(images[half:], target[half:]))
    return torch.cat(parts)
