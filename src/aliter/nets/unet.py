"""U-Nets in two and three dimensions, and how large what they take and give is."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from math import ceil, prod
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field, NonNegativeFloat, PositiveInt
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import BatchNorm
from aliter.nets.dropout import Dropout

Kernels = tuple[tuple[PositiveInt, ...], ...]
"""Sizes of the kernels of one level, convolution after convolution."""
_CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_NORMS: dict[tuple[str, int], Callable[..., nn.Module]] = {
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
    ("batch", 2): BatchNorm,
    ("batch", 3): nn.BatchNorm3d,
}
_TRANSPOSED: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


@dataclass(frozen=True)
class Extent:
    """How one axis shrinks on its way through a U-Net, convolutions taking no padding."""

    factors: tuple[int, ...]
    """By which each level is pooled, from the finest."""
    down: tuple[int, ...]
    """Voxels that the convolutions of each level take away on the way down; one more than factors."""
    up: tuple[int, ...]

    def through(self, size: int) -> int | None:
        """Return what is left of ``size`` voxels; None if they cannot be pooled evenly or run out."""
        for taken, factor in zip(self.down, self.factors, strict=False):
            size -= taken
            if size <= 0 or size % factor:
                return None
            size //= factor
        size -= self.down[-1]
        for level in reversed(range(len(self.factors))):
            period = prod(self.factors[level:])
            size = (size * self.factors[level] - self.up[level]) // period * period
        return size if size > 0 else None

    @cached_property
    def period(self) -> int:
        """Voxels by which the input may be shifted so that the output shifts along, else unchanged."""
        return prod(self.factors)

    @cached_property
    def smallest(self) -> int:
        """The smallest size that goes through; others differ from it by multiples of ``period``."""
        return next(size for size in count(1) if self.through(size) is not None)

    @cached_property
    def context(self) -> int:
        """Voxels that the output lacks of the input, half of them on each side."""
        return self.smallest - (self.through(self.smallest) or 0)


class UNetSpec(Spec):
    """An encoder and a decoder with a skip at each level; then a 1x1 convolution to the embedding.

    With the padding ``valid``, upsampled maps are cut so that a shift of the input by the product of all factors
    shifts the output and changes nothing else: blocks of a large image fit together without a seam.

    References
    ----------
    Ronneberger et al. 2015, U-Net, arXiv:1505.04597.
    """

    kind: Literal["unet"] = "unet"
    width: PositiveInt = 12
    """Channels at full resolution."""
    growth: PositiveInt = 2
    """Times as many channels at each coarser level."""
    factors: tuple[PositiveInt | tuple[PositiveInt, ...], ...] = (2, 2)
    """By which each level is pooled, along all axes or along each."""
    kernel: PositiveInt | tuple[PositiveInt, ...] = 3
    """Size of all kernels, along all axes or along each."""
    passes: PositiveInt = 2
    """Convolutions of each level."""
    down: tuple[Kernels, ...] | None = None
    """Kernels of each level on the way down, in place of ``kernel`` and ``passes``; one more than factors."""
    up: tuple[Kernels, ...] | None = None
    """Kernels of each level on the way up, from the finest; as many as factors."""
    norm: Literal["none", "instance", "batch"] = "none"
    """``instance`` standardises every channel of every image: quicker to learn, but depends on the tile, and noise
    where nothing is becomes as strong as what is elsewhere; ``batch`` is fixed once it has learned."""
    padding: Literal["valid", "same"] = "valid"
    upsample: Literal["constant", "transposed"] = "constant"
    """``constant`` repeats voxels; ``transposed`` learns a transposed convolution."""
    features: PositiveInt = 12
    """Channels of the embedding."""
    dropout: NonNegativeFloat = Field(default=0.0, lt=1)
    """Share of values that the coarsest level and every level on the way up but the finest drop."""

    def build(self, channels: int, ndim: int) -> "UNet":
        """Return the network from ``(B, channels, *space)``, in two or three dimensions, to ``(B, features, *out)``.

        Raises
        ------
        RequestError
            If factors or kernels are not for so many dimensions or levels.
        """
        return UNet(self, channels, ndim)

    def extents(self, ndim: int) -> tuple[Extent, ...]:
        """Return, for each axis, how it shrinks."""
        factors, down, up = self.pools(ndim), self.kernels("down", ndim), self.kernels("up", ndim)

        def taken(levels: tuple[Kernels, ...], axis: int) -> tuple[int, ...]:
            return tuple(sum(kernel[axis] - 1 for kernel in level) for level in levels)

        return tuple(
            Extent(tuple(factor[axis] for factor in factors), taken(down, axis), taken(up, axis))
            for axis in range(ndim)
        )

    def pools(self, ndim: int) -> tuple[tuple[int, ...], ...]:
        """Return the factors of each level, along each axis."""
        return tuple(_along(one, ndim, "factors") for one in self.factors)

    def kernels(self, way: Literal["down", "up"], ndim: int) -> tuple[Kernels, ...]:
        """Return the kernels of each level, from the finest, along each axis."""
        said, levels = getattr(self, way), len(self.factors) + (way == "down")
        found: tuple[Kernels, ...] = said or (((_along(self.kernel, ndim, "kernel"),) * self.passes),) * levels
        if len(found) != levels or any(len(kernel) != ndim for level in found for kernel in level):
            raise RequestError(f"net.{way}: expected kernels of {ndim} numbers for {levels} levels, found {found}")
        return found

    def context(self, ndim: int) -> tuple[int, ...]:
        """Return how many voxels more than it gives the network must see along each axis, half on each side.

        With the padding ``same`` the output is as large as the input, but its margin is not to be trusted.
        """
        extents = self.extents(ndim)
        if self.padding == "valid":
            return tuple(extent.context for extent in extents)
        # A voxel sees what the convolutions reach, and up to a period more where maps were pooled.
        return tuple(2 * extent.period * (1 + ceil(extent.context / 2 / extent.period)) for extent in extents)

    def check(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of what comes out if ``shape`` goes in.

        Raises
        ------
        RequestError
            If that cannot go in; names sizes that can.
        """
        out = []
        for axis, (size, extent) in enumerate(zip(shape, self.extents(len(shape)), strict=True)):
            left = extent.through(size) if self.padding == "valid" else size if size % extent.period == 0 else None
            if left is None:
                least = extent.smallest if self.padding == "valid" else extent.period
                legal = f"{least}, {least + extent.period}, {least + 2 * extent.period}, ..."
                raise RequestError(f"expected {legal} voxels along axis {axis} of {shape}, found {size}; change it")
            out.append(left)
        return tuple(out)


class UNet(nn.Module):
    """The network that a ``UNetSpec`` describes."""

    def __init__(self, spec: UNetSpec, channels: int, ndim: int):
        super().__init__()
        self.spec, self.ndim, self.factors = spec, ndim, spec.pools(ndim)
        self.extents = spec.extents(ndim)
        widths = [spec.width * spec.growth**level for level in range(len(self.factors) + 1)]
        down, up = spec.kernels("down", ndim), spec.kernels("up", ndim)
        inner = (channels, *widths[:-1])
        self.down = nn.ModuleList(self._passes(a, b, one) for a, b, one in zip(inner, widths, down, strict=True))
        self.up = nn.ModuleList(self._passes(a + b, a, one) for a, b, one in zip(widths, widths[1:], up, strict=False))
        self.grow = nn.ModuleList(
            nn.Identity() if spec.upsample == "constant" else _TRANSPOSED[ndim](width, width, factor, factor)
            for width, factor in zip(widths[1:], self.factors, strict=True)
        )
        self.drop = Dropout(spec.dropout) if spec.dropout else nn.Identity()
        self.embed = _CONVOLUTIONS[ndim](spec.width, spec.features, 1)

    def forward(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B D *out"]:
        """Return the embedding."""
        out: Tensor = self.embed(self.levels(x)[-1])
        return out

    def levels(self, x: Float[Tensor, "B C *space"]) -> list[Float[Tensor, "B _ *grid"]]:
        """Return the maps of the decoder, from the coarsest to the finest."""
        self.spec.check(tuple(map(int, x.shape[2:])))
        skips = []
        for level, factor in zip(self.down, self.factors, strict=False):
            x = level(x)
            skips.append(x)
            x = F.max_pool2d(x, factor) if self.ndim == 2 else F.max_pool3d(x, factor)
        found = [self.down[-1](x)]
        for number in reversed(range(len(self.factors))):
            found.append(self.up[number](self._joined(skips[number], self.drop(found[-1]), number)))
        return found

    def pyramid(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B D *out"]:
        """Return the embedding and below it all maps of the decoder, brought to full resolution."""
        levels = self.levels(x)
        maps = [self.embed(levels[-1]), levels[-1]]
        for number in range(len(self.factors)):
            scale = tuple(prod(factor[axis] for factor in self.factors[number:]) for axis in range(self.ndim))
            wide = F.interpolate(levels[number], scale_factor=tuple(map(float, scale)), mode="nearest")
            maps.append(cut(wide, maps[0].shape[2:]))
        return torch.cat(maps, 1)

    def _joined(self, skip: Tensor, coarse: Tensor, number: int) -> Tensor:
        """Return skip and upsampled map side by side, both cut to what keeps the output in step with the input."""
        grown = self.grow[number](coarse)
        if self.spec.upsample == "constant":
            grown = F.interpolate(grown, scale_factor=tuple(map(float, self.factors[number])), mode="nearest")
        if self.spec.padding == "valid":
            shape = []
            for size, extent in zip(grown.shape[2:], self.extents, strict=True):
                period, taken = prod(extent.factors[number:]), extent.up[number]
                shape.append((size - taken) // period * period + taken)
            grown = cut(grown, torch.Size(shape))
        return torch.cat([cut(skip, grown.shape[2:]), grown], 1)

    def _passes(self, inner: int, outer: int, kernels: Kernels) -> nn.Sequential:
        layers: list[nn.Module] = []
        for number, kernel in enumerate(kernels):
            channels = inner if number == 0 else outer
            norm = [] if self.spec.norm == "none" else [_NORMS[self.spec.norm, self.ndim](outer)]
            layers += [_CONVOLUTIONS[self.ndim](channels, outer, kernel, padding=self.spec.padding), *norm, nn.ReLU()]
        return nn.Sequential(*layers)


def cut(x: Float[Tensor, "B C *space"], shape: torch.Size) -> Float[Tensor, "B C *out"]:
    """Return the middle of ``x``."""
    for axis, (size, wanted) in enumerate(zip(x.shape[2:], shape, strict=True), start=2):
        x = x.narrow(axis, (size - wanted) // 2, wanted)
    return x


def _along(value: int | tuple[int, ...], ndim: int, name: str) -> tuple[int, ...]:
    """Return ``value`` for each of ``ndim`` axes."""
    found = value if isinstance(value, tuple) else (value,) * ndim
    if len(found) != ndim:
        raise RequestError(f"net.{name}: expected {ndim} numbers, one an axis, found {found}; change them")
    return found
