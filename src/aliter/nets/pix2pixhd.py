"""The generators of pix2pixHD: a global one, and an enhancer that doubles what it sees."""

from math import ceil
from typing import Literal

import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import BatchNorm, double
from aliter.nets.dropout import Dropout

Norm = Literal["instance", "batch"]


class Pix2PixHDSpec(Spec):
    """A residual network at low resolution between strided convolutions down and transposed ones up.

    With the published 64 channels, 4 halvings and 9 blocks and one channel in and out it has 182,430,721 parameters.

    References
    ----------
    Wang et al. 2018, High-resolution image synthesis and semantic manipulation with conditional GANs,
    arXiv:1711.11585, section 3.2.
    """

    kind: Literal["pix2pixhd"] = "pix2pixhd"
    width: PositiveInt = 64
    """Channels at full resolution; each halving doubles them."""
    downs: PositiveInt = 4
    """Halvings."""
    blocks: NonNegativeInt = 9
    """Residual blocks at the lowest resolution."""
    dropout: NonNegativeFloat = Field(default=0.2, lt=1)
    """Share of values that each residual block drops, in training and in sampling alike; 0 makes draws equal."""
    norm: Norm = "instance"
    """``instance``, as published, depends on the tile that is seen; ``batch`` is fixed once it has learned."""
    upsample: Literal["transposed", "resize"] = "transposed"
    """``resize`` repeats pixels before a convolution: no checkerboards."""

    def build(self, channels: int, stains: int) -> "Generator":
        """Return the network from ``(B, channels, H, W)`` to ``(B, stains, H', W')`` in [-1, 1].

        Sides come out as multiples of 2**downs, rounded up.
        """
        return Generator(self, channels, stains)

    @property
    def period(self) -> int:
        """Sides that are multiples of it keep their length."""
        return 1 << self.downs

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse images that are too small.

        Raises
        ------
        RequestError
            If the lowest resolution is a single pixel along an axis: nothing can be normalised or mirrored there.
        """
        if min(ceil(side / self.period) for side in shape) < 2:
            least = self.period + 1
            raise RequestError(f"expected sides of {least} pixels or more, found {shape}; use larger images or crops")


class EnhancerSpec(Spec):
    """What sees twice as many pixels, around a global generator of twice the width that sees half.

    With the published 32 channels and 3 blocks, and one channel in and out, it has 261,697 parameters.

    References
    ----------
    Wang et al. 2018, arXiv:1711.11585, section 3.2, figure 3: feature maps are added, element by element.
    """

    kind: Literal["enhancer"] = "enhancer"
    blocks: NonNegativeInt = 3
    """Residual blocks."""

    def build(self, trunk: Pix2PixHDSpec, channels: int, stains: int) -> "Enhancer":
        """Return the network; it is called with the global generator that ``trunk`` describes."""
        return Enhancer(self, trunk, channels, stains)


class Generator(nn.Module):
    """The global generator: ``features`` make maps at full resolution, ``head`` makes images of them."""

    def __init__(self, spec: Pix2PixHDSpec, channels: int, stains: int) -> None:
        super().__init__()
        self.spec = spec
        layers = _entrance(channels, spec.width, spec.norm)
        for level in range(spec.downs):
            layers += _down(spec.width << level, spec.norm)
        layers += [Residual(spec.width << spec.downs, spec) for _ in range(spec.blocks)]
        for level in reversed(range(spec.downs)):
            layers += _up(spec.width << level, spec)
        self.features = nn.Sequential(*layers)
        self.head = _exit(spec.width, stains)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S h w"]:
        """Return images in [-1, 1], float32."""
        self.spec.check(tuple(map(int, x.shape[2:])))
        image: Tensor = self.head(self.features(x))
        return image.float()


class Enhancer(nn.Module):
    """Front and back around the features of a global generator."""

    def __init__(self, spec: EnhancerSpec, trunk: Pix2PixHDSpec, channels: int, stains: int) -> None:
        super().__init__()
        if trunk.width % 2:
            raise RequestError(f"net.width: expected an even number where there is an enhancer, found {trunk.width}")
        width = trunk.width // 2
        self.front = nn.Sequential(*_entrance(channels, width, trunk.norm), *_down(width, trunk.norm))
        blocks = [Residual(trunk.width, trunk) for _ in range(spec.blocks)]
        self.back = nn.Sequential(*blocks, *_up(width, trunk), *_exit(width, stains))

    def forward(self, x: Float[Tensor, "B C H W"], trunk: Generator) -> Float[Tensor, "B S H W"]:
        """Return images in [-1, 1], float32; sides must be multiples of twice the period of ``trunk``.

        Raises
        ------
        RequestError
            If they are not.
        """
        period = 2 * trunk.spec.period
        if any(side % period for side in x.shape[2:]):
            raise RequestError(f"expected sides that {period} divides, found {tuple(x.shape[2:])}; pad them")
        trunk.spec.check(tuple(int(side) // 2 for side in x.shape[2:]))
        image: Tensor = self.back(self.front(x) + trunk.features(halved(x)))
        return image.float()


class Enhancing(nn.Module):
    """Enhancer and global generator as one network."""

    def __init__(self, generator: nn.Module, enhancer: nn.Module) -> None:
        super().__init__()
        self.generator, self.enhancer = generator, enhancer

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B S H W"]:
        """Return images in [-1, 1], float32."""
        image: Tensor = self.enhancer(x, self.generator)
        return image


class Residual(nn.Module):
    """Two convolutions beside a shortcut, values dropped between them; nothing bends their sum."""

    def __init__(self, channels: int, spec: Pix2PixHDSpec) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(channels, spec.norm)]
        layers += [nn.ReLU(), *([Dropout(spec.dropout)] if spec.dropout else [])]
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), _norm(channels, spec.norm)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return maps of the same shape."""
        out: Tensor = x + self.layers(x)
        return out


class Double(nn.Module):
    """Every pixel as 2 x 2 pixels."""

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
        """Return the larger maps."""
        return double(x)


def halved(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Return means of 3 x 3 pixels at every other pixel; those beyond the border do not count."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


def _norm(channels: int, norm: Norm) -> nn.Module:
    return nn.InstanceNorm2d(channels) if norm == "instance" else BatchNorm(channels)


def _entrance(channels: int, width: int, norm: Norm) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(channels, width, 7), _norm(width, norm), nn.ReLU()]


def _down(width: int, norm: Norm) -> list[nn.Module]:
    return [nn.Conv2d(width, 2 * width, 3, 2, 1), _norm(2 * width, norm), nn.ReLU()]


def _up(width: int, spec: Pix2PixHDSpec) -> list[nn.Module]:
    if spec.upsample == "transposed":
        grow: list[nn.Module] = [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1)]
    else:
        grow = [Double(), nn.Conv2d(2 * width, width, 3, padding=1)]
    return [*grow, _norm(width, spec.norm), nn.ReLU()]


def _exit(width: int, stains: int) -> nn.Sequential:
    return nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, stains, 7), nn.Tanh())
