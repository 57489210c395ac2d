"""A classifier as a detector of one class: exact answers, its layers, and what cannot be taken."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from aliter.core.errors import RequestError
from aliter.nets.layers import inserted, watched
from aliter.nets.own import Own
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm
from aliter.nets.whole import Whole, WholeImage

CLASSES, SHAPE = ("a", "b", "c"), (2, 16, 16)
CHOICE = WholeImage(of=SmallCNN(width=4, depth=2))


@pytest.fixture(scope="module")
def net() -> Whole:
    return CHOICE.build(SHAPE, CLASSES, "b", 0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.randn(3, *SHAPE, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)


def test_its_score_is_the_probability_of_the_class_and_its_margin_the_log_odds(net: Whole, x: Tensor) -> None:
    p = net.backbone(x).double().softmax(-1)[:, 1]
    whole = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    logits = net.box_logits(x, [whole, whole.repeat(2, 1), whole[:0]])
    assert logits.shape == (3, 2)
    rows = torch.tensor([0, 1, 1])
    torch.testing.assert_close(logits.double().softmax(-1)[:, 1], p[rows])
    torch.testing.assert_close((logits[:, 1] - logits[:, 0]).double(), (p / (1 - p)).log()[rows], rtol=1e-5, atol=1e-5)
    for one, wanted in zip(net.detect(x), p, strict=True):
        assert one.corners.tolist() == one.boxes.tolist() == whole.tolist()
        assert float(one.scores) == pytest.approx(float(wanted), abs=1e-6)
        assert one.labels.tolist() == [1]


def test_up_to_a_layer_it_gives_what_the_layer_gives_and_runs_no_further(net: Whole, x: Tensor) -> None:
    body = net.body("backbone.block0")
    with watched(net, ("backbone.block0", "backbone.head")) as seen:
        found = body(x)
    assert "backbone.head" not in seen
    assert torch.equal(found, net.backbone.block0(x))
    assert net.grid("backbone.block0") == (found.shape[1], 16 // found.shape[2])
    shift = torch.randn_like(found)
    with inserted(net, {"backbone.block0": shift}):
        assert torch.equal(body(x), found + shift)
    assert torch.equal(body(x), found)


def test_up_to_a_layer_it_can_be_written_for_use_elsewhere(net: Whole, x: Tensor) -> None:
    body = net.body("backbone.block0")
    torch.testing.assert_close(torch.export.export(body, (x,)).module()(x), body(x))


def test_what_cannot_be_looked_into_is_said(net: Whole, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="one of a, b, c; found 'd'"):
        CHOICE.build(SHAPE, CLASSES, "d", 0)
    with pytest.raises(RequestError, match=r"decode\.layer: expected the name of a layer .* backbone\.block0"):
        net.body(2)
    with pytest.raises(RequestError, match="expected a layer that gives maps"):
        net.grid("backbone.head")
    with pytest.raises(RequestError, match="found a program, which runs as a whole"):
        WholeImage(of=Own(path=tmp_path / "net.pt")).build(SHAPE, CLASSES, "a", 0)


def test_a_classifier_of_ones_own_is_taken_as_it_is(tmp_path: Path, x: Tensor) -> None:
    path, shape = tmp_path / "mine.pth", (2, 32, 32)
    mine = Timm(name="resnet10t").build(2, 32, 3).eval()
    torch.save(mine.state_dict(), path)
    found = WholeImage(of=Own(path=path, timm="resnet10t")).build(shape, CLASSES, "c", 0)
    image = torch.zeros(1, *shape)
    torch.testing.assert_close(found.detect(image)[0].scores, mine(image).softmax(-1)[0, 2:])
    assert found.body("backbone.net.layer1")(image).shape[1] == found.grid("backbone.net.layer1")[0]
