"""Laws of the attribution family: every method, present and future, on networks of every shape."""

import gc
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from jaxtyping import Float, TypeCheckError
from torch import Tensor, nn

from aliter.core.errors import RequestError
from aliter.core.probe import Answer, Layered, Probe
from aliter.core.spec import Spec
from aliter.methods.attribution import METHODS, Attribution, examples, promising
from aliter.methods.attribution.normalise import completeness, normalised

CONVOLUTION = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TOLERANCE = 5e-3
POOL = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Bend(nn.Module):
    """A small network that bends: rectifiers that overwrite, overlapping maxima, a shortcut."""

    def __init__(self, channels: int, axes: int, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.stem = CONVOLUTION[axes](channels, 6, 3, padding=1)
        self.first = nn.ReLU(inplace=True)
        self.pool = POOL[axes](3, 2, 1)
        self.body = CONVOLUTION[axes](6, 6, 3, padding=1)
        self.norm = nn.BatchNorm1d(6) if axes == 1 else nn.BatchNorm2d(6) if axes == 2 else nn.BatchNorm3d(6)
        self.last = nn.ReLU()
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.pool(self.first(self.stem(x)))
        h = self.last(self.norm(self.body(h)) + h)
        logits: Tensor = self.head(self.drop(h.flatten(2).mean(2)))
        return logits


class Bare:
    """The least that is a probe."""

    hookable: str | None = None

    def __init__(self, net: nn.Module) -> None:
        self._net = net

    def answer(self, target: int) -> Answer:
        return lambda x: self._net(x)[:, target]

    def scores(self, x: Float[Tensor, "B C *space"]) -> Float[Tensor, "B K"]:
        logits: Tensor = self._net(x)
        return logits.softmax(1)

    def activations(self, x: Float[Tensor, "B C *space"], layer: str) -> Float[Tensor, "B D *grid"]:
        raise NotImplementedError


class Shown(Bare):
    """A probe that shows its network."""

    @property
    def module(self) -> nn.Module:
        return self._net


class Closed(Shown):
    """A probe that warns of hooks."""

    hookable = "its layers run as one compiled block"


class Broken(nn.Module):
    """Runs a network, then fails."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        self.net(x)
        raise ValueError("broken")


def bend(channels: int = 2, axes: int = 2) -> Shown:
    return Shown(Bend(channels, axes).eval())


def pair(channels: int = 2, axes: int = 2, count: int = 3) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(7)
    x = torch.rand((count, channels, *(9, 8, 7)[:axes]), generator=draw) * 2 - 1
    return x, torch.rand(x.shape, generator=draw) * 2 - 1


def kind(method: Attribution) -> str:
    return method.kind


def called(method: Attribution, probe: Probe, x: Tensor, baseline: Tensor) -> Tensor | str:
    """Return the map, or the sentence of a refusal."""
    try:
        return method(probe, x, baseline, 1)
    except RequestError as error:
        return str(error)


every = pytest.mark.parametrize("method", examples(), ids=kind)


def test_examples_hold_every_method_once() -> None:
    assert tuple(type(method) for method in examples()) == METHODS
    assert len({method.kind for method in examples()}) == len(METHODS)
    assert isinstance(bend(), Layered)
    assert not isinstance(Bare(Bend(2, 2)), Layered)


@pytest.mark.parametrize("method", promising("discriminative"), ids=kind)
def test_equal_images_get_no_attribution(method: Attribution) -> None:
    x, _ = pair()
    attribution = method(bend(), x, x.clone(), 0)
    assert attribution.abs().max() == 0
    assert normalised(attribution).abs().max() == 0


@every
def test_only_what_promises_it_is_discriminative(method: Attribution) -> None:
    x, _ = pair()
    assert (method(bend(), x, x, 0).abs().max() == 0) == method.discriminative


def missing(method: Attribution, target: int, axes: int) -> Tensor:
    """Return what the sums miss, as a share of their terms: the change itself may happen to be small."""
    probe, (x, baseline) = bend(axes=axes), pair(axes=axes)
    gap = (probe.answer(target)(x) - probe.answer(target)(baseline)).detach()
    attribution = method(probe, x, baseline, target)
    return completeness(attribution, gap) * gap.abs() / attribution.flatten(1).abs().sum(1)


@pytest.mark.parametrize("method", promising("complete"), ids=kind)
@pytest.mark.parametrize("target", [0, 2])
@pytest.mark.parametrize("axes", [1, 2, 3])
def test_complete_maps_sum_to_the_change_of_the_answer(method: Attribution, target: int, axes: int) -> None:
    assert missing(method, target, axes).max() < TOLERANCE


@pytest.mark.parametrize("method", [method for method in examples() if not method.complete], ids=kind)
def test_what_does_not_promise_completeness_lacks_it(method: Attribution) -> None:
    assert missing(method, target=0, axes=2).max() > TOLERANCE


@every
@pytest.mark.parametrize(("channels", "axes"), [(1, 2), (2, 2), (3, 2), (5, 2), (1, 3), (2, 3), (2, 1)])
def test_maps_have_the_shape_of_the_image_and_are_finite(method: Attribution, channels: int, axes: int) -> None:
    x, baseline = pair(channels, axes)
    attribution = method(bend(channels, axes), x, baseline, 1)
    assert attribution.shape == x.shape
    assert attribution.dtype == torch.float32
    assert not attribution.requires_grad
    assert attribution.isfinite().all()
    stretched = normalised(attribution)
    assert stretched.flatten(1).amin(1).tolist() == [0, 0, 0]
    constant = attribution.abs().flatten(1).amin(1) == attribution.abs().flatten(1).amax(1)
    assert stretched.flatten(1).amax(1).tolist() == (~constant).float().tolist()


@every
def test_half_precision_images_get_float32_maps(method: Attribution) -> None:
    x, baseline = (image.half() for image in pair())
    attribution = method(bend(), x, baseline, 1)
    assert attribution.dtype == torch.float32
    assert torch.equal(attribution, method(bend(), x.float(), baseline.float(), 1))


@every
def test_a_map_does_not_depend_on_the_rest_of_its_batch(method: Attribution) -> None:
    probe, (x, baseline) = bend(), pair(count=5)
    together = method(probe, x, baseline, 1)
    alone = torch.cat([method(probe, x[i : i + 1], baseline[i : i + 1], 1) for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    backwards = method(probe, x.flip(0), baseline.flip(0), 1).flip(0)
    torch.testing.assert_close(together, backwards, rtol=1e-5, atol=1e-6)


@every
def test_the_same_call_gives_the_same_map(method: Attribution) -> None:
    x, baseline = pair()
    first = method(bend(), x, baseline, 1)
    torch.manual_seed(99)
    assert torch.equal(first, method(bend(), x, baseline, 1))


@every
def test_the_surroundings_of_a_call_do_not_matter(method: Attribution) -> None:
    probe, (x, baseline) = bend(), pair()
    plain = method(probe, x, baseline, 1)
    with torch.no_grad():
        assert torch.equal(plain, method(probe, x, baseline, 1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(plain, method(probe, x, baseline, 1))
    with torch.inference_mode():
        assert torch.equal(plain, method(probe, x.clone(), baseline.clone(), 1))
    assert torch.equal(plain, method(probe, x.clone().requires_grad_(), baseline, 1))


@every
def test_a_frozen_network_gives_the_same_map(method: Attribution) -> None:
    probe, (x, baseline) = bend(), pair()
    plain = method(probe, x, baseline, 1)
    probe.module.requires_grad_(False)
    torch.testing.assert_close(plain, method(probe, x, baseline, 1), rtol=1e-5, atol=1e-6)


def trace(module: nn.Module) -> list[object]:
    """Return all that a method could leave behind in ``module``, values apart."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [
        (part.training, sorted(vars(part)), *(len(getattr(part, hook)) for hook in hooks)) for part in module.modules()
    ]


@every
def test_images_and_network_are_left_as_they_were(method: Attribution) -> None:
    probe, (x, baseline) = bend(), pair()
    for number, parameter in enumerate(probe.module.parameters()):
        parameter.grad = torch.full_like(parameter, number)
    images = x.clone(), baseline.clone()
    state = {name: value.clone() for name, value in probe.module.state_dict().items()}
    gradients = [parameter.grad.clone() for parameter in probe.module.parameters() if parameter.grad is not None]
    before, random = trace(probe.module), torch.get_rng_state()
    method(probe, x, baseline, 1)
    assert trace(probe.module) == before
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.equal(x, images[0])
    assert torch.equal(baseline, images[1])
    assert x.grad is None
    assert not x.requires_grad
    assert all(torch.equal(value, state[name]) for name, value in probe.module.state_dict().items())
    for parameter, gradient in zip(probe.module.parameters(), gradients, strict=True):
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)


@every
def test_no_hook_outlives_an_error(method: Attribution) -> None:
    probe, (x, baseline) = Shown(Broken(Bend(2, 2)).eval()), pair()
    before = trace(probe.module)
    if method.kind in ("residual", "random"):
        method(probe, x, baseline, 1)
    else:
        with pytest.raises(ValueError, match="broken"):
            method(probe, x, baseline, 1)
    assert trace(probe.module) == before


@every
@pytest.mark.parametrize("make", [bend, lambda: Shown(Broken(Bend(2, 2)).eval())], ids=["sound", "broken"])
def test_calls_leave_no_tensor_behind(method: Attribution, make: Callable[[], Shown]) -> None:
    probe, (x, baseline) = make(), pair()
    seen: list[weakref.ref[Tensor]] = []
    for layer in probe.module.modules():
        layer.register_forward_hook(lambda module, inputs, output: seen.append(weakref.ref(output)))
    gc.collect()
    # Without the collector a cycle stays, too: what waits for it can fill the memory of a device.
    gc.disable()
    try:
        for _ in range(2):
            with suppress(ValueError):
                method(probe, x, baseline, 1)
        assert [one for one in seen if one() is not None] == []
    finally:
        gc.enable()
    assert bool(seen) == (method.kind not in ("residual", "random"))


@every
def test_where_hooks_would_be_wrong_a_method_is_the_same_or_refuses(method: Attribution) -> None:
    net, (x, baseline) = Bend(2, 2).eval(), pair()
    right = method(Shown(net), x, baseline, 1)
    for probe, reason in ((Closed(net), "its layers run as one compiled block"), (Bare(net), "found Bare without one")):
        found = called(method, probe, x, baseline)
        if isinstance(found, str):
            assert reason in found
            assert found.startswith(method.kind)
            assert "use integrated_gradients" in found
        else:
            assert torch.equal(found, right)


def test_the_methods_that_hook_are_the_ones_that_refuse() -> None:
    net, (x, baseline) = Bend(2, 2).eval(), pair()
    refusing = {method.kind for method in examples() if isinstance(called(method, Closed(net), x, baseline), str)}
    cams = {"grad_cam", "discriminative_grad_cam", "guided_grad_cam", "discriminative_guided_grad_cam"}
    assert refusing == {"deep_lift", *cams}


@every
def test_a_network_in_training_is_refused_where_it_can_be_seen(method: Attribution) -> None:
    probe, (x, baseline) = bend(), pair()
    probe.module.get_submodule("drop").train()
    refused = called(method, probe, x, baseline)
    if isinstance(called(method, Closed(probe.module), x, baseline), str):
        assert isinstance(refused, str)
        assert "found drop in training" in refused


@every
def test_a_baseline_is_never_broadcast(method: Attribution) -> None:
    x, baseline = pair()
    with pytest.raises((RequestError, TypeCheckError), match="baseline"):
        method(bend(), x, baseline[:1], 1)


class Choice(Spec):
    """A config that names a method."""

    method: Attribution


@every
def test_every_method_survives_yaml(method: Attribution, tmp_path: Path) -> None:
    path = tmp_path / "choice.yaml"
    Choice(method=method).write(path)
    assert Choice.read(path) == Choice(method=method)
    path.write_text(f"method: {{kind: {method.kind}}}")
    assert Choice.read(path) == Choice(method=method)
