"""Discriminators that judge patches of a pair of images, at several scales."""

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from pydantic import NonNegativeInt, PositiveInt
from torch import Tensor, nn

from aliter.core.spec import Spec
from aliter.nets.blocks import SLOPE
from aliter.nets.pix2pixhd import halved

_MOST = 512
"""Channels at most."""


class PatchSpec(Spec):
    """Strided 4 x 4 convolutions to a map of logits, the same at each of several scales.

    References
    ----------
    Wang et al. 2018, arXiv:1711.11585, section 3.2: multi-scale discriminators.
    """

    kind: Literal["patch"] = "patch"
    width: PositiveInt = 64
    """Channels of the first layer; each further one has twice as many, up to 512."""
    layers: PositiveInt = 3
    """Strided layers: with 3 a logit sees 70 pixels, at half scale 141, at a quarter 283."""
    scales: PositiveInt = 2
    pool: NonNegativeInt = 0
    """Pairs of the past that are shown again in place of new ones, half of the time."""

    def build(self, channels: int, size: int) -> "Discriminator":
        """Return the network for pairs ``(B, channels, size, size)``; only its pool knows the size."""
        return Discriminator(self, channels, size)


class Discriminator(nn.Module):
    """One network a scale, of one form, with weights of their own."""

    def __init__(self, spec: PatchSpec, channels: int, size: int) -> None:
        super().__init__()
        self.spec, self.channels = spec, channels
        self.scales = nn.ModuleList(nn.Sequential(*_layers(spec, channels)) for _ in range(spec.scales))
        self.pool = Pool(spec.pool, channels, size) if spec.pool else None

    def forward(self, pair: Float[Tensor, "B C H W"]) -> list[list[Float[Tensor, "B _ _ _"]]]:
        """Return, from full resolution down, what each layer gives: features, and the logits last."""
        found = []
        for number, layers in enumerate(self.scales):
            pair = halved(pair) if number else pair
            maps = [pair]
            for layer in layers.children():
                maps.append(layer(maps[-1]))
            found.append(maps[1:])
        return found

    def remembered(self, pair: Float[Tensor, "B C H W"], rng: np.random.Generator) -> Float[Tensor, "B C H W"]:
        """Return ``pair``, or, where it has a pool, others of the past in place of some."""
        return self.pool(pair, rng) if self.pool is not None else pair


class Pool(nn.Module):
    """Generated pairs of the past: a discriminator that sees them does not forget what it has unlearned.

    References
    ----------
    Shrivastava et al. 2017, Learning from simulated and unsupervised images, arXiv:1612.07828, section 2.3.
    """

    held: Tensor
    count: Tensor

    def __init__(self, places: int, channels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("held", torch.zeros(places, channels, size, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, pair: Float[Tensor, "B C H W"], rng: np.random.Generator) -> Float[Tensor, "B C H W"]:
        """Return ``pair``, kept while there is room; then, half of the time, one that is kept in its place."""
        shown = pair.clone()
        for row, one in enumerate(pair):
            if int(self.count) < len(self.held):
                self.held[int(self.count)] = one
                self.count += 1
            elif rng.random() < 0.5:
                place = int(rng.integers(len(self.held)))
                shown[row] = self.held[place]
                self.held[place] = one
        return shown


def _layers(spec: PatchSpec, channels: int) -> list[nn.Sequential]:
    widths = [min(spec.width << level, _MOST) for level in range(spec.layers + 1)]
    made = [nn.Sequential(nn.Conv2d(channels, widths[0], 4, 2, 2), nn.LeakyReLU(SLOPE))]
    for level in range(1, spec.layers + 1):
        stride = 2 if level < spec.layers else 1
        convolution = nn.Conv2d(widths[level - 1], widths[level], 4, stride, 2)
        made.append(nn.Sequential(convolution, nn.InstanceNorm2d(widths[level]), nn.LeakyReLU(SLOPE)))
    made.append(nn.Sequential(nn.Conv2d(widths[-1], 1, 4, 1, 2)))
    return made
