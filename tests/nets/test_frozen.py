import copy
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from aliter.core.errors import RequestError
from aliter.core.probe import Layered, Probe
from aliter.methods.attribution.deep_lift import DeepLift
from aliter.nets.blocks import initialise
from aliter.nets.frozen import Frozen, features, probabilities
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm


class Twice(nn.Module):
    """Calls one ReLU twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3), nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.relu(self.second(self.relu(self.first(x)))).mean(dim=(2, 3)))
        return out


class Functional(nn.Module):
    """Calls ReLU and max pooling as functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Conv2d(2, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.max_pool2d(self.first(x).relu_(), 2).mean(dim=(2, 3)))
        return out


class Branching(nn.Module):
    """Looks at the values, so that it cannot be traced."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.relu, self.head = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        h = self.relu(self.first(x)).mean(dim=(2, 3))
        out: Tensor = self.head(h if h.sum() > 0 else -h)
        return out


class Pair(nn.Module):
    """Gives two tensors."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def network() -> nn.Module:
    net = SmallCNN(width=3, depth=2).build(2, 8, 3)
    initialise({"net": net}, seed=0)
    net(images(32))  # in training mode: moves the statistics of the batch normalisation
    return net


def images(count: int = 7) -> Tensor:
    return torch.rand(count, 2, 8, 8, generator=torch.Generator().manual_seed(count)) * 2 - 1


def test_it_is_a_probe() -> None:
    assert isinstance(Frozen(network()), Probe)


def test_it_shows_the_module_that_runs() -> None:
    frozen, seen = Frozen(network()), []
    assert isinstance(frozen, Layered)
    assert not any(module.training for module in frozen.module.modules())
    frozen.module.get_submodule("block1").register_forward_hook(lambda module, args, out: seen.append(len(out)))
    frozen.answer(0)(images())
    assert seen == [7]


def test_scores_are_the_softmax_of_the_logits() -> None:
    net = network()
    logits = copy.deepcopy(net).eval()(images())
    slow = [[z.exp() / row.exp().sum() for z in row] for row in logits.detach()]
    scores = Frozen(net).scores(images())
    torch.testing.assert_close(scores, torch.tensor(slow))
    assert not scores.requires_grad


def test_the_answer_is_the_logit_of_the_class_and_has_its_gradient() -> None:
    net, x = network(), images().requires_grad_()
    expected = copy.deepcopy(net).eval()(x)[:, 2]
    (slope,) = torch.autograd.grad(expected.sum(), x)
    answer = Frozen(net).answer(2)(x)
    torch.testing.assert_close(answer, expected)
    torch.testing.assert_close(torch.autograd.grad(answer.sum(), x)[0], slope)
    assert slope.abs().sum() > 0


def test_what_becomes_of_the_network_later_does_not_matter() -> None:
    net = network().train()
    frozen, x = Frozen(net), images()
    before = frozen.scores(x)
    assert net.training
    assert all(parameter.requires_grad for parameter in net.parameters())
    assert not any(parameter.requires_grad for parameter in frozen.module.parameters())
    nn.init.zeros_(net.get_parameter("head.weight"))
    frozen.answer(0)(x)
    assert torch.equal(frozen.scores(x), before)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_nothing_depends_on_the_size_of_parts(size: int) -> None:
    net, x = network(), images()
    frozen, whole = Frozen(net, batch=size), Frozen(net, batch=7)
    torch.testing.assert_close(frozen.scores(x), whole.scores(x))
    torch.testing.assert_close(frozen.activations(x, "block1"), whole.activations(x, "block1"))


def test_at_most_a_part_is_in_work_at_a_time() -> None:
    frozen, sizes = Frozen(network(), batch=3), []
    frozen.module.register_forward_hook(lambda module, args, out: sizes.append(len(args[0])))
    frozen.scores(images(7))
    frozen.activations(images(7), "pool")
    assert sizes == [3, 3, 1, 3, 3, 1]


def test_no_images_have_no_scores() -> None:
    assert Frozen(network()).scores(images(0)).shape == (0, 3)


def test_activations_are_what_the_layer_gives() -> None:
    net, x = network().eval(), images()
    expected = net.get_submodule("block1")(net.get_submodule("block0")(x))
    found = Frozen(net).activations(x, "block1")
    torch.testing.assert_close(found, expected)
    assert not found.requires_grad
    torch.testing.assert_close(
        Frozen(net).activations(x, "block0.relu"), nn.Sequential(*list(net.get_submodule("block0").children())[:3])(x)
    )


def test_activations_are_those_before_a_layer_that_works_in_place() -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.testing.assert_close(Frozen(net).activations(images(), "0"), net.get_submodule("0")(images()).detach())


def test_features_and_probabilities_are_differentiable_and_leave_the_network_as_it_is() -> None:
    net, x = network().eval(), images().requires_grad_()
    expected = net.get_submodule("block0")(x)
    found = features(net, "block0")(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), x)[0], torch.autograd.grad(expected.sum(), x)[0])
    scores = probabilities(net)(x)
    torch.testing.assert_close(scores, net(x).softmax(dim=1))
    assert torch.autograd.grad(scores[:, 0].sum(), x)[0].any()
    assert not any(module._forward_hooks for module in net.modules())
    assert all(parameter.requires_grad for parameter in net.parameters())


def test_probabilities_are_float32_under_bf16() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        scores = Frozen(network()).scores(images())
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(7))


def test_float64_stays_float64() -> None:
    assert Frozen(network().double()).scores(images().double()).dtype == torch.float64


def test_answers_come_back_to_where_the_images_are() -> None:
    seen = []
    net = nn.Sequential(nn.Flatten(), nn.Linear(128, 3)).to("meta")
    net.register_forward_pre_hook(lambda module, args: seen.append(args[0].device.type))
    with pytest.raises(NotImplementedError, match="meta"):  # meta tensors have no data that could come back
        Frozen(net).scores(images())
    assert seen == ["meta"]


def test_a_class_that_is_not_there_is_refused() -> None:
    frozen = Frozen(network())
    with pytest.raises(RequestError, match="expected a class below 3, found 3"):
        frozen.answer(3)(images())
    with pytest.raises(RequestError, match="count classes from 0"):
        frozen.answer(-1)


def test_what_gives_no_logits_is_refused() -> None:
    with pytest.raises(RequestError, match="found 7 x 2 x 8 x 8"):
        Frozen(nn.Identity()).scores(images())


def test_an_unknown_layer_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'block1'"):
        Frozen(network()).activations(images(), "blok1")
    with pytest.raises(RequestError, match="it has block0,"):
        features(network(), "zzz")


def test_a_layer_without_a_tensor_is_refused() -> None:
    with pytest.raises(RequestError, match="found a tuple"):
        features(nn.Sequential(Pair()), "0")(images())


def test_a_layer_that_does_not_run_is_refused() -> None:
    exported = torch.export.export(network().eval(), (images(7),)).module()
    with pytest.raises(RequestError, match="found that it does not run"):
        features(exported, "head")(images(7))


def test_modules_of_their_own_can_be_hooked() -> None:
    assert Frozen(network()).hookable is None
    assert Frozen(Timm(name="resnet10t").build(2, 32, 3)).hookable is None
    assert Frozen(fx.symbolic_trace(network())).hookable is None


def test_a_reused_activation_cannot_be_hooked() -> None:
    assert "calls 'relu' more than once" in str(Frozen(Twice()).hookable)
    nested = nn.Sequential(OrderedDict(inner=Twice()))
    assert "calls 'inner.relu' more than once" in str(Frozen(nested).hookable)


def test_a_functional_activation_cannot_be_hooked() -> None:
    assert "calls max_pool2d, relu as functions" in str(Frozen(Functional()).hookable)


def test_what_cannot_be_traced_has_the_benefit_of_the_doubt() -> None:
    frozen = Frozen(Branching())
    assert frozen.hookable is None
    assert frozen.scores(images()).shape == (7, 3)


def test_scripts_are_probes_without_hooks(tmp_path: Path) -> None:
    net = network()
    with pytest.warns(FutureWarning, match="deprecated"):
        torch.jit.script(net).save(tmp_path / "net.pt")
    with pytest.warns(FutureWarning, match="deprecated"):
        scripted = torch.jit.load(tmp_path / "net.pt")
    frozen = Frozen(scripted)
    torch.testing.assert_close(frozen.scores(images()), Frozen(net).scores(images()))
    assert "TorchScript" in str(frozen.hookable)
    assert "TorchScript" in str(Frozen(nn.Sequential(scripted)).hookable)
    with pytest.raises(RequestError, match="'block0' in TorchScript"):
        frozen.activations(images(), "block0")


def test_exported_graphs_are_probes_without_hooks() -> None:
    net = network().eval()
    exported = torch.export.export(net, (images(7),)).module()
    frozen = Frozen(exported)
    torch.testing.assert_close(frozen.scores(images()), Frozen(net).scores(images()))
    assert "as functions" in str(frozen.hookable)
    branching: Any = Branching()
    branching.relu = exported
    assert "as functions" in str(Frozen(branching).hookable)


def test_deep_lift_is_complete_on_what_it_may_hook() -> None:
    frozen, x = Frozen(network()), images(2)
    answer = frozen.answer(1)
    found = DeepLift()(frozen, x, images(2).flip(0), 1)
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), answer(x) - answer(x.flip(0)), rtol=1e-3, atol=1e-5)
    assert (answer(x) - answer(x.flip(0))).abs().min() > 1e-3
