"""Attribution against closed forms, slow twins and another implementation."""

import warnings
from collections.abc import Callable, Iterator
from math import pi, sqrt
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from jaxtyping import Float
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.core.probe import Answer
from aliter.methods.attribution import integrated_gradients
from aliter.methods.attribution.deep_lift import DeepLift
from aliter.methods.attribution.discriminative_grad_cam import DiscriminativeGradCAM
from aliter.methods.attribution.discriminative_guided_grad_cam import DiscriminativeGuidedGradCAM
from aliter.methods.attribution.grad_cam import GradCAM
from aliter.methods.attribution.gradient_difference import GradientDifference
from aliter.methods.attribution.guided_grad_cam import GuidedGradCAM
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.normalise import completeness, normalised
from aliter.methods.attribution.random import Random
from aliter.methods.attribution.residual import Residual

ACTIVATIONS = (
    nn.ReLU(),
    nn.ReLU(inplace=True),
    nn.ReLU6(),
    nn.LeakyReLU(0.2, inplace=True),
    nn.PReLU(),
    nn.ELU(),
    nn.CELU(),
    nn.SELU(),
    nn.GELU(),
    nn.SiLU(inplace=True),
    nn.Mish(),
    nn.Softplus(),
    nn.Softsign(),
    nn.Sigmoid(),
    nn.LogSigmoid(),
    nn.Tanh(),
    nn.Hardtanh(),
    nn.Hardswish(),
    nn.Hardsigmoid(),
    nn.Threshold(0.1, 0.1),
)


class Shown:
    """A probe of any function to logits."""

    hookable: str | None = None

    def __init__(self, net: Any) -> None:
        self.module = net

    def answer(self, target: int) -> Answer:
        return lambda x: self.module(x)[:, target]

    def scores(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        logits: Tensor = self.module(x)
        return logits.softmax(1)

    def activations(self, x: Float[Tensor, "B C *space"], layer: str) -> Float[Tensor, "B D *grid"]:
        raise NotImplementedError


class Layers(nn.Module):
    """A network as a function of its named layers."""

    def __init__(self, run: Callable[[Any, Tensor], Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.run = run

    def forward(self, x: Tensor) -> Tensor:
        return self.run(self, x)


def images(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def row(*values: float) -> Tensor:
    """Return one image of one channel."""
    return torch.tensor([[list(values)]], dtype=torch.float32)


def plain(*bends: nn.Module, channels: int = 2) -> nn.Sequential:
    """Return a network of convolutions with ``bends`` between them."""
    torch.manual_seed(3)
    layers: list[nn.Module] = []
    for bend in bends:
        layers += [nn.Conv2d(channels, 5, 3, padding=1), bend]
        channels = 5
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)).eval()


def gap(probe: Shown, x: Tensor, baseline: Tensor, target: int) -> Tensor:
    with torch.no_grad():
        return probe.answer(target)(x) - probe.answer(target)(baseline)


@pytest.fixture
def captum() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from captum import attr

        yield attr


def kink() -> nn.Module:
    """Return relu(2 a + b - 1)."""
    line = nn.Linear(2, 1)
    line.load_state_dict({"weight": torch.tensor([[2.0, 1.0]]), "bias": torch.tensor([-1.0])})
    return nn.Sequential(nn.Flatten(), line, nn.ReLU()).eval()


def test_three_ways_past_one_kink() -> None:
    probe, x, zero = Shown(kink()), row(1, 1), row(0, 0)
    torch.testing.assert_close(DeepLift()(probe, x, zero, 0), row(4 / 3, 2 / 3), rtol=0, atol=1e-6)
    torch.testing.assert_close(GradientDifference()(probe, x, zero, 0), row(2, 1), rtol=0, atol=1e-6)
    torch.testing.assert_close(IntegratedGradients()(probe, x, zero, 0), row(4 / 3, 2 / 3), rtol=0, atol=0.03)
    many = IntegratedGradients(steps=1000)(probe, x, zero, 0)
    torch.testing.assert_close(many, row(4 / 3, 2 / 3), rtol=0, atol=2e-3)


def scripted(net: nn.Module) -> torch.jit.ScriptModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made: torch.jit.ScriptModule = torch.jit.script(net)
        return made


def test_a_scripted_network_never_turns_deep_lift_into_the_gradient() -> None:
    probe = Shown(scripted(kink()))
    with pytest.raises(RequestError, match=r"deep_lift expected maps that sum .* use integrated_gradients"):
        DeepLift()(probe, row(1, 1), row(0, 0), 0)
    probe.hookable = "a scripted network bears no hooks"
    with pytest.raises(RequestError, match="a scripted network bears no hooks; use integrated_gradients"):
        DeepLift()(probe, row(1, 1), row(0, 0), 0)


def test_a_scripted_network_is_refused_where_no_hook_ran() -> None:
    probe, x, baseline = Shown(scripted(plain(nn.ReLU()))), images(2, 2, 6, 6), images(2, 2, 6, 6, seed=2)
    for method in (GradCAM(), DiscriminativeGradCAM(), GuidedGradCAM(), DiscriminativeGuidedGradCAM()):
        with pytest.raises(RequestError, match=r"found (none|1 applied as functions)"):
            method(probe, x, baseline, 0)


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_integrated_gradients_of_a_quadratic_are_exact(steps: int) -> None:
    x, baseline, weight = images(3, 2, 4, 5), images(3, 2, 4, 5, seed=2), images(40, 40, seed=3)
    weight = weight + weight.T

    def quadratic(x: Tensor) -> Tensor:
        rows = x.flatten(1)
        return ((rows @ weight) * rows).sum(1, keepdim=True)

    middle = ((x + baseline).flatten(1) @ weight).view_as(x)
    found = IntegratedGradients(steps=steps)(Shown(quadratic), x, baseline, 0)
    torch.testing.assert_close(found, (x - baseline) * middle, rtol=1e-5, atol=1e-5)


def test_integrated_gradients_of_an_exponential() -> None:
    x, baseline = images(2, 1, 3, 3), images(2, 1, 3, 3, seed=2)
    found = IntegratedGradients()(Shown(lambda x: x.exp().flatten(1).sum(1, keepdim=True)), x, baseline, 0)
    torch.testing.assert_close(found, x.exp() - baseline.exp(), rtol=0, atol=1e-6)


def test_integrated_gradients_bound_the_images_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x, baseline, sizes = plain(nn.ReLU(), nn.Tanh()), images(3, 2, 6, 6), images(3, 2, 6, 6, seed=2), []
    whole = IntegratedGradients()(Shown(net), x, baseline, 1)
    monkeypatch.setattr(integrated_gradients, "_PIXELS", 7 * 36 + 5)
    net.register_forward_pre_hook(lambda module, inputs: sizes.append(len(inputs[0])))
    torch.testing.assert_close(IntegratedGradients()(Shown(net), x, baseline, 1), whole, rtol=1e-5, atol=1e-7)
    assert sizes == 3 * [7, 7, 7, 7, 7, 7, 7, 1]
    monkeypatch.setattr(integrated_gradients, "_PIXELS", 1)
    torch.testing.assert_close(IntegratedGradients()(Shown(net), x, baseline, 1), whole, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("steps", [5, 50])
def test_integrated_gradients_agree_with_captum(captum: Any, steps: int) -> None:
    net, x, baseline = plain(nn.ReLU(), nn.Sigmoid()), images(3, 2, 6, 6), images(3, 2, 6, 6, seed=2)
    theirs = captum.IntegratedGradients(net).attribute(x, baseline, target=1, n_steps=steps)
    torch.testing.assert_close(IntegratedGradients(steps=steps)(Shown(net), x, baseline, 1), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bends", [(nn.ReLU(),), (nn.ReLU(), nn.Tanh()), (nn.LeakyReLU(0.2), nn.ELU(), nn.Sigmoid())])
def test_deep_lift_agrees_with_captum_where_there_are_no_maxima(captum: Any, bends: tuple[nn.Module, ...]) -> None:
    net, x, baseline = plain(*bends), images(3, 2, 6, 6), images(3, 2, 6, 6, seed=2)
    theirs = captum.DeepLift(net).attribute(x.clone(), baseline.clone(), target=1)
    torch.testing.assert_close(DeepLift()(Shown(net), x, baseline, 1), theirs, rtol=0, atol=1e-6)


def test_gradient_difference_from_zero_is_input_times_gradient(captum: Any) -> None:
    net, x = plain(nn.ReLU(), nn.Tanh()), images(3, 2, 6, 6)
    theirs = captum.InputXGradient(net).attribute(x.clone(), target=1).detach()
    torch.testing.assert_close(GradientDifference()(Shown(net), x, x * 0, 1), theirs, rtol=0, atol=1e-6)


def test_cams_agree_with_captum(captum: Any) -> None:
    net, x = plain(nn.ReLU(), nn.ReLU()), images(3, 2, 6, 6)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs = captum.LayerGradCam(net, net[2]).attribute(x.clone(), target=1).detach()
    torch.testing.assert_close(GradCAM()(Shown(net), x, x, 1), theirs.expand_as(x), rtol=0, atol=1e-6)
    guided = captum.GuidedGradCam(net, net[2]).attribute(x.clone(), target=0, interpolate_mode="bilinear").detach()
    assert guided.abs().max() > 1e-2
    torch.testing.assert_close(GuidedGradCAM()(Shown(net), x, x, 0), guided, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", [IntegratedGradients(), DeepLift()], ids=lambda method: method.kind)
def test_both_directions_of_the_discriminative_forms(method: IntegratedGradients | DeepLift) -> None:
    probe, x, other = Shown(plain(nn.Tanh(), nn.Sigmoid())), images(2, 2, 6, 6), images(2, 2, 6, 6, seed=2)
    source, target = 0, 2
    forward, backward = method(probe, x, other, source), method(probe, other, x, target)
    torch.testing.assert_close(forward.flatten(1).sum(1), gap(probe, x, other, source), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(backward.flatten(1).sum(1), gap(probe, other, x, target), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(method(probe, other, x, source), -forward, rtol=1e-4, atol=1e-6)
    assert not torch.allclose(forward, backward, atol=1e-4)


def test_gradient_difference_reads_the_gradient_at_the_query() -> None:
    probe = Shown(lambda x: (x**3).flatten(1).sum(1, keepdim=True))
    x, other = row(2, -1), row(1, 1)
    torch.testing.assert_close(GradientDifference()(probe, x, other, 0), row(12, -6))
    torch.testing.assert_close(GradientDifference()(probe, other, x, 0), row(-3, 6))


@pytest.mark.parametrize("bend", ACTIVATIONS, ids=str)
def test_deep_lift_takes_the_secant_of_every_activation(bend: nn.Module) -> None:
    weight, x, baseline = images(1, 1, 6), images(4, 1, 6, seed=2), images(4, 1, 6, seed=3)
    probe = Shown(Layers(lambda net, x: net.bend(3 * x * weight).sum(2), bend=bend).eval())
    found = DeepLift()(probe, x, baseline, 0)
    with torch.no_grad():
        torch.testing.assert_close(found, bend(3 * x * weight) - bend(3 * baseline * weight), rtol=1e-5, atol=1e-6)
    summed = Shown(Layers(lambda net, x: net.bend((x * weight).sum(2)), bend=bend).eval())
    share = (x - baseline) * weight / ((x - baseline) * weight).sum(2, keepdim=True)
    expected = share * gap(summed, x, baseline, 0)[:, None, None]
    torch.testing.assert_close(DeepLift()(summed, x, baseline, 0), expected, rtol=1e-4, atol=1e-6)


def test_deep_lift_gives_the_change_of_a_maximum_to_the_greater_one() -> None:
    maximum = Shown(Layers(lambda net, x: net.pool(x).sum(2), pool=nn.MaxPool1d(2)).eval())
    torch.testing.assert_close(DeepLift()(maximum, row(3, 1), row(0, 2), 0), row(1, 0))
    torch.testing.assert_close(DeepLift()(maximum, row(0, 2), row(3, 1), 0), row(-1, 0))
    torch.testing.assert_close(DeepLift()(maximum, row(2, 2), row(2, 0), 0), row(0, 0))
    overlapping = Shown(Layers(lambda net, x: net.pool(x) @ row(10, 1)[0, 0], pool=nn.MaxPool1d(2, 1)).eval())
    torch.testing.assert_close(DeepLift()(overlapping, row(1, 5, 2), row(0, 0, 0), 0), row(0, 55, 0))


@pytest.mark.parametrize("bend", [nn.MaxPool1d(2), nn.Tanh()], ids=str)
def test_deep_lift_follows_the_gradient_where_changes_cancel(bend: nn.Module) -> None:
    def run(net: Any, x: Tensor) -> Tensor:
        total = x.sum(2, keepdim=True)
        logits: Tensor = net.bend(torch.cat([total, total * 0 - 10], 2)).sum(2)
        return logits

    probe = Shown(Layers(run, bend=bend).eval())
    torch.testing.assert_close(DeepLift()(probe, row(1, -1), row(0, 0), 0), row(1, -1))


@pytest.mark.parametrize(
    "pool", [nn.MaxPool2d(2), nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(2, 1, dilation=2), nn.MaxPool2d(2, ceil_mode=True)]
)
def test_deep_lift_is_complete_past_maxima(pool: nn.Module) -> None:
    probe, x = Shown(plain(nn.ReLU(inplace=True), pool, nn.ReLU())), images(3, 2, 9, 9)
    baseline = images(3, 2, 9, 9, seed=2)
    baseline[:, :, :4] = x[:, :, :4]
    found = DeepLift()(probe, x, baseline, 1)
    torch.testing.assert_close(found.flatten(1).sum(1), gap(probe, x, baseline, 1), rtol=1e-4, atol=1e-6)
    assert found[:, :, :4].abs().max() == 0


def test_deep_lift_is_complete_where_a_module_runs_twice() -> None:
    torch.manual_seed(3)
    first, second = nn.Linear(6, 9), nn.Linear(9, 9)

    def run(net: Any, x: Tensor) -> Tensor:
        logits: Tensor = net.bend(net.second(net.bend(net.first(x.flatten(1)))))
        return logits

    probe = Shown(Layers(run, bend=nn.ReLU(), first=first, second=second).eval())
    x, baseline = images(4, 1, 6), images(4, 1, 6, seed=2)
    found = DeepLift()(probe, x, baseline, 0).flatten(1).sum(1)
    torch.testing.assert_close(found, gap(probe, x, baseline, 0), rtol=1e-4, atol=1e-6)


def test_a_bend_that_is_a_function_is_refused_not_ignored() -> None:
    torch.manual_seed(3)
    body = nn.Conv2d(2, 4, 3, padding=1)
    probe = Shown(Layers(lambda net, x: F.relu(net.body(x)).mean((2, 3)), body=body).eval())
    x, baseline = images(3, 2, 6, 6), images(3, 2, 6, 6, seed=2)
    with pytest.raises(RequestError, match="deep_lift expected maps that sum to the change of the answer"):
        DeepLift()(probe, x, baseline, 0)
    for method in (GuidedGradCAM(), DiscriminativeGuidedGradCAM()):
        with pytest.raises(RequestError, match=r"expected ReLUs that are modules.* found 1 applied as functions"):
            method(probe, x, baseline, 0)
    mixed = Shown(
        Layers(lambda net, x: net.bend(F.relu(net.body(x)) - 0.1).mean((2, 3)), body=body, bend=nn.ReLU()).eval()
    )
    with pytest.raises(RequestError, match=r"expected ReLUs that are modules.* found 1 applied as functions"):
        GuidedGradCAM()(mixed, x, baseline, 0)
    smooth = Shown(plain(nn.Tanh()))
    with pytest.raises(RequestError, match=r"expected ReLUs that are modules.* found none"):
        GuidedGradCAM()(smooth, x, baseline, 0)


def cam_net(after: nn.Module) -> nn.Module:
    """Return a network whose last convolution is not the last that it holds, and is followed by a gate."""
    torch.manual_seed(3)

    def run(net: Any, x: Tensor) -> Tensor:
        h = net.last(net.first(x))
        gate = net.gate(h.mean((2, 3), keepdim=True))
        logits: Tensor = net.head((net.after(h) * gate.sigmoid()).mean((2, 3)))
        return logits

    last, first = nn.Conv2d(4, 5, 3, stride=2, padding=1), nn.Conv2d(2, 4, 3, padding=1)
    return Layers(run, last=last, gate=nn.Conv2d(5, 5, 1), first=first, after=after, head=nn.Linear(5, 3)).eval()


def looked_at(net: Any, x: Tensor, target: int) -> tuple[Tensor, Tensor]:
    """Return the last maps of ``cam_net`` and the gradient there, by hand."""
    maps = net.last(net.first(x)).detach().requires_grad_()
    gate = net.gate(maps.mean((2, 3), keepdim=True))
    score = net.head((F.relu(maps) * gate.sigmoid()).mean((2, 3)))[:, target].sum()
    return maps.detach(), torch.autograd.grad(score, maps)[0]


@pytest.mark.parametrize("after", [nn.ReLU(), nn.ReLU(inplace=True)], ids=str)
@pytest.mark.parametrize("layer", [None, "last"])
def test_grad_cam_is_its_plain_loop(after: nn.Module, layer: str | None) -> None:
    net, x = cam_net(after), images(2, 2, 7, 6)
    maps, gradient = looked_at(net, x, 1)
    cam = sum(gradient[:, k].mean((1, 2))[:, None, None] * maps[:, k] for k in range(5))
    assert isinstance(cam, Tensor)
    fine = F.interpolate(cam[:, None], (7, 6), mode="bilinear", align_corners=False).expand_as(x)
    torch.testing.assert_close(GradCAM(layer=layer)(Shown(net), x, x * 0, 1), fine, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("after", [nn.ReLU(), nn.ReLU(inplace=True)], ids=str)
def test_discriminative_grad_cam_is_its_plain_loop(after: nn.Module) -> None:
    net, x, other = cam_net(after), images(2, 2, 7, 6), images(2, 2, 7, 6, seed=2)
    (maps, gradient), (others, _) = looked_at(net, x, 1), looked_at(net, other, 1)
    expected = torch.zeros(2, 1, 7, 6)
    for k in range(5):
        part = (gradient[:, k] * (maps[:, k] - others[:, k]))[:, None]
        expected += F.interpolate(part, (7, 6), mode="bilinear", align_corners=False)
    found = DiscriminativeGradCAM()(Shown(net), x, other, 1)
    torch.testing.assert_close(found, expected.expand_as(x), rtol=1e-5, atol=1e-7)


def test_discriminative_guided_grad_cam_is_the_product(captum: Any) -> None:
    net, x, other = plain(nn.ReLU(), nn.ReLU()), images(2, 2, 6, 6), images(2, 2, 6, 6, seed=2)
    guided = captum.GuidedBackprop(net).attribute(x.clone(), target=2).detach()
    expected = guided * DiscriminativeGradCAM()(Shown(net), x, other, 2)
    assert expected.abs().max() > 1e-4
    torch.testing.assert_close(DiscriminativeGuidedGradCAM()(Shown(net), x, other, 2), expected, rtol=0, atol=1e-6)


def test_a_layer_without_maps_is_refused() -> None:
    net, x = cam_net(nn.ReLU()), images(2, 2, 7, 6)
    with pytest.raises(RequestError, match="found 'lost', which this network lacks; did you mean 'last'"):
        GradCAM(layer="lost")(Shown(net), x, x, 1)
    with pytest.raises(RequestError, match="expected a layer that runs and gives 2-D maps"):
        GradCAM(layer="head")(Shown(net), x, x, 1)
    flat = Shown(nn.Sequential(nn.Flatten(), nn.Linear(84, 3)).eval())
    with pytest.raises(RequestError, match="expected a network with a convolution, found none"):
        GradCAM()(flat, x, x, 1)


def test_an_answer_without_gradient_is_refused() -> None:
    probe, x = Shown(lambda x: x.detach().flatten(1)), images(2, 1, 4)
    for method in (IntegratedGradients(), GradientDifference()):
        with pytest.raises(RequestError, match="expected an answer that can be differentiated"):
            method(probe, x, x, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_residual_is_the_signed_difference(channels: int) -> None:
    x, baseline = images(2, channels, 4, 5), images(2, channels, 4, 5, seed=2)
    found = Residual()(Shown(None), x, baseline, 0)
    assert torch.equal(found, x - baseline)
    stretched = normalised(found)
    assert stretched.flatten(1).amax(1).tolist() == [1, 1]
    for one, difference in zip(stretched, (x - baseline).abs(), strict=True):
        low, high = difference.min(), difference.max()
        torch.testing.assert_close(one, (difference - low) / (high - low))


def test_random_is_a_function_of_the_image() -> None:
    x, probe, method = images(3, 2, 9, 8), Shown(None), Random()
    found = method(probe, x, x * 0, 0)
    assert torch.equal(method(probe, x.clone(), x, 2), found)
    assert torch.equal(method(probe, x.flip(0), x, 0), found.flip(0))
    assert not torch.allclose(found[0], found[1])
    changed = x.clone()
    changed[0, 0, 0, 0] += 1e-3
    assert not torch.allclose(method(probe, changed, x, 0)[0], found[0])
    zero = torch.zeros(1, 1, 4, 4)
    assert torch.equal(method(probe, zero, zero, 0), method(probe, -zero, zero, 0))
    wide = zero.view(1, 1, 2, 8)
    assert not torch.allclose(
        Random(sigma_px=0)(probe, wide, wide, 0).flatten(), Random(sigma_px=0)(probe, zero, zero, 0).flatten()
    )


def test_random_is_a_smoothed_half_normal() -> None:
    x, probe = images(1, 2, 200, 150), Shown(None)
    raw = Random(sigma_px=0)(probe, x, x, 0)
    assert raw.min() >= 0
    assert raw.mean() == pytest.approx(sqrt(2 / pi), abs=0.01)
    assert raw.std() == pytest.approx(sqrt(1 - 2 / pi), abs=0.01)
    smooth = Random()(probe, x, x, 0)
    for channel in range(2):
        expected = gaussian_filter(raw[0, channel].double().numpy(), 4)
        np.testing.assert_allclose(smooth[0, channel].numpy(), expected, atol=1e-5)


def test_normalised_maps_are_stretched_image_by_image() -> None:
    maps = torch.tensor([[[-4.0, 1.0], [2.0, 3.0]], [[5.0, 5.0], [-5.0, 5.0]], [[0.0, 0.0], [0.0, 1e-30]]])
    expected = torch.tensor([[[1.0, 0.0], [1 / 3, 2 / 3]], [[0.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 1.0]]])
    torch.testing.assert_close(normalised(maps), expected)
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(DataError, match="expected a finite attribution"):
            normalised(maps.clone().fill_(wrong))


def test_completeness_is_the_share_of_the_change_that_is_missing() -> None:
    maps = torch.tensor([[[1.0, 2.0]], [[1.0, -1.0]], [[2.0, 0.0]], [[1.0, -1.0]]])
    found = completeness(maps, torch.tensor([4.0, -2.0, 0.0, 0.0]))
    assert found.tolist() == [0.25, 1.0, float("inf"), 0.0]
