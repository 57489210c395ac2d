"""What several networks are made of, and how their weights begin."""

from collections.abc import Callable, Mapping
from math import sqrt

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from aliter.core.rng import torch_seed

Resize = Callable[[Float[Tensor, "B C H W"]], Float[Tensor, "B C h w"]]
"""Changes the size of a map, not its channels."""
LOADED = "loaded"
"""Attribute of a network: the names of the parameters that came from a file, which ``initialise`` leaves alone."""
SLOPE = 0.2
"""Slope of LeakyReLU below zero."""
_EPSILON = 1e-5
_HALF_VARIANCE = sqrt(0.5)


class InstanceNorm(nn.Module):
    """Standardise every channel of every image, then scale and shift it by learned weights.

    Takes and gives ``(B, C, H, W)``, in the same type and memory format.

    References
    ----------
    Ulyanov et al. 2016, Instance normalization, arXiv:1607.08022.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def reset_parameters(self) -> None:
        """Make it the plain standardisation again."""
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normalised maps."""
        return modulate(x, self.weight.expand(len(x), -1), self.bias.expand(len(x), -1))


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose running statistics change only while it learns.

    In a turn that moves another network it normalises by the batch, as in training, and leaves no trace.
    """

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Return the normalised maps."""
        if self.training and not self.weight.requires_grad:
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)
        return super().forward(x)


class AdaIN(nn.Module):
    """Standardise every channel of every image, then scale and shift it as a style says.

    References
    ----------
    Huang and Belongie 2017, Arbitrary style transfer in real-time, arXiv:1703.06868, equation 8.
    """

    def __init__(self, channels: int, style: int) -> None:
        super().__init__()
        self.affine = nn.Linear(style, 2 * channels)

    def forward(self, x: Float[Tensor, "B C H W"], style: Float[Tensor, "B S"]) -> Float[Tensor, "B C H W"]:
        """Return the maps in ``style``."""
        gain, shift = self.affine(style).chunk(2, dim=1)
        return modulate(x, 1 + gain, shift)


class EncoderBlock(nn.Module):
    """Residual block that ends in ``outer`` channels; ``resize`` stands between its convolutions.

    ``norm`` makes a normalisation of so many channels; ``nn.Identity`` makes none.
    """

    def __init__(self, inner: int, outer: int, norm: Callable[[int], nn.Module], resize: Resize) -> None:
        super().__init__()
        self.resize = resize
        self.norms = nn.ModuleList([norm(inner), norm(inner)])
        self.convolutions = nn.ModuleList([convolution(inner, inner), convolution(inner, outer)])
        self.shortcut = _shortcut(inner, outer)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Return the resized maps."""
        h = self.resize(self.convolutions[0](activate(self.norms[0](x))))
        h = self.convolutions[1](activate(self.norms[1](h)))
        # A 1x1 convolution commutes with resizing and is cheaper on the smaller map, here and in DecoderBlock.
        return _joined(h, self.shortcut(self.resize(x)))


class DecoderBlock(nn.Module):
    """Residual block in a style; ``resize`` stands before its convolutions."""

    def __init__(self, inner: int, outer: int, style: int, resize: Resize) -> None:
        super().__init__()
        self.resize = resize
        self.norms = nn.ModuleList([AdaIN(inner, style), AdaIN(outer, style)])
        self.convolutions = nn.ModuleList([convolution(inner, outer), convolution(outer, outer)])
        self.shortcut = _shortcut(inner, outer)

    def forward(self, x: Float[Tensor, "B C H W"], style: Float[Tensor, "B S"]) -> Float[Tensor, "B D h w"]:
        """Return the resized maps in ``style``."""
        h = self.convolutions[0](self.resize(activate(self.norms[0](x, style))))
        h = self.convolutions[1](activate(self.norms[1](h, style)))
        return _joined(h, self.resize(self.shortcut(x)))


def convolution(inner: int, outer: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size."""
    return nn.Conv2d(inner, outer, 3, padding=1)


def _shortcut(inner: int, outer: int) -> nn.Module:
    return nn.Identity() if inner == outer else nn.Conv2d(inner, outer, 1, bias=False)


def _joined(one: Tensor, other: Tensor) -> Tensor:
    """Return the sum of both, with the variance of one if they are independent and alike."""
    return (one + other).mul_(_HALF_VARIANCE)


def activate(x: Tensor) -> Tensor:
    """Return ``x`` with what is below zero multiplied by ``SLOPE``."""
    return F.leaky_relu(x, SLOPE)


def keep(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Return ``x`` as it is."""
    return x


def halve(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Return the means of 2x2 pixels; an odd last row or column is left out."""
    return F.avg_pool2d(x, 2)


def double(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Return ``x`` with every pixel as 2x2 pixels."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def modulate(
    x: Float[Tensor, "B C H W"], gain: Float[Tensor, "B C"], shift: Float[Tensor, "B C"]
) -> Float[Tensor, "B C H W"]:
    """Return ``x`` standardised per image and channel, times ``gain``, plus ``shift``.

    Statistics are taken in float32 or better whatever the type of ``x``, and the mean is subtracted before squares
    are summed. A constant channel becomes ``shift``.
    """
    wide = widened(x)
    centred = wide - _mean(wide)
    scale = gain[:, :, None, None] * (_mean(centred.square()) + _EPSILON).rsqrt()
    return torch.addcmul(widened(shift)[:, :, None, None], centred, scale).to(x.dtype)


def _mean(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 1 1"]:
    """Return the means over pixels, as a matrix product: torch reduces channels-last maps more slowly."""
    rows = rearrange(x, "b c h w -> b (h w) c")
    average = rows.new_full((len(x), 1, rows.shape[1]), 1 / rows.shape[1])
    with torch.autocast(x.device.type, enabled=False):
        return rearrange(average @ rows, "b 1 c -> b c 1 1")


def pick(rows: Float[Tensor, "B K D"], y: Int[Tensor, " B"]) -> Float[Tensor, "B D"]:
    """Return row ``y`` of each element of the batch, in float32 or better."""
    return widened(rows[torch.arange(len(rows), device=rows.device), y])


def widened(x: Tensor) -> Tensor:
    """Return ``x`` in float32, or as it is if it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def initialise(nets: Mapping[str, nn.Module], seed: int, sd: float | None = None) -> None:
    """Draw the weights of all ``nets`` anew, in place, as a function of ``seed`` and of their names alone.

    Convolutions and linear layers get Kaiming-normal weights by fan-in (gain of ReLU), or normal ones of this ``sd``,
    and biases of 0; normalisations become plain. Parameters that a module holds itself, as the position embedding of
    a transformer, and those that came from a file stay as built. The draw is made on the CPU, so devices agree.

    References
    ----------
    He et al. 2015, Delving deep into rectifiers, arXiv:1502.01852, equation 10.
    """
    for name, net in nets.items():
        loaded = {parameter.rpartition(".")[0] for parameter in getattr(net, LOADED, ())}
        for path, module in net.named_modules():
            if path not in loaded:
                _initialise(module, seed, f"{name}.{path}", sd)


def _initialise(module: nn.Module, seed: int, path: str, sd: float | None) -> None:
    if isinstance(module, _WEIGHTED):
        draw = torch.Generator().manual_seed(torch_seed(seed, f"{path}.weight"))
        fresh = torch.empty(module.weight.shape)
        if sd is None:
            nn.init.kaiming_normal_(fresh, generator=draw)
        else:
            nn.init.normal_(fresh, 0.0, sd, generator=draw)
        with torch.no_grad():
            module.weight.copy_(fresh)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, _NORMS):
        module.reset_parameters()


_WEIGHTED = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
_NORMS = (
    InstanceNorm,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.InstanceNorm3d,
)
