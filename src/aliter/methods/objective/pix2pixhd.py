"""Learn to draw one image from another, so that a discriminator takes the pair for a real one."""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import NonNegativeFloat
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.spec import Spec
from aliter.ops.adversarial import cross_entropies, feature_matching, least_squares, perceptual


class Pix2PixHD(Spec):
    """A generator that wants its pairs taken for real, and a discriminator at several scales that tells them apart.

    A batch holds ``x`` (B, C, H, W) and ``stain`` (B, S, H, W) in [-1, 1]. ``generator`` draws a stain from ``x``; if
    there is an ``enhancer``, it does, with the generator inside. As in the published code, terms are summed over
    scales, and the discriminator's halved.

    References
    ----------
    Wang et al. 2018, High-resolution image synthesis and semantic manipulation with conditional GANs,
    arXiv:1711.11585, equations 2 to 5.
    """

    kind: Literal["pix2pixhd"] = "pix2pixhd"
    adversary: Literal["least_squares", "cross_entropy"] = "least_squares"
    """What both play for."""
    matching: NonNegativeFloat = 10.0
    """Weight of the distance of features: higher is closer to the truth, smoother, invents less."""
    pixel: NonNegativeFloat = 0.0
    """Weight of the error of single pixels; 0 as published."""
    error: Literal["absolute", "squared"] = "absolute"
    """That error: the first draws to the median of what a pixel may be, the second to its mean."""
    perceptual: NonNegativeFloat = 10.0
    """Weight of the distance as a network that has learned to see has it, where there is one: ``perception``."""
    moves: tuple[Literal["generator", "enhancer"], ...] = ("generator",)
    """Who learns to draw."""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Generator first, as published, then discriminator."""
        return (Turn("generate", self.moves), Turn("discriminate", ("discriminator",)))

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of one turn."""
        x, stain, discriminator = batch["x"], batch["stain"], nets["discriminator"]
        score = least_squares if self.adversary == "least_squares" else cross_entropies
        if turn.name == "discriminate":
            with torch.no_grad():
                fake = torch.cat([x, drawn(nets, x)], 1)
                if (remembered := getattr(discriminator, "remembered", None)) is not None:
                    fake = remembered(fake, batch.chance("pool"))
            real = discriminator(torch.cat([x, stain], 1))
            return {"real": score(real, True) / 2, "fake": score(discriminator(fake), False) / 2}
        image = drawn(nets, x)
        fake = discriminator(torch.cat([x, image], 1))
        terms = {"adversarial": score(fake, True)}
        if self.matching:
            with torch.no_grad():
                real = discriminator(torch.cat([x, stain], 1))
            terms["matching"] = self.matching * feature_matching(real, fake)
        if self.pixel:
            error = F.l1_loss if self.error == "absolute" else F.mse_loss
            terms["pixel"] = self.pixel * error(image, stain)
        if "perception" in nets and self.perceptual:
            with torch.no_grad():
                seen = nets["perception"](stain)
            terms["perceptual"] = self.perceptual * perceptual(seen, nets["perception"](image))
        return terms


def drawn(nets: Mapping[str, nn.Module], x: Tensor) -> Tensor:
    """Return the stain that the networks draw from ``x``."""
    image: Tensor = nets["enhancer"](x, nets["generator"]) if "enhancer" in nets else nets["generator"](x)
    return image
