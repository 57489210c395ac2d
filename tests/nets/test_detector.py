"""The detector is torchvision's, but every detection knows its proposal, and what is frozen does not move."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.errors import DataError, RequestError
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.methods.objective.detect import Detect
from aliter.methods.objective.reconstruct import Reconstruct
from aliter.nets.decoder import Encoder, Mirrored, Upsampling
from aliter.nets.detections import Detector
from aliter.nets.detector import FasterRCNN, channels_of, denormalise, normalise
from aliter.nets.layers import inserted, layer, watched
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit

SMALL = FasterRCNN(levels=(1, 2), pyramid=8, head=8, anchors_px=(12.0, 20.0, 40.0), proposals=12, least=0.0)


@pytest.fixture(scope="module")
def net() -> Detector:
    """Return a detector that learned nothing, but whose proposals differ in score."""
    return SMALL.build(2, 0).eval().requires_grad_(False)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_detections_are_those_of_torchvision(net: Detector, x: Tensor) -> None:
    shown, features, sizes = net._features(x)
    proposals, _ = net.rpn(shown, features)
    heads = net.roi_heads
    heads.score_thresh, heads.nms_thresh, heads.detections_per_img = SMALL.least, SMALL.overlap, SMALL.most
    expected, _ = heads(features, proposals, sizes)
    for one, other in zip(net.detect(x), expected, strict=True):
        torch.testing.assert_close(one.corners, other["boxes"])
        torch.testing.assert_close(one.scores, other["scores"])
        assert torch.equal(one.labels, other["labels"])
        assert len(one.scores) > 1


def test_the_score_of_a_detection_is_read_again_in_its_proposal(net: Detector, x: Tensor) -> None:
    for number, one in enumerate(net.detect(x)):
        logits = net.box_logits(x[number : number + 1], [one.boxes])
        torch.testing.assert_close(logits.softmax(-1)[:, 1], one.scores, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(logits, one.logits[one.source], rtol=1e-4, atol=1e-5)


def test_it_is_drawn_from_its_seed(net: Detector) -> None:
    for a, b in zip(net.state_dict().values(), SMALL.build(2, 0).state_dict().values(), strict=True):
        assert torch.equal(a, b)
    other = SMALL.build(2, 1).state_dict()
    assert not torch.equal(net.backbone.body.conv1.weight, other["backbone.body.conv1.weight"])


def test_boxes_follow_when_images_are_shown_larger(x: Tensor) -> None:
    large = SMALL.model_copy(update={"side": 96}).build(2, 0).eval().requires_grad_(False)
    assert large.zoom(x) == 1.5
    (one, _) = large.detect(x)
    assert float(one.corners.max()) <= 64
    logits = large.box_logits(x[:1], [one.boxes])
    torch.testing.assert_close(logits.softmax(-1)[:, 1], one.scores, rtol=1e-4, atol=1e-6)


def test_none_inserted_is_bit_identical_and_zeros_are_equal(net: Detector, x: Tensor) -> None:
    name = "backbone.body.layer2.0.conv1"
    box = [torch.tensor([[10.0, 10, 30, 30]])] * 2
    plain = net.box_logits(x, box)
    with inserted(net, {name: None}):
        assert torch.equal(net.box_logits(x, box), plain)
    with watched(net, [name]) as seen:
        net.box_logits(x, box)
    with inserted(net, {name: torch.zeros_like(seen[name])}):
        assert torch.equal(net.box_logits(x, box), plain)
    with inserted(net, {name: torch.ones_like(seen[name])}):
        assert not torch.equal(net.box_logits(x, box), plain)
    assert torch.equal(net.box_logits(x, box), plain)


def test_what_cannot_be_inserted_is_said(net: Detector, x: Tensor) -> None:
    with pytest.raises(RequestError, match=r"did you mean 'backbone\.body\.layer2'"):
        layer(net, "backbone.body.layer22")
    with (
        pytest.raises(RequestError, match="of the shape that the layer gives"),
        inserted(net, {"backbone.body.layer2": torch.zeros(1, 3, 2, 2)}),
    ):
        net.backbone(x)
    with pytest.raises(RequestError, match="found layer3"):
        net.body(3)


def test_colours_come_back() -> None:
    image = torch.rand(1, 3, 512, 512, generator=torch.Generator().manual_seed(0))
    assert float((denormalise(normalise(image)) - image).abs().max()) < 2e-7
    grey = normalise(torch.full((1, 3, 1, 1), 0.5)).ravel()
    assert grey.tolist() == pytest.approx([0.0655022, 0.1964286, 0.4177778], abs=1e-6)


@pytest.mark.parametrize(("body", "norms"), [("resnet18", 20), ("resnet50", 53)])
def test_bodies_have_the_published_norms_and_a_mirror_the_published_parameters(body: str, norms: int) -> None:
    with torch.device("meta"):
        from torchvision.models import resnet

        net = getattr(resnet, body)(weights=None)
    assert sum(isinstance(one, nn.BatchNorm2d) for one in net.modules()) == norms
    if body == "resnet50":
        assert sum(one.numel() for one in net.parameters()) - 2048 * 1000 - 1000 == 23_508_032
        with torch.device("meta"):
            mirror = Mirrored().build(2048, 32)
            assert sum(one.numel() for one in mirror.parameters()) == 23_511_680
            assert mirror.layers(torch.zeros(1, 2048, 25, 25)).shape == (1, 3, 200, 200)


@pytest.mark.parametrize("spec", [Upsampling(width=16), Mirrored(blocks=(1, 2))])
def test_decoders_draw_images(spec: Upsampling | Mirrored) -> None:
    with torch.no_grad():
        found = spec.build(32, 8)(torch.randn(2, 32, 4, 4), 32)
    assert found.shape == (2, 3, 32, 32)
    assert float(found.abs().max()) <= 1


def test_a_change_of_one_cell_stays_near_it() -> None:
    decoder = Upsampling(width=16).build(8, 8).eval()
    z = torch.randn(1, 8, 8, 8)
    other = z.clone()
    other[:, :, 1, 1] += 1
    with torch.no_grad():
        moved = (decoder(z, 64) - decoder(other, 64)).abs().sum((0, 1))
    assert float(moved.max()) > 0
    assert (moved[40:] == 0).all()
    assert (moved[:, 40:] == 0).all()


class Settings(Spec):
    workflow: str = "none"


def test_nothing_of_the_encoder_moves_while_the_decoder_learns(x: Tensor, tmp_path: Path) -> None:
    detector = SMALL.build(2, 0)
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    encoder, decoder = Encoder(detector, 2), Upsampling(width=16).build(channels_of(SMALL, 2), 8)
    start = {name: value.clone() for name, value in decoder.state_dict().items()}
    run = Run(tmp_path / "run", Settings())
    run.path.mkdir()
    nets = {"encoder": encoder, "decoder": decoder}
    game = Game(
        Reconstruct(features=0.1, slopes=0.1, absolute=0.1), nets, lambda s, t, n: Batch(t, ("a", "b"), s, {"x": x})
    )
    with run.stage("fit", Key("a")):
        fit(game, Fit(steps=3, size=2, rate=1e-2, threads=1), run, "decoder")
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert any(not torch.equal(value, start[name]) for name, value in decoder.state_dict().items())


def test_boxes_turn_with_their_images() -> None:
    x = torch.full((6, 3, 32, 32), -1.0)
    corners = torch.zeros(6, 2, 4)
    for number in range(6):
        x[number, :, 3:9, 5 + number : 15 + number] = 1.0
        corners[number, 0] = torch.tensor([5.0 + number, 3, 15 + number, 9])
    batch = Batch(0, tuple("abcdef"), 0, {"x": x, "corners": corners, "count": torch.ones(6, dtype=torch.int64)})
    images, boxes = Detect(brightness=0, contrast=0, noise_sd=0).augment(batch)
    assert len({tuple(one[0].tolist()) for one in boxes}) == 6
    for image, found in zip(images, boxes, strict=True):
        left, top, right, low = found[0].int().tolist()
        assert len(found) == 1
        assert (image[:, top:low, left:right] == 1).all()
        assert int((image == 1).sum()) == 3 * 60


def test_weights_of_a_file_are_taken_and_others_refused(net: Detector, tmp_path: Path) -> None:
    path = tmp_path / "detector.pth"
    torch.save(net.state_dict(), path)
    again = SMALL.model_copy(update={"weights": path}).build(3, 5)
    assert torch.equal(again.backbone.body.conv1.weight, net.backbone.body.conv1.weight)
    assert again.roi_heads.box_predictor.cls_score.weight.shape[0] == 3
    wide = SMALL.model_copy(update={"weights": path, "pyramid": 16})
    with pytest.raises(DataError, match="weights of this detector"):
        wide.build(2, 0)
    with pytest.raises(RequestError, match="expected 3 sizes"):
        SMALL.model_copy(update={"anchors_px": (8.0,)}).build(2, 0)
