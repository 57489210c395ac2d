"""Small networks that stand on an embedding, applied to points or, with the same weights, to whole maps."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class Head(nn.Module):
    """Linear layers with ReLU between them: ``widths`` are the channels from the embedding to the answer.

    ``forward`` takes rows, ``dense`` takes maps: a linear layer is a 1x1 convolution, so both give the same numbers.
    """

    def __init__(self, widths: Sequence[int]):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(inner, outer) for inner, outer in pairwise(widths))

    @property
    def linear(self) -> list[nn.Linear]:
        """The layers."""
        return [layer for layer in self.layers if isinstance(layer, nn.Linear)]

    def forward(self, rows: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows K"]:
        """Return the answer for each row."""
        for number, layer in enumerate(self.linear):
            rows = layer(F.relu(rows) if number else rows)
        return rows

    def dense(self, maps: Float[Tensor, "B D *space"]) -> Float[Tensor, "B K *space"]:
        """Return the answer for each voxel."""
        convolve: Callable[..., Tensor] = F.conv2d if maps.ndim == 4 else F.conv3d
        for number, layer in enumerate(self.linear):
            weight = layer.weight.reshape(*layer.weight.shape, *[1] * (maps.ndim - 2))
            maps = convolve(F.relu(maps) if number else maps, weight, layer.bias)
        return maps
