"""The networks have the published sizes and geometry, and the terms the published values."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from aliter.core.errors import CheckpointError, RequestError
from aliter.nets.blocks import initialise
from aliter.nets.dropout import Dropout, require_strength, sampled
from aliter.nets.patch import Discriminator, PatchSpec, Pool
from aliter.nets.pix2pixhd import EnhancerSpec, Pix2PixHDSpec
from aliter.ops.adversarial import feature_matching, least_squares
from aliter.train.plan import Fall

TINY = Pix2PixHDSpec(width=2, downs=4, blocks=1)


def without_norms(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(one for one in net if not isinstance(one, nn.InstanceNorm2d)))


def size(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize(
    ("width", "downs", "blocks", "expected"),
    [(64, 4, 9, 182_430_721), (32, 3, 6, 7_858_945), (16, 3, 4, 1_376_129), (16, 2, 4, 343_233)],
)
def test_generators_have_the_published_size(width: int, downs: int, blocks: int, expected: int) -> None:
    with torch.device("meta"):
        assert size(Pix2PixHDSpec(width=width, downs=downs, blocks=blocks).build(1, 1)) == expected


def test_the_enhancer_has_the_published_size() -> None:
    with torch.device("meta"):
        spec = Pix2PixHDSpec()
        trunk, local = spec.build(1, 1), EnhancerSpec().build(spec, 1, 1)
    assert size(local) == 261_697
    assert size(local) + size(trunk.features) == 182_689_281


@pytest.mark.parametrize(("scales", "width", "expected"), [(3, 32, 2_081_187), (2, 64, 5_527_426), (2, 16, 349_666)])
def test_discriminators_have_the_published_size(scales: int, width: int, expected: int) -> None:
    with torch.device("meta"):
        assert size(PatchSpec(width=width, scales=scales).build(2, 64)) == expected


@pytest.mark.parametrize(("side", "expected"), [(256, 256), (100, 112), (37, 48), (32, 32)])
def test_sides_are_rounded_up(side: int, expected: int) -> None:
    net = TINY.build(1, 1).eval()
    assert net(torch.zeros(1, 1, side, side)).shape == (1, 1, expected, expected)
    resized = TINY.model_copy(update={"upsample": "resize"}).build(1, 1)
    assert resized(torch.zeros(1, 1, side, side)).shape == (1, 1, expected, expected)


def test_images_that_are_too_small_are_refused() -> None:
    with pytest.raises(RequestError, match=r"expected sides of 17 pixels or more, found \(16, 16\)"):
        TINY.build(1, 1)(torch.zeros(1, 1, 16, 16))
    enhancer = EnhancerSpec().build(TINY, 1, 1)
    assert enhancer(torch.zeros(1, 1, 64, 64), TINY.build(1, 1)).shape == (1, 1, 64, 64)
    with pytest.raises(RequestError, match="sides that 32 divides"):
        enhancer(torch.zeros(1, 1, 48, 48), TINY.build(1, 1))


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (256, [[129, 65, 33, 34, 35], [65, 33, 17, 18, 19], [33, 17, 9, 10, 11]]),
        (512, [[257, 129, 65, 66, 67], [129, 65, 33, 34, 35], [65, 33, 17, 18, 19]]),
    ],
)
def test_maps_of_the_discriminator(side: int, expected: list[list[int]]) -> None:
    maps = PatchSpec(width=2, scales=3).build(2, side)(torch.zeros(1, 2, side, side))
    assert [[one.shape[-1] for one in scale] for scale in maps] == expected


@pytest.mark.parametrize(("scale", "expected"), [(0, 70), (1, 141), (2, 283)])
def test_what_a_logit_sees(scale: int, expected: int) -> None:
    net = PatchSpec(width=1, scales=3).build(1, 512)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.constant_(module.weight, 0.01)
            nn.init.constant_(module.bias, 1.0)
    plain = [[without_norms(layer) for layer in layers] for layers in net.scales]
    net.scales = nn.ModuleList(nn.Sequential(*layers) for layers in plain)
    x = torch.ones(1, 1, 512, 512, requires_grad=True)
    logits = net(x)[scale][-1]
    centre = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, centre, centre], x)
    rows = gradient[0, 0].abs().sum(1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == expected


def test_what_is_no_instance_norm_sees_165_pixels() -> None:
    net = Pix2PixHDSpec(width=1, downs=3, blocks=4, dropout=0.0).build(1, 1)
    plain = nn.Sequential(*without_norms(net.features), *list(net.head)[:2])
    for block in plain:
        if hasattr(block, "layers"):
            block.layers = without_norms(block.layers)
    for module in plain.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.constant_(module.weight, 0.05)
            nn.init.constant_(module.bias, 1.0)
    x = torch.ones(1, 1, 192, 192, dtype=torch.float64, requires_grad=True)
    image, seen = plain.double()(x), 0
    for at in range(92, 100):
        (gradient,) = torch.autograd.grad(image[0, 0, at, 96], x, retain_graph=True)
        rows = gradient[0, 0].abs().sum(1).nonzero()
        seen = max(seen, int(rows.max() - rows.min()) + 1)
    assert seen == 165


def scales(*values: list[float]) -> list[list[torch.Tensor]]:
    return [[torch.tensor(one).reshape(1, 1, 1, -1)] for one in values]


def test_least_squares_are_those_printed() -> None:
    real, fake = scales([0.9, 1.1, 0.8, 1.0], [0.5]), scales([0.2, -0.1, 0.4, 0.1], [0.3])
    assert float(least_squares(real, True)) == pytest.approx(0.265)
    assert float(least_squares(fake, False)) == pytest.approx(0.145)
    assert float(least_squares(real, True) + least_squares(fake, False)) / 2 == pytest.approx(0.205)
    assert float(least_squares(fake, True)) == pytest.approx(1.245)
    half = scales(*[[0.5]] * 3)
    assert float(least_squares(half, True)) == float(least_squares(half, False)) == pytest.approx(3 / 4)


def test_features_are_weighted_as_in_the_published_code() -> None:
    rng = torch.Generator().manual_seed(0)
    maps = [[torch.randn(2, 3, 4, 4, generator=rng) for _ in range(5)] for _ in range(3)]
    other = [[torch.randn(2, 3, 4, 4, generator=rng) for _ in range(5)] for _ in range(3)]
    slow = sum(
        (4 / 4) * (1 / 3) * float((a - b).abs().mean())
        for one, two in zip(maps, other, strict=True)
        for a, b in zip(one[:4], two[:4], strict=True)
    )
    assert float(feature_matching(maps, other)) == pytest.approx(slow)


def test_draws_scatter_as_the_closed_form_says() -> None:
    """Of y = sum w x m / (1 - p) with p = 0.2."""
    x, p, draws = torch.tensor([2.0, 1.0, -1.0, 4.0]), 0.2, 200_000
    weights = torch.tensor([[1.0, -2.0, 3.0, 0.5], [0.0, 1.0, 1.0, -1.0]])
    site = Dropout(p)
    torch.manual_seed(0)
    y = (site(x.expand(draws, 4)) @ weights.T).double().numpy()
    assert y.mean(0) == pytest.approx((weights @ x).numpy(), abs=0.02)
    assert y[:, 0].mean() == pytest.approx(-1, abs=0.02)
    covariance = np.cov(y.T)
    assert covariance[0, 0] == pytest.approx(5.25, abs=0.05)
    assert covariance[1, 1] == pytest.approx(4.5, abs=0.05)
    assert covariance[0, 1] == pytest.approx(-1.75, abs=0.05)


def test_only_dropout_is_awake_when_a_network_is_sampled() -> None:
    spec = Pix2PixHDSpec(width=4, downs=1, blocks=2, norm="batch")
    net = spec.build(1, 1).eval()
    initialise({"net": net}, 0)
    x = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    with sampled(net), torch.no_grad():
        modes = {type(module).__name__: module.training for module in net.modules()}
        assert modes["Dropout"]
        assert not modes["BatchNorm"]
        torch.manual_seed(3)
        draws = [net(x) for _ in range(2)]
        torch.manual_seed(3)
        assert torch.equal(net(x), draws[0])
    assert not torch.equal(*draws)
    with torch.no_grad():
        assert torch.equal(net(x), net(x))
    still = spec.model_copy(update={"dropout": 0.0}).build(1, 1).eval()
    with sampled(still), torch.no_grad():
        assert torch.equal(still(x), still(x))


def test_another_strength_than_was_learned_is_refused() -> None:
    learned = Pix2PixHDSpec(width=4, downs=1, blocks=1, dropout=0.5).build(1, 1)
    net = Pix2PixHDSpec(width=4, downs=1, blocks=1, dropout=0.2).build(1, 1)
    require_strength(net, 0.2)
    net.load_state_dict(learned.state_dict())
    with pytest.raises(CheckpointError, match=r"learned with dropout 0.2, found 0.5"):
        require_strength(net, 0.2)


def test_a_pool_shows_the_past_half_of_the_time() -> None:
    pool, rng = Pool(4, 1, 2), np.random.default_rng(0)
    for number in range(4):
        one = torch.full((1, 1, 2, 2), float(number))
        assert torch.equal(pool(one, rng), one)
    shown = [float(pool(torch.full((1, 1, 2, 2), float(number)), rng)[0, 0, 0, 0]) for number in range(4, 404)]
    old = np.array(shown) != np.arange(4, 404)
    assert 0.4 < old.mean() < 0.6
    assert (np.array(shown)[old] < np.arange(4, 404)[old]).all()
    assert isinstance(PatchSpec(width=2, pool=0).build(2, 8), Discriminator)


@pytest.mark.parametrize(("epoch", "expected"), [(1, 2e-4), (101, 2e-4), (102, 1.98e-4), (150, 1.02e-4), (200, 2e-6)])
def test_rates_fall_as_published(epoch: int, expected: float) -> None:
    fall = Fall(after=100, over=100, epoch=7)
    for step in ((epoch - 1) * 7, epoch * 7 - 1):
        assert 2e-4 * fall.factor(step) == pytest.approx(expected)
    assert fall.factor(10_000) == 0


def test_halving_leaves_out_what_is_beyond_the_border() -> None:
    from aliter.nets.pix2pixhd import halved

    assert torch.equal(halved(torch.ones(1, 1, 5, 5)), torch.ones(1, 1, 3, 3))
    assert torch.equal(halved(torch.ones(1, 1, 4, 4)), F.avg_pool2d(torch.ones(1, 1, 4, 4), 2))
