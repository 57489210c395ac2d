"""Files as the published code writes them: built here from plain layers in its order and under its names."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.nets.blocks import initialise
from aliter.nets.patch import PatchSpec
from aliter.nets.pix2pixhd import EnhancerSpec, Pix2PixHDSpec
from aliter.nets.published import load_published

SPEC = Pix2PixHDSpec(width=4, downs=2, blocks=2)


class Block(nn.Module):
    """A residual block under the published names; ``drop`` shifts the numbers of layers."""

    def __init__(self, width: int, drop: bool) -> None:
        super().__init__()
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(True)]
        layers += [nn.Dropout(0.5)] if drop else []
        self.conv_block = nn.Sequential(
            *layers, nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)


def entrance(width: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(1, width, 7), nn.InstanceNorm2d(width), nn.ReLU(True)]


def down(width: int) -> list[nn.Module]:
    return [nn.Conv2d(width, 2 * width, 3, 2, 1), nn.InstanceNorm2d(2 * width), nn.ReLU(True)]


def up(width: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), nn.InstanceNorm2d(width), nn.ReLU(True)]


def end(width: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(width, 1, 7), nn.Tanh()]


class Global(nn.Module):
    def __init__(self, drop: bool, whole: bool = True) -> None:
        super().__init__()
        layers = [*entrance(4), *down(4), *down(8), Block(16, drop), Block(16, drop), *up(8), *up(4)]
        self.model = nn.Sequential(*layers, *(end(4) if whole else []))

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x)


class Local(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.model = Global(False, whole=False).model
        self.model1_1 = nn.Sequential(*entrance(2), *down(2))
        self.model1_2 = nn.Sequential(Block(4, False), *up(2), *end(2))
        self.downsample = nn.AvgPool2d(3, stride=2, padding=[1, 1], count_include_pad=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.model1_2(self.model(self.downsample(x)) + self.model1_1(x))


class Multiscale(nn.Module):
    """Two scales of two strided layers; the one of the higher number sees full resolution."""

    def __init__(self) -> None:
        super().__init__()
        for scale in range(2):
            layers = [
                nn.Sequential(nn.Conv2d(2, 4, 4, 2, 2), nn.LeakyReLU(0.2, True)),
                nn.Sequential(nn.Conv2d(4, 8, 4, 2, 2), nn.InstanceNorm2d(8), nn.LeakyReLU(0.2, True)),
                nn.Sequential(nn.Conv2d(8, 16, 4, 1, 2), nn.InstanceNorm2d(16), nn.LeakyReLU(0.2, True)),
                nn.Sequential(nn.Conv2d(16, 1, 4, 1, 2)),
            ]
            for place, layer in enumerate(layers):
                setattr(self, f"scale{scale}_layer{place}", layer)
        self.downsample = nn.AvgPool2d(3, stride=2, padding=[1, 1], count_include_pad=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        logits = []
        for scale in (1, 0):
            y = x
            for place in range(4):
                y = getattr(self, f"scale{scale}_layer{place}")(y)
            logits.append(y)
            x = self.downsample(x)
        return logits


def scrambled(net: nn.Module, seed: int) -> nn.Module:
    with torch.no_grad():
        for number, one in enumerate(net.parameters()):
            one.copy_(0.1 * torch.randn(one.shape, generator=torch.Generator().manual_seed(1000 * seed + number)))
    return net.eval()


def image(channels: int = 1) -> Tensor:
    return torch.randn(1, channels, 32, 32, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize("drop", [False, True])
def test_a_global_generator_draws_the_same(tmp_path: Path, drop: bool) -> None:
    theirs = scrambled(Global(drop), 1)
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G.pth")
    ours = SPEC.build(1, 1).eval()
    load_published(tmp_path, {"generator": ours})
    with torch.no_grad():
        torch.testing.assert_close(ours(image()), theirs(image()))


def test_an_enhancer_draws_the_same(tmp_path: Path) -> None:
    theirs = scrambled(Local(), 2)
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G.pth")
    nets = {"generator": SPEC.build(1, 1).eval(), "enhancer": EnhancerSpec(blocks=1).build(SPEC, 1, 1).eval()}
    load_published(tmp_path, nets)
    with torch.no_grad():
        torch.testing.assert_close(nets["enhancer"](image(), nets["generator"]), theirs(image()))


def test_discriminators_say_the_same(tmp_path: Path) -> None:
    theirs = scrambled(Multiscale(), 3)
    torch.save(scrambled(Global(False), 1).state_dict(), tmp_path / "latest_net_G.pth")
    torch.save(theirs.state_dict(), tmp_path / "latest_net_D.pth")
    ours = PatchSpec(width=4, layers=2, scales=2).build(2, 32)
    load_published(tmp_path, {"generator": SPEC.build(1, 1), "discriminator": ours})
    with torch.no_grad():
        for one, other in zip(ours(image(2)), theirs(image(2)), strict=True):
            torch.testing.assert_close(one[-1], other)


def test_what_does_not_fit_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"expected latest_net_G\.pth, found none"):
        load_published(tmp_path, {"generator": SPEC.build(1, 1)})
    torch.save(Global(False).state_dict(), tmp_path / "latest_net_G.pth")
    other = SPEC.model_copy(update={"blocks": 3}).build(1, 1)
    initialise({"generator": other}, 0)
    with pytest.raises(DataError, match=r"expected weights of shape .* at place \d+, found"):
        load_published(tmp_path, {"generator": other})
    with pytest.raises(DataError, match="with an enhancer, found none"):
        load_published(tmp_path, {"generator": SPEC.build(1, 1), "enhancer": EnhancerSpec().build(SPEC, 1, 1)})
    torch.save(Global(False), tmp_path / "latest_net_G.pth")
    with pytest.raises(DataError, match="cannot be read safely"):
        load_published(tmp_path, {"generator": SPEC.build(1, 1)})
