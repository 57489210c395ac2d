"""A network that has learned to see, as a measure of distance between images: VGG19 from a file of weights."""

from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aliter.core.errors import DataError
from aliter.nets.published import read_weights

_LEVELS = ((0, 2), (5, 7), (10, 12, 14, 16), (19, 21, 23, 25), (28,))
"""Numbers of the convolutions in torchvision's ``features``, by level; the map behind the first of each is compared."""


class VGG19(nn.Module):
    """The maps of VGG19 behind the first convolution of each of its five levels.

    It does not learn and is in no checkpoint: its weights lie in the file. One channel is shown as grey, each stain by
    itself. Images enter as they are, in [-1, 1], as in pix2pixHD's code.

    References
    ----------
    Simonyan and Zisserman 2015, Very deep convolutional networks, arXiv:1409.1556, table 1, E.
    """

    def __init__(self, path: Path) -> None:
        """Read the weights at ``path``, a state dict of torchvision's ``vgg19``; nothing is unpickled.

        Raises
        ------
        DataError
            If it is no such file.
        """
        super().__init__()
        state = read_weights(path)
        channels = 3
        for number in (number for level in _LEVELS for number in level):
            weight, bias = (state.get(f"features.{number}.{kind}", torch.empty(0)) for kind in ("weight", "bias"))
            if bias.ndim != 1 or not len(bias) or weight.shape != (len(bias), channels, 3, 3):
                sizes = f"a 3 x 3 convolution of {channels} channels at features.{number}"
                raise DataError(f"{path}: expected {sizes}, found {tuple(weight.shape)}; name a file of vgg19")
            self.register_buffer(f"weight{number}", weight.float(), persistent=False)
            self.register_buffer(f"bias{number}", bias.float(), persistent=False)
            channels = len(bias)

    def forward(self, image: Float[Tensor, "B S H W"]) -> list[Float[Tensor, "N _ _ _"]]:
        """Return the maps of each level, of each stain; sides are 16 pixels or more."""
        x = image.float().flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        maps = []
        for place, level in enumerate(_LEVELS):
            x = F.max_pool2d(x, 2) if place else x
            for number in level:
                x = F.relu(F.conv2d(x, self.get_buffer(f"weight{number}"), self.get_buffer(f"bias{number}"), padding=1))
                if number == level[0]:
                    maps.append(x)
        return maps
