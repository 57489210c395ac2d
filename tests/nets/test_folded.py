"""Folding: fewer layers, the same answers."""

import pytest
import torch
from torch import nn

from aliter.nets.folded import folded
from aliter.nets.frozen import Frozen
from aliter.nets.small_cnn import SmallCNN


def learned(net: nn.Module) -> nn.Module:
    """Return ``net`` in eval mode, its normalisations with statistics of their own."""
    torch.manual_seed(0)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats:
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net.eval()


def layers(net: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in net.modules())


def same(net: nn.Module, channels: int = 3) -> None:
    x = torch.randn(5, channels, 16, 16)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    kept, expected = x.clone(), net(x)
    torch.testing.assert_close(folded(net)(x), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(x, kept)
    assert torch.equal(net(x), expected)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_folded_classifier_has_no_normalisation_and_gives_the_same() -> None:
    net = learned(SmallCNN(width=4).build(3, 16, 2))
    same(net)
    assert layers(net, nn.BatchNorm2d) == 4
    assert layers(folded(net), nn.BatchNorm2d) == 0
    assert folded(net)[0].relu.inplace


def test_only_what_is_known_to_follow_is_folded() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.parts[1](x) + self.parts[0](x)

    own = learned(Own())
    assert folded(own) is own
    inside = learned(nn.Sequential(own, nn.BatchNorm2d(3), nn.ReLU()))
    same(inside)
    assert layers(folded(inside), nn.BatchNorm2d) == 2


@pytest.mark.parametrize("shared", ["convolution", "norm", "relu", "chain"])
def test_what_stands_in_two_places_is_left(shared: str) -> None:
    convolution, norm, relu = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU()
    again: nn.Module = {"convolution": convolution, "norm": norm, "relu": relu}.get(shared, nn.Identity())
    chain = nn.Sequential(convolution, norm, relu)
    same(learned(nn.Sequential(chain, again, *((chain,) if shared == "chain" else ()), nn.BatchNorm2d(3))))


def test_a_relu_that_must_keep_its_input_and_a_hook_are_respected() -> None:
    same(learned(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Identity(), nn.ReLU())))
    net = learned(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)))
    net[1].register_forward_hook(lambda module, args, out: out * 2)
    same(net)
    same(learned(nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))))


def test_a_probe_scores_with_the_folded_network_and_explains_with_its_own() -> None:
    net = learned(SmallCNN(width=4).build(3, 16, 2))
    probe, x = Frozen(net), torch.randn(4, 3, 16, 16)
    torch.testing.assert_close(probe.scores(x), net(x).softmax(1))
    assert layers(probe.module, nn.BatchNorm2d) == 4
    torch.testing.assert_close(probe.activations(x, "block0.norm"), net[0][:2](x))
