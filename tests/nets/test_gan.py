"""Networks of the published boundary games: sizes, shapes, ranges, and who learns statistics when."""

import pytest
import torch
from torch import nn

from aliter.core.errors import RequestError
from aliter.nets.blocks import initialise
from aliter.nets.dcgan import DCGANSpec
from aliter.nets.pool_cnn import MLP, Between, PoolCNN
from aliter.nets.resnet_gan import ResNetGANSpec


def parameters(net: nn.Module) -> int:
    return sum(one.numel() for one in net.parameters())


@pytest.mark.parametrize(("width", "count"), [(1, 129), (2, 293), (4, 729), (8, 2033), (16, 6369)])
def test_the_classifiers_have_the_published_sizes(width: int, count: int) -> None:
    net = PoolCNN(width=width).build(1, 28, 2)
    assert parameters(net) == count
    features = nn.Sequential(*list(net.children())[:5])(torch.zeros(3, 1, 28, 28))
    assert features.shape == (3, 98 * width)
    assert net(torch.zeros(3, 1, 28, 28)).shape == (3, 2)


def test_the_published_mlp_is_linear() -> None:
    net = MLP(width=2).build(1, 28, 2)
    assert parameters(net) == 1573
    one, other = torch.randn(2, 4, 1, 28, 28)
    torch.testing.assert_close(net((one + other) / 2), (net(one) + net(other)) / 2)


def test_two_classes_share_one_logit_and_more_have_their_own() -> None:
    net = PoolCNN().build(1, 8, 2)
    x = torch.randn(5, 1, 8, 8)
    logits = net(x)
    torch.testing.assert_close(logits.softmax(1)[:, 1], Between(net)(x).sigmoid())
    torch.testing.assert_close(logits.sum(1), torch.zeros(5))
    many = PoolCNN().build(1, 8, 10)
    between = Between(many, 7, 1)
    p = many(x).softmax(1)
    torch.testing.assert_close(between(x).sigmoid(), p[:, 1] / (p[:, 1] + p[:, 7]))


@pytest.mark.parametrize(
    ("size", "depth", "generator", "discriminator"), [(28, 3, 1_296_320, 1_030_465), (64, 4, 4_843_968, 4_312_385)]
)
def test_dcgan_has_the_published_sizes(size: int, depth: int, generator: int, discriminator: int) -> None:
    with torch.device("meta"):
        nets = DCGANSpec(depth=depth).build(1, size)
    assert (parameters(nets["generator"]), parameters(nets["discriminator"])) == (generator, discriminator)


def test_the_residual_gan_has_the_published_sizes_and_takes_32_pixels_only() -> None:
    with torch.device("meta"):
        nets = ResNetGANSpec().build(3, 32)
    assert [parameters(nets[name]) for name in ("generator", "discriminator")] == [1_595_651, 1_042_017]
    small = ResNetGANSpec(width=4, latent=3, norm="layer").build(1, 32)
    images = small["generator"](torch.randn(2, 3))
    assert images.shape == (2, 1, 32, 32)
    assert small["discriminator"](images).shape == (2,)
    with pytest.raises(RequestError, match="32 pixels a side, found 28"):
        ResNetGANSpec().build(1, 28)


@pytest.mark.parametrize(("channels", "size", "depth"), [(1, 8, 2), (1, 28, 3), (3, 25, 2), (2, 32, 3)])
def test_dcgan_draws_images_of_any_size(channels: int, size: int, depth: int) -> None:
    nets = DCGANSpec(width=4, depth=depth, latent=5).build(channels, size)
    initialise(nets, 0, 0.02)
    images = nets["generator"](torch.randn(3, 5))
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert nets["discriminator"](images).shape == (3,)


def test_statistics_are_learned_only_while_the_network_moves() -> None:
    net = DCGANSpec(width=4, depth=2, latent=5).build(1, 8)["generator"].train().requires_grad_(False)
    z = torch.randn(8, 5)
    before = {key: value.clone() for key, value in net.named_buffers()}
    still = net(z)
    assert all(torch.equal(before[key], value) for key, value in net.named_buffers())
    moving = net.requires_grad_(True)(z)
    torch.testing.assert_close(moving, still)
    assert any(not torch.equal(before[key], value) for key, value in net.named_buffers())


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(RequestError, match="halved 3 times, found 4 pixels"):
        DCGANSpec().build(1, 4)
    with pytest.raises(RequestError, match="at least 4 pixels a side, found 3"):
        PoolCNN().build(1, 3, 2)
