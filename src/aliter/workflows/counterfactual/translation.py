"""Styles and translated images: what several stages ask of the translator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from aliter.core.rng import chance
from aliter.data.images import Images

Kind = Literal["latent", "reference"]
BATCH = 16
"""Images that are translated at once: what memory depends on."""


@dataclass(frozen=True)
class Translator:
    """The networks of a StarGAN, asked for images.

    Which style a try gets is a function of (seed, kind, source, target, try, image): batches do not matter.
    """

    nets: Mapping[str, nn.Module]
    latent: int
    """Length of a latent."""
    seed: int
    device: str = "cpu"

    def origins(
        self, kind: Kind, pair: tuple[int, int], attempt: int, count: int, references: Int[np.ndarray, " M"]
    ) -> Int[np.ndarray, " N"]:
        """Return where the style of each of ``count`` images comes from: a latent's seed or a reference's number."""
        rng = chance(self.seed, kind, *pair, attempt)
        if kind == "latent":
            return rng.integers(0, 2**31, count)
        return references[rng.integers(0, len(references), count)]

    def styles(self, kind: Kind, origins: Int[np.ndarray, " B"], target: int, images: Images) -> Float[Tensor, "B S"]:
        """Return the styles of class ``target`` that belong to ``origins``."""
        classes = torch.full((len(origins),), target, device=self.device)
        if kind == "latent":
            drawn = [chance(int(origin), "latent").standard_normal(self.latent, np.float32) for origin in origins]
            found = self.nets["mapping"](torch.from_numpy(np.stack(drawn)).to(self.device), classes)
        else:
            references = torch.from_numpy(images.signed(origins))
            parts = zip(torch.split(references, BATCH), torch.split(classes, BATCH), strict=True)
            found = torch.cat([self.nets["style"](part.to(self.device), labels) for part, labels in parts])
        return torch.as_tensor(found)

    @torch.no_grad()
    def translate(
        self, kind: Kind, x: Float[Tensor, "B C H W"], origins: Int[np.ndarray, " B"], target: int, images: Images
    ) -> Float[Tensor, "B C H W"]:
        """Return ``x`` as class ``target``, in the styles of ``origins``."""
        style = self.styles(kind, origins, target, images)
        parts = zip(torch.split(x, BATCH), torch.split(style, BATCH), strict=True)
        return torch.cat([self.nets["generator"](images.to(self.device), part).float() for images, part in parts])
