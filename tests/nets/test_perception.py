"""What a network that has learned to see says of two images is what plain layers of torchvision's form say."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aliter.core.errors import DataError
from aliter.nets.perception import VGG19
from aliter.ops.adversarial import perceptual

FORM = (4, 4, "M", 6, 6, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M", 8, 8, 8, 8, "M")
"""torchvision's ``vgg19``, in narrow: numbers are convolutions, M halves."""


def narrow() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for one in FORM:
        if isinstance(one, str):
            layers.append(nn.MaxPool2d(2, 2))
        else:
            layers += [nn.Conv2d(channels, one, 3, padding=1), nn.ReLU(True)]
            channels = one
    return nn.Sequential(*layers)


@pytest.fixture
def weights(tmp_path: Path) -> tuple[nn.Sequential, Path]:
    torch.manual_seed(0)
    net = nn.ModuleDict({"features": narrow(), "classifier": nn.Linear(2, 2)})
    torch.save(net.state_dict(), tmp_path / "vgg19.pth")
    return net["features"], tmp_path / "vgg19.pth"


def test_maps_and_distance_are_those_of_plain_layers(weights: tuple[nn.Sequential, Path]) -> None:
    features, path = weights
    net = VGG19(path)
    images = torch.rand(2, 2, 1, 16, 16) * 2 - 1

    def plain(image: Tensor) -> list[Tensor]:
        # relu1_1, relu2_1, relu3_1, relu4_1, relu5_1
        return [features[: last + 1](image.expand(-1, 3, -1, -1)) for last in (1, 6, 11, 20, 29)]

    with torch.no_grad():
        for ours, theirs in zip(net(images[0]), plain(images[0]), strict=True):
            torch.testing.assert_close(ours, theirs)
        gaps = [(a - b).abs().mean() for a, b in zip(plain(images[0]), plain(images[1]), strict=True)]
        expected = sum(w * gap for w, gap in zip((1 / 32, 1 / 16, 1 / 8, 1 / 4, 1), gaps, strict=True))
        torch.testing.assert_close(perceptual(net(images[0]), net(images[1])), expected)
        both = torch.cat([images[0], images[1]], 1)
        torch.testing.assert_close(net(both)[4][0::2], net(images[0])[4])
    assert not list(net.parameters())
    assert not net.state_dict()


def test_another_file_is_refused_in_one_sentence(weights: tuple[nn.Sequential, Path], tmp_path: Path) -> None:
    features, path = weights
    torch.save(features.state_dict(), tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"of 3 channels at features\.0, found \(0,\); name a file of vgg19"):
        VGG19(tmp_path / "other.pth")
    state = torch.load(path, weights_only=True)
    torch.save(state | {"features.10.weight": torch.zeros(8, 5, 3, 3)}, tmp_path / "odd.pth")
    with pytest.raises(DataError, match=r"of 6 channels at features\.10, found \(8, 5, 3, 3\)"):
        VGG19(tmp_path / "odd.pth")
    torch.save(features, tmp_path / "whole.pth")
    with pytest.raises(DataError, match="cannot be read safely"):
        VGG19(tmp_path / "whole.pth")
