"""StarGAN v2: one generator that shows an image as any class, in any style of that class."""

from itertools import pairwise
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import (
    SLOPE,
    DecoderBlock,
    EncoderBlock,
    InstanceNorm,
    activate,
    convolution,
    double,
    halve,
    keep,
    pick,
    widened,
)

INSIDE = 0.97
"""How far into [-1, 1] ``LogitResidual`` draws the image, so that its logit is finite."""


class Tanh(Spec):
    """Squash into [-1, 1]: the published output."""

    kind: Literal["tanh"] = "tanh"

    def __call__(self, head: Float[Tensor, "B C H W"], x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the image; ``x`` is not looked at."""
        return torch.tanh(widened(head))


class Sigmoid(Spec):
    """Squash into [0, 1], for images that are in this range."""

    kind: Literal["sigmoid"] = "sigmoid"

    def __call__(self, head: Float[Tensor, "B C H W"], x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the image; ``x`` is not looked at."""
        return torch.sigmoid(widened(head))


class LogitResidual(Spec):
    """Change the image instead of redrawing it: ``tanh(strength * head + atanh(0.97 x))``.

    A head of zero gives ``0.97 x``, so training begins at the identity; small networks learn much faster.
    """

    kind: Literal["logit_residual"] = "logit_residual"
    strength: PositiveFloat = 0.5
    """Factor on what the network adds to the logit of the image."""

    def __call__(self, head: Float[Tensor, "B C H W"], x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the image in [-1, 1]; what of ``x`` is outside counts as the nearest end."""
        return torch.tanh(self.strength * widened(head) + torch.atanh(INSIDE * widened(x).clamp(-1, 1)))


class StarGANSpec(Spec):
    """The four networks of StarGAN v2, without its branch for faces.

    References
    ----------
    Choi et al. 2020, StarGAN v2: diverse image synthesis for multiple domains, arXiv:1912.01865, appendix C.
    """

    kind: Literal["stargan"] = "stargan"
    style: PositiveInt = 64
    """Length of a style."""
    latent: PositiveInt = 16
    """Length of the noise that the mapping network turns into styles."""
    width: PositiveInt | None = None
    """Channels at full resolution; by default 16384 / size, as published."""
    cap: PositiveInt = 512
    """Most channels that any layer has."""
    mapping: PositiveInt = 512
    """Width of the hidden layers of the mapping network."""
    output: Annotated[Tanh | Sigmoid | LogitResidual, Field(discriminator="kind")] = Tanh()
    """What makes an image of what the generator's last layer gives."""
    heads: Literal["per_domain", "shared"] = "per_domain"
    """Heads of the style encoder: one for each class, or one that needs no class."""

    def build(self, channels: int, size: int, domains: int) -> dict[str, nn.Module]:
        """Return ``generator``, ``mapping``, ``style`` and ``discriminator`` for square images of ``size`` pixels.

        Raises
        ------
        RequestError
            If ``size`` is below 16 or cannot be halved as often as the generator does: ``floor(log2(size)) - 4`` times.
        """
        _check_size(size)
        widths = self._widths(size)
        heads = domains if self.heads == "per_domain" else 1
        return {
            "generator": Generator(channels, size, self.style, widths[: _halvings(size) - 1], self.output),
            "mapping": Mapping(self.latent, self.mapping, self.style, domains),
            "style": StyleEncoder(channels, size, self.style, widths, heads),
            "discriminator": Discriminator(channels, size, widths, domains),
        }

    def _widths(self, size: int) -> list[int]:
        """Return the channels at full resolution and after each halving down to 4 to 7 pixels."""
        first = self.width or 2**14 // size
        return [min(first * 2**level, self.cap) for level in range(_halvings(size) + 1)]


class Generator(nn.Module):
    """Draw images in a style: an encoder, and a decoder whose every normalisation obeys the style."""

    def __init__(
        self, channels: int, size: int, style: int, widths: list[int], output: Tanh | Sigmoid | LogitResidual
    ) -> None:
        super().__init__()
        self.channels, self.size, self.output = channels, size, output
        steps, deepest = list(pairwise(widths)), widths[-1]
        self.stem = convolution(channels, widths[0])
        self.encoder = nn.ModuleList(
            [EncoderBlock(inner, outer, InstanceNorm, halve) for inner, outer in steps]
            + [EncoderBlock(deepest, deepest, InstanceNorm, keep) for _ in range(2)]
        )
        self.decoder = nn.ModuleList(
            [DecoderBlock(deepest, deepest, style, keep) for _ in range(2)]
            + [DecoderBlock(outer, inner, style, double) for inner, outer in reversed(steps)]
        )
        self.norm = InstanceNorm(widths[0])
        self.head = nn.Conv2d(widths[0], channels, 1)

    def forward(self, x: Float[Tensor, "B C H W"], style: Float[Tensor, "B S"]) -> Float[Tensor, "B C H W"]:
        """Return ``x`` in ``style``, float32, in the range of ``output``.

        Raises
        ------
        RequestError
            If the images have not the size that the network was built for.
        """
        _check_images(x, self.channels, self.size)
        h = self.stem(x)
        for block in self.encoder:
            h = block(h)
        for block in self.decoder:
            h = block(h, style)
        return self.output(self.head(activate(self.norm(h))), x)


class Mapping(nn.Module):
    """Turn noise into a style of a class: layers that all classes share, then layers of each class."""

    def __init__(self, latent: int, width: int, style: int, domains: int) -> None:
        super().__init__()
        self.shared = _perceptron([latent, width, width, width, width])
        self.branches = nn.ModuleList(
            [nn.Sequential(_perceptron([width] * 4), nn.Linear(width, style)) for _ in range(domains)]
        )

    def forward(self, z: Float[Tensor, "B L"], y: Int[Tensor, " B"]) -> Float[Tensor, "B S"]:
        """Return styles of the classes ``y`` from standard normal ``z``, float32."""
        h = self.shared(z)
        return pick(torch.stack([branch(h) for branch in self.branches], dim=1), y)


class StyleEncoder(nn.Module):
    """Read the style of an image, given its class.

    With one head the class is not looked at. Images whose size is no power of two are first made smaller, to the
    next one, by bilinear interpolation.
    """

    def __init__(self, channels: int, size: int, style: int, widths: list[int], heads: int) -> None:
        super().__init__()
        self.channels, self.size, self.heads = channels, size, heads
        self.trunk = _trunk(channels, widths)
        self.head = nn.Linear(widths[-1], heads * style)

    def forward(self, x: Float[Tensor, "B C H W"], y: Int[Tensor, " B"]) -> Float[Tensor, "B S"]:
        """Return the styles, float32."""
        _check_images(x, self.channels, self.size)
        side = 2 ** (self.size.bit_length() - 1)
        if side != self.size:
            x = F.interpolate(x, size=(side, side), mode="bilinear")
        styles = rearrange(self.head(self.trunk(x).flatten(1)), "b (k s) -> b k s", k=self.heads)
        return pick(styles, y if self.heads > 1 else torch.zeros_like(y))


class Discriminator(nn.Module):
    """Tell real images of a class from generated ones.

    Where the size is no power of two several positions are left at the end; their logits are averaged.
    """

    def __init__(self, channels: int, size: int, widths: list[int], domains: int) -> None:
        super().__init__()
        self.channels, self.size = channels, size
        self.trunk = _trunk(channels, widths)
        self.head = nn.Conv2d(widths[-1], domains, 1)

    def forward(self, x: Float[Tensor, "B C H W"], y: Int[Tensor, " B"]) -> Float[Tensor, " B"]:
        """Return the logit that ``x`` is a real image of class ``y``, float32."""
        _check_images(x, self.channels, self.size)
        logits = rearrange(self.head(self.trunk(x)), "b k h w -> b k (h w)")
        return pick(logits, y).mean(dim=1)


def _trunk(channels: int, widths: list[int]) -> nn.Sequential:
    """Return the layers from an image to one position, or to a few where its size is no power of two."""
    return nn.Sequential(
        convolution(channels, widths[0]),
        *(EncoderBlock(inner, outer, nn.Identity, halve) for inner, outer in pairwise(widths)),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(widths[-1], widths[-1], 4),
        nn.LeakyReLU(SLOPE),
    )


def _perceptron(widths: list[int]) -> nn.Sequential:
    return nn.Sequential(*(layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())))


def _halvings(size: int) -> int:
    """Return how often the style encoder and the discriminator halve; the generator does so twice less."""
    return size.bit_length() - 3


def _check_size(size: int) -> None:
    factor = 2 ** max(_halvings(size) - 2, 0)
    if size < 16:
        raise RequestError(f"expected images of at least 16 pixels a side, found {size}; enlarge or pad them")
    if size % factor:
        below = size - size % factor
        raise RequestError(
            f"expected a size that {factor} divides, found {size} pixels a side; "
            f"crop the images to {below} or pad them to {below + factor}"
        )


def _check_images(x: Tensor, channels: int, size: int) -> None:
    if tuple(x.shape[1:]) != (channels, size, size):
        found = " x ".join(str(length) for length in x.shape[1:])
        raise RequestError(
            f"expected images of {channels} x {size} x {size} (channels, then a square), found {found}; "
            "crop or pad the images, or build the networks for their size"
        )
