"""A small classifier for small images."""

from collections import OrderedDict
from itertools import pairwise
from typing import Literal

from pydantic import PositiveInt
from torch import nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec


class SmallCNN(Spec):
    """Convolutions, batch normalisation and ReLU, ``depth`` times; then the mean over pixels and a linear head.

    The first block looks at full resolution and averages; the others halve by a stride. No maximum is taken and every
    activation is a module of its own, so that what DeepLift finds sums to the difference of the answers.
    ``block0``, ``block1`` and so on are layers; ``flatten`` gives the features before ``head``.
    """

    kind: Literal["small_cnn"] = "small_cnn"
    width: PositiveInt = 16
    """Channels of the first block; each further block has twice as many."""
    depth: PositiveInt = 4
    """Blocks; each halves the image."""

    def build(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the network from images ``(B, channels, H, W)`` in [-1, 1] to logits ``(B, classes)``.

        Raises
        ------
        RequestError
            If the images are too small to be halved ``depth`` times.
        """
        if size < 2**self.depth:
            raise RequestError(
                f"expected images of at least {2**self.depth} pixels a side for depth {self.depth}, found {size}; "
                f"lower the depth to {size.bit_length() - 1} or less"
            )
        widths = [self.width * 2**level for level in range(self.depth)]
        blocks: dict[str, nn.Module] = {
            "block0": _block(nn.Conv2d(channels, self.width, 3, padding=1, bias=False), nn.AvgPool2d(2))
        }
        for level, (inner, outer) in enumerate(pairwise(widths), start=1):
            blocks[f"block{level}"] = _block(nn.Conv2d(inner, outer, 4, stride=2, padding=1, bias=False), nn.Identity())
        end = {"pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "head": nn.Linear(widths[-1], classes)}
        return nn.Sequential(OrderedDict(blocks | end))


def _block(convolution: nn.Conv2d, pool: nn.Module) -> nn.Sequential:
    norm = nn.BatchNorm2d(convolution.out_channels)
    return nn.Sequential(OrderedDict(convolution=convolution, norm=norm, relu=nn.ReLU(), pool=pool))
