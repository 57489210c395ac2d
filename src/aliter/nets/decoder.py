"""Decoders: from what a stage of a body gives back to the image."""

from math import log2
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import BatchNorm, convolution
from aliter.nets.detections import Detector


class Upsampling(Spec):
    """Twice as large by repetition, a 3x3 convolution, normalisation and ReLU, as often as needed; no checkerboard.

    Normalisations are over the batch, so that, once learned, a change of one cell stays near it.

    References
    ----------
    Odena et al. 2016, Deconvolution and checkerboard artifacts, doi:10.23915/distill.00003.
    """

    kind: Literal["upsampling"] = "upsampling"
    width: PositiveInt = 96
    """Channels of the first convolution; half as many at each size that follows, 16 at least."""

    def build(self, channels: int, stride: int, colours: int = 3) -> nn.Module:
        """Return the network from maps of so many ``channels``, a cell for ``stride`` pixels, to colours in [-1, 1].

        Raises
        ------
        RequestError
            If the stride is no power of two.
        """
        times = _doublings(stride)
        layers: list[nn.Module] = [convolution(channels, self.width), BatchNorm(self.width), nn.ReLU()]
        inner = self.width
        for _ in range(times):
            outer = max(inner // 2, 16)
            layers += [nn.Upsample(scale_factor=2.0), convolution(inner, outer), BatchNorm(outer), nn.ReLU()]
            inner = outer
        return Decoder(nn.Sequential(*layers, convolution(inner, colours)))


class Mirrored(Spec):
    """A residual network of bottlenecks the other way round, larger by transposed convolutions, as in the original.

    For the maps of the last stage of a ResNet-50 it has 23,511,680 parameters.

    References
    ----------
    He et al. 2016, Deep residual learning for image recognition, arXiv:1512.03385, figure 5: the bottleneck.
    """

    kind: Literal["mirrored"] = "mirrored"
    blocks: tuple[PositiveInt, ...] = (3, 6, 4, 3)
    """Bottlenecks of each stage; the last of each narrows, and from the second stage on doubles the size."""

    def build(self, channels: int, stride: int, colours: int = 3) -> nn.Module:
        """Return the network from maps of so many ``channels`` to colours; sizes that lack are interpolated.

        Raises
        ------
        RequestError
            If the channels cannot be halved as often as there are stages.
        """
        if channels % 2 ** (len(self.blocks) + 1):
            raise RequestError(f"expected channels that {len(self.blocks)} stages can halve, found {channels}")
        layers: list[nn.Module] = []
        for place, count in enumerate(self.blocks):
            inner = channels // 2**place
            layers += [_Bottleneck(inner, inner // 4, inner, 1) for _ in range(count - 1)]
            layers.append(_Bottleneck(inner, inner // 4, inner // 2, 2 if place else 1))
        return Decoder(nn.Sequential(*layers, nn.Conv2d(channels // 2 ** len(self.blocks), colours, 1, bias=False)))


DecoderSpec = Annotated[Upsampling | Mirrored, Field(discriminator="kind")]
"""What a config can name as a decoder."""


class Decoder(nn.Module):
    """Layers that end in colours, brought to [-1, 1] and to a size."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, z: Float[Tensor, "B C h w"], side: int) -> Float[Tensor, "B K H W"]:
        """Return images of ``side`` pixels."""
        x = 2 * torch.sigmoid(self.layers(z)) - 1
        same = x.shape[-1] == side and x.shape[-2] == side
        return x if same else F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


class Encoder(nn.Module):
    """The body of a detector up to the end of a stage, or a layer; its modules are those of the detector."""

    def __init__(self, detector: Detector, at: int | str) -> None:
        super().__init__()
        self.body = detector.body(at)
        self._prepare = detector.prepare

    def forward(self, x: Float[Tensor, "B K H W"]) -> Float[Tensor, "B C h w"]:
        """Return what the stage gives for images in [-1, 1]."""
        z: Tensor = self.body(self._prepare(x))
        return z


class _Bottleneck(nn.Module):
    """Narrow, 3x3, widen, each normalised and cut at zero; beside them a way around."""

    def __init__(self, inner: int, width: int, outer: int, stride: int) -> None:
        super().__init__()
        last = inner != outer
        middle = (
            nn.ConvTranspose2d(width, width, 3, stride, 1, stride - 1, bias=False)
            if last
            else nn.Conv2d(width, width, 3, 1, 1, bias=False)
        )
        self.way = nn.Sequential(
            *(nn.Conv2d(inner, width, 1, bias=False), BatchNorm(width), nn.ReLU()),
            *(middle, BatchNorm(width), nn.ReLU()),
            *(nn.Conv2d(width, outer, 1, bias=False), BatchNorm(outer), nn.ReLU()),
        )
        self.shortcut = (
            nn.Sequential(nn.ConvTranspose2d(inner, outer, 1, stride, 0, stride - 1, bias=False), BatchNorm(outer))
            if last
            else nn.Identity()
        )

    def forward(self, z: Float[Tensor, "B C h w"]) -> Float[Tensor, "B D H W"]:
        """Return the maps after both ways."""
        found: Tensor = F.relu(self.way(z) + self.shortcut(z))
        return found


def _doublings(stride: int) -> int:
    times = int(log2(stride))
    if 2**times != stride:
        raise RequestError(f"expected a stride that is a power of two, found {stride}")
    return times
