from collections.abc import Iterator
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.nets.blocks import (
    LOADED,
    AdaIN,
    DecoderBlock,
    EncoderBlock,
    InstanceNorm,
    double,
    halve,
    initialise,
    modulate,
)
from aliter.nets.stargan import LogitResidual, Sigmoid, StarGANSpec, Tanh

SMALL = StarGANSpec(style=6, latent=3, width=4, cap=12, mapping=8)
PUBLISHED_HEAD = 512 * 64 + 64


def small(channels: int = 3, size: int = 32, domains: int = 3, spec: StarGANSpec = SMALL) -> dict[str, Any]:
    nets = spec.build(channels, size, domains)
    initialise(nets, seed=1)
    return nets


def batch(channels: int = 3, size: int = 32, count: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(5)
    x = torch.rand(count, channels, size, size, generator=draw) * 2 - 1
    return x, torch.randn(count, 3, generator=draw), torch.arange(count) % 3


def parameters(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.fixture
def _meta() -> Iterator[None]:
    with torch.device("meta"):
        yield


@pytest.mark.usefixtures("_meta")
@pytest.mark.parametrize(
    ("spec", "channels", "size", "domains", "name", "count"),
    [
        (StarGANSpec(), 3, 128, 4, "generator", 33_632_003),
        (StarGANSpec(), 3, 128, 4, "style", 20_865_408),
        (StarGANSpec(), 3, 128, 4, "discriminator", 20_736_132),
        (StarGANSpec(), 3, 256, 4, "generator", 33_892_995),
        (StarGANSpec(), 3, 256, 4, "style", 20_982_592),
        (StarGANSpec(), 3, 256, 4, "discriminator", 20_853_316),
        (StarGANSpec(), 3, 64, 4, "generator", 32_634_883),
        (StarGANSpec(), 1, 128, 4, "generator", 33_629_441),
        (StarGANSpec(), 3, 128, 4, "mapping", 4_079_872),
        (StarGANSpec(), 3, 128, 5, "mapping", 4_900_672),
        (StarGANSpec(latent=10), 3, 128, 4, "mapping", 4_076_800),
        (StarGANSpec(latent=10), 3, 128, 5, "mapping", 4_897_600),
        # The published count of the single-output encoder includes two heads that its forward pass never reads.
        (StarGANSpec(heads="shared"), 3, 128, 4, "style", 20_832_576 - 2 * PUBLISHED_HEAD),
    ],
)
def test_parameter_counts_are_the_published_ones(
    spec: StarGANSpec, channels: int, size: int, domains: int, name: str, count: int
) -> None:
    assert parameters(spec.build(channels, size, domains)[name]) == count


@pytest.mark.usefixtures("_meta")
@pytest.mark.parametrize(
    ("size", "encoder"),
    [
        (64, [256, 512, 512, 512, 512]),
        (80, [204, 408, 512, 512, 512]),
        (128, [128, 256, 512, 512, 512, 512]),
        (224, [73, 146, 292, 512, 512, 512]),
        (256, [64, 128, 256, 512, 512, 512, 512]),
    ],
)
def test_channels_of_the_generator_are_the_published_ones(size: int, encoder: list[int]) -> None:
    generator: Any = StarGANSpec().build(3, size, 4)["generator"]
    found = [generator.stem.out_channels, *(block.convolutions[1].out_channels for block in generator.encoder)]
    assert found == encoder
    mirrored = [block.convolutions[1].out_channels for block in generator.decoder]
    assert mirrored == [512, 512, *reversed(encoder[:-3])]


@pytest.mark.parametrize(("channels", "size"), [(1, 16), (3, 32), (2, 48), (5, 64), (3, 80), (1, 224)])
def test_shapes_at_every_size(channels: int, size: int) -> None:
    nets, (x, z, y) = SMALL.build(channels, size, 3), batch(channels, size, 2)
    style = nets["mapping"](z, y)
    assert style.shape == nets["style"](x, y).shape == (2, 6)
    assert nets["generator"](x, style).shape == x.shape
    assert nets["discriminator"](x, y).shape == (2,)


@pytest.mark.parametrize("size", [8, 15])
def test_small_images_are_refused(size: int) -> None:
    with pytest.raises(RequestError, match="at least 16 pixels"):
        StarGANSpec().build(3, size, 2)


def test_sizes_that_the_decoder_could_not_restore_are_refused() -> None:
    with pytest.raises(RequestError, match="crop the images to 88 or pad them to 92"):
        StarGANSpec().build(3, 90, 2)


@pytest.mark.parametrize("name", ["generator", "style", "discriminator"])
def test_images_that_are_not_square_are_refused(name: str) -> None:
    nets, (_, _, y) = small(), batch()
    second = torch.zeros(4, 6) if name == "generator" else y
    with pytest.raises(RequestError, match="found 3 x 32 x 16"):
        nets[name](torch.zeros(4, 3, 32, 16), second)


def test_mapping_gives_the_row_of_the_class() -> None:
    net, (_, z, y) = small()["mapping"], batch()
    styles = net(z, y)
    for row, label in enumerate(y):
        shared = net.shared(z[row : row + 1])
        torch.testing.assert_close(styles[row : row + 1], net.branches[label](shared))
    assert not torch.allclose(styles, net(z, (y + 1) % 3))


def test_style_encoder_gives_the_head_of_the_class() -> None:
    net, (x, _, y) = small()["style"], batch()
    rows = net.head(net.trunk(x).flatten(1))
    for row, label in enumerate(y):
        torch.testing.assert_close(net(x, y)[row], rows[row, label * 6 : label * 6 + 6])


def test_one_shared_head_needs_no_class() -> None:
    net, (x, _, y) = small(spec=SMALL.model_copy(update={"heads": "shared"}))["style"], batch()
    assert torch.equal(net(x, y), net(x, (y + 1) % 3))
    assert not torch.equal(small()["style"](x, y), small()["style"](x, (y + 1) % 3))


def test_discriminator_averages_the_positions_that_are_left() -> None:
    x, _, y = batch(size=112)
    net = small(size=112)["discriminator"]
    maps = net.head(net.trunk(x))
    assert maps.shape[2:] == (4, 4)
    slow = torch.stack([maps[row, label].mean() for row, label in enumerate(y)])
    torch.testing.assert_close(net(x, y), slow)


def test_generator_obeys_the_style_of_its_own_image_only() -> None:
    generator, (x, _, _) = small()["generator"], batch()
    style = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    image, other = generator(x, style), generator(x, torch.cat([style[:2], 1 - style[2:]]))
    torch.testing.assert_close(image[:2], other[:2])
    assert (image[2:] - other[2:]).abs().amax(dim=(1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("name", ["generator", "mapping", "style", "discriminator"])
def test_no_answer_depends_on_the_rest_of_the_batch(name: str) -> None:
    net, (x, z, y) = small()[name], batch()
    inputs = {"generator": (x, torch.cat([z, z], 1)), "mapping": (z, y)}.get(name, (x, y))
    alone = torch.cat([net(first[None], second[None]) for first, second in zip(*inputs, strict=True)])
    torch.testing.assert_close(net(*inputs), alone, rtol=1e-4, atol=1e-5)


def test_gradients_reach_every_weight_and_the_image() -> None:
    nets, (x, z, y) = small(), batch()
    x.requires_grad_()
    fake = nets["generator"](x, nets["mapping"](z, y) + nets["style"](x, y))
    nets["discriminator"](fake, y).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    for name, net in nets.items():
        for path, parameter in net.named_parameters():
            assert parameter.grad is not None, f"{name}.{path}"
            assert parameter.grad.isfinite().all()
            assert parameter.grad.any(), f"{name}.{path}"


def test_the_discriminator_has_a_second_derivative() -> None:
    net, (x, _, y) = small()["discriminator"], batch()
    (slope,) = torch.autograd.grad(net(x.requires_grad_(), y).sum(), x, create_graph=True)
    slope.square().sum().backward()
    assert net.trunk[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [32, 48])
def test_bf16_and_channels_last_agree_with_float32(size: int) -> None:
    nets, (x, z, y) = small(size=size), batch(size=size)
    style = nets["mapping"](z, y)
    plain = {"generator": nets["generator"](x, style), "style": nets["style"](x, y), "mapping": style}
    plain["discriminator"] = nets["discriminator"](x, y)
    for net in nets.values():
        net.to(memory_format=torch.channels_last)
    x = x.to(memory_format=torch.channels_last)
    torch.testing.assert_close(nets["generator"](x, style), plain["generator"], rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = {"generator": nets["generator"](x, style), "mapping": nets["mapping"](z, y)}
        mixed |= {name: nets[name](x, y) for name in ("style", "discriminator")}
    for name, exact in plain.items():
        assert mixed[name].dtype == torch.float32
        assert (mixed[name] - exact).norm() < 0.06 * exact.norm(), name
        assert not torch.equal(mixed[name], exact)
    assert mixed["generator"].is_contiguous(memory_format=torch.channels_last)


def test_blocks_keep_channels_last() -> None:
    x = torch.rand(2, 4, 8, 8).to(memory_format=torch.channels_last)
    style = torch.rand(2, 5)
    down = EncoderBlock(4, 6, InstanceNorm, halve).to(memory_format=torch.channels_last)
    up = DecoderBlock(4, 6, 5, double).to(memory_format=torch.channels_last)
    for out in (down(x), up(x, style), InstanceNorm(4)(x), AdaIN(4, 5)(x, style)):
        assert out.is_contiguous(memory_format=torch.channels_last)


def test_encoder_block_equals_its_formula() -> None:
    block: Any = EncoderBlock(3, 5, nn.Identity, halve)
    x = torch.rand(2, 3, 6, 6) - 0.5
    pool = nn.AvgPool2d(2)
    act = nn.LeakyReLU(0.2)
    body = block.convolutions[1](act(pool(block.convolutions[0](act(x)))))
    torch.testing.assert_close(block(x), (body + pool(block.shortcut(x))) / sqrt(2))
    assert block.shortcut.bias is None


def test_decoder_block_equals_its_formula() -> None:
    block: Any = DecoderBlock(3, 5, 4, double)
    x, style = torch.rand(2, 3, 6, 6) - 0.5, torch.rand(2, 4)
    grow = nn.Upsample(scale_factor=2)
    act = nn.LeakyReLU(0.2)
    h = block.convolutions[0](grow(act(block.norms[0](x, style))))
    body = block.convolutions[1](act(block.norms[1](h, style)))
    torch.testing.assert_close(block(x, style), (body + block.shortcut(grow(x))) / sqrt(2))


def test_modulate_equals_plain_loops() -> None:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(2, 3, 4, 5, generator=draw, dtype=torch.float64) * 3 + 7
    gain, shift = torch.randn(2, 2, 3, generator=draw, dtype=torch.float64)
    out = modulate(x, gain, shift)
    for n in range(2):
        for c in range(3):
            pixels = x[n, c].flatten().tolist()
            mean = sum(pixels) / 20
            variance = sum((pixel - mean) ** 2 for pixel in pixels) / 20
            for got, pixel in zip(out[n, c].flatten().tolist(), pixels, strict=True):
                assert got == pytest.approx(gain[n, c] * (pixel - mean) / sqrt(variance + 1e-5) + shift[n, c])


def test_statistics_survive_a_large_mean() -> None:
    x = torch.randn(1, 2, 32, 32, generator=torch.Generator().manual_seed(0)) + 300
    plain = modulate(x, torch.ones(1, 2), torch.zeros(1, 2))
    exact = modulate(x.double(), torch.ones(1, 2), torch.zeros(1, 2))
    torch.testing.assert_close(plain, exact.float(), rtol=0, atol=1e-3)
    coarse = x.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        mixed = modulate(coarse, torch.ones(1, 2), torch.zeros(1, 2))
    torch.testing.assert_close(
        mixed.double(), modulate(coarse.double(), torch.ones(1, 2), torch.zeros(1, 2)), rtol=0.01, atol=0.01
    )


def test_constant_channels_become_the_shift() -> None:
    out = modulate(torch.full((1, 2, 4, 4), 0.1), torch.full((1, 2), 3.0), torch.tensor([[1.0, -2.0]]))
    torch.testing.assert_close(
        out, torch.tensor([1.0, -2.0])[None, :, None, None].expand(1, 2, 4, 4), rtol=0, atol=1e-4
    )


def test_outputs_have_their_range() -> None:
    head, x = torch.linspace(-9, 9, 12).reshape(1, 3, 2, 2), torch.linspace(-1, 1, 12).reshape(1, 3, 2, 2)
    assert Tanh()(head, x).abs().max() <= 1
    assert Sigmoid()(head, x).min() >= 0
    assert LogitResidual()(head, x).abs().max() <= 1
    torch.testing.assert_close(LogitResidual(strength=0.25)(head, x), torch.tanh(head / 4 + torch.atanh(0.97 * x)))


def test_a_weak_logit_residual_is_the_image() -> None:
    spec = SMALL.model_copy(update={"output": LogitResidual(strength=1e-9)})
    generator, (x, _, _) = small(spec=spec)["generator"], batch()
    x[0, 0, 0, :2] = torch.tensor([1.0, -1.0])
    torch.testing.assert_close(generator(x, torch.ones(4, 6)), 0.97 * x)


def test_what_is_outside_the_range_stays_finite() -> None:
    x = torch.tensor([-1.5, -1.0, 1.0, 1.5]).reshape(1, 1, 2, 2).requires_grad_()
    image = LogitResidual()(torch.zeros(1, 1, 2, 2), x)
    image.sum().backward()
    torch.testing.assert_close(image.flatten(), torch.tensor([-0.97, -0.97, 0.97, 0.97]))
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_initial_weights_are_a_function_of_seed_and_name() -> None:
    torch.manual_seed(1)
    one = small()
    torch.manual_seed(2)
    nets = SMALL.build(3, 32, 3)
    initialise(dict(reversed(nets.items())), seed=1)
    other = SMALL.build(3, 32, 3)
    initialise(other, seed=2)
    for name, net in one.items():
        for path, weight in net.state_dict().items():
            assert torch.equal(weight, nets[name].state_dict()[path])
            if weight.ndim > 1:
                assert not torch.equal(weight, other[name].state_dict()[path])


def test_initialise_leaves_the_global_generator_alone() -> None:
    nets = SMALL.build(3, 32, 3)
    before = torch.get_rng_state()
    initialise(nets, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_layers_of_equal_shape_begin_differently() -> None:
    first, second = small()["generator"].decoder[:2]
    assert not torch.equal(first.convolutions[0].weight, second.convolutions[0].weight)
    assert not torch.equal(first.convolutions[0].weight, first.convolutions[1].weight)


def test_initial_weights_are_kaiming_normal() -> None:
    net: Any = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(200, 50), nn.BatchNorm2d(3), InstanceNorm(2))
    nn.init.constant_(net[2].weight, 5)
    nn.init.constant_(net[3].bias, 5)
    net[2].running_mean.fill_(4)
    initialise({"net": net}, seed=0)
    assert net[0].weight.std().item() == pytest.approx(sqrt(2 / (16 * 9)), rel=0.05)
    assert net[1].weight.std().item() == pytest.approx(sqrt(2 / 200), rel=0.05)
    assert not net[0].bias.any()
    assert net[2].weight.tolist() == [1, 1, 1]
    assert net[3].bias.tolist() == [0, 0]
    assert not net[2].running_mean.any()


def test_weights_from_a_file_are_left_alone() -> None:
    net: Any = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    before = [layer.weight.clone() for layer in net]
    setattr(net, LOADED, frozenset({"0.weight", "0.bias"}))
    initialise({"net": net}, seed=0)
    assert torch.equal(net[0].weight, before[0])
    assert not torch.equal(net[1].weight, before[1])


def test_memory_format_survives_initialisation() -> None:
    generator: Any = SMALL.build(3, 32, 3)["generator"].to(memory_format=torch.channels_last)
    initialise({"generator": generator}, seed=1)
    weight = generator.encoder[0].convolutions[1].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(weight, small()["generator"].encoder[0].convolutions[1].weight)


def test_the_blueprint_survives_yaml(tmp_path: Path) -> None:
    spec = StarGANSpec(width=16, output=LogitResidual(strength=1.0), heads="shared")
    spec.write(tmp_path / "spec.yaml")
    assert StarGANSpec.read(tmp_path / "spec.yaml") == spec
