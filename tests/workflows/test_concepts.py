"""Parts of the concepts room, with a detector that learned nothing: segments, pushes, and detectors of one's own."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
import torch
from pydantic import ValidationError
from torch import Tensor

import aliter
from aliter.core.errors import DataError, RequestError
from aliter.data.annotations import Listed
from aliter.data.simulate.tissue import Tissue
from aliter.data.slides import drawn_slides
from aliter.data.tiles import Cut, Tiles, write_tiles
from aliter.nets.decoder import Encoder, Upsampling
from aliter.nets.detector import FasterRCNN, channels_of
from aliter.nets.layers import inserted
from aliter.workflows.concepts import Config
from aliter.workflows.concepts.decode import fingerprint
from aliter.workflows.concepts.detect import detector_of
from aliter.workflows.concepts.discover import Discovering, _elsewhere
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.outcome import Subject, covering, near_box
from aliter.workflows.concepts.patches import Patches, Segmenting, activations, cut, kinds_of, pooled
from aliter.workflows.concepts.push import Loom, Place, Push, mask_of
from aliter.workflows.concepts.shift import Shifting, _walked
from aliter.workflows.concepts.sitter import Sitter
from aliter.workflows.concepts.way import FIRST_BEND, way

NET = FasterRCNN(levels=(1, 2), pyramid=8, head=8, anchors_px=(12.0, 20.0, 40.0), proposals=12)
LAYER1, LAYER2 = "backbone.body.layer1", "backbone.body.layer2"
CONFIGS = Path(__file__).parents[2] / "configs" / "concepts"
DEMO, MIDOG = CONFIGS / "demo.yaml", CONFIGS / "midog.yaml"
PLACE = (20.0, 20.0, 40.0, 40.0)


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Tiles:
    path = tmp_path_factory.mktemp("tiles") / "tiles.zarr"
    write_tiles(drawn_slides(Tissue(count=4, size=96, figures=5)), Cut(64, 32, None), path, {})
    return Tiles(path)


@pytest.fixture(scope="module")
def loom() -> Loom:
    detector = NET.build(2, 0).eval().requires_grad_(False)
    decoder = Upsampling(width=16).build(channels_of(NET, 2), 8).eval().requires_grad_(False)
    return Loom(detector, Encoder(detector, 2), decoder, LAYER2)


@pytest.fixture(scope="module")
def patches(tiles: Tiles) -> Patches:
    boxes = tiles.boxes
    return cut(tiles, boxes.image[:6], boxes.centres[:6], Segmenting(window=32, counts=(4, 10)))


def x_of(tiles: Tiles) -> Tensor:
    return torch.from_numpy(tiles.signed(np.array([0])))


def test_the_mean_over_a_segment_equals_its_slow_twin() -> None:
    maps = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, 1:4, 2:7] = True
    total, weight = torch.zeros(3, dtype=torch.float64), 0
    for y, x in mask[0].nonzero().tolist():
        total += maps[0, :, y // 2, x // 2]
        weight += 1
    torch.testing.assert_close(pooled(maps, mask)[0], total / weight)


def test_segments_lie_in_their_windows_and_know_what_was_drawn(tiles: Tiles, patches: Patches) -> None:
    assert len(np.unique(patches.source)) == 6
    kinds = kinds_of(tiles, patches)
    assert (kinds > 0).any()
    for row in np.flatnonzero(kinds)[:5]:
        whole = patches.whole(int(row), 64)
        assert whole.sum() == patches.mask[row].sum()
        assert tiles.kinds is not None
        assert (tiles.kinds[patches.tile[row]][whole] == kinds[row]).mean() >= 0.5


@pytest.mark.parametrize("view", ["place", "crop", "resized"])
def test_each_view_gives_a_row_for_each_segment_and_depends_on_no_other(
    tiles: Tiles, patches: Patches, loom: Loom, view: str
) -> None:
    few = patches.where(np.arange(12))
    whole = activations(loom.detector, tiles, few, (LAYER1, LAYER2), view, "cpu")
    assert whole[LAYER1].shape == (12, 64)
    assert whole[LAYER2].shape == (12, 128)
    alone = activations(loom.detector, tiles, few.where(np.array([7])), (LAYER2,), view, "cpu")
    np.testing.assert_allclose(alone[LAYER2][0], whole[LAYER2][7], rtol=1e-4, atol=1e-5)


def test_windows_elsewhere_touch_no_detection(tiles: Tiles) -> None:
    choice = Discovering(elsewhere=12, segments=Segmenting(window=24))
    train = tiles.boxes.where(np.isin(tiles.boxes.image, tiles.split("train")))
    tile, centre = _elsewhere(tiles, train.image, train.corners, choice)
    assert len(tile) == 12
    for one, at in zip(tile, centre, strict=True):
        near = train.centres[train.image == one]
        assert (np.abs(near - at).max(axis=1) >= 0.75 * 24).all()


def test_what_is_not_masked_is_bit_for_bit_what_it_was(tiles: Tiles, loom: Loom) -> None:
    x = x_of(tiles)
    maps = loom.maps(x, LAYER2)
    mask = mask_of(Push(), PLACE, 64, maps)
    assert 0 < mask.sum() < mask.numel() / 2
    shift = torch.where(mask, torch.ones_like(maps), torch.zeros_like(maps))
    with inserted(loom.detector, {LAYER2: 3 * shift[None]}):
        moved = loom.encoder(x)[0]
    assert torch.equal(moved[:, ~mask], maps[:, ~mask])
    torch.testing.assert_close(moved[:, mask], maps[:, mask] + 3)


@pytest.mark.parametrize("within", ["box", "pixels", "everywhere"])
def test_a_bent_walk_changes_no_other_cell_no_weight_and_where_asked_no_other_pixel(
    tiles: Tiles, loom: Loom, within: str
) -> None:
    before = fingerprint(loom.detector)
    sitter = sitter_of(tiles, loom)
    push = Push(within=within, bend=4.0)
    at = way(lambda values: sitter.onward(values, push), push.bends)
    values = at(0.1)
    mask = mask_of(push, PLACE, 64, loom.maps(sitter.x, LAYER2))
    assert float(values[LAYER2][:, mask].abs().max()) > 0
    assert not values[LAYER2][:, ~mask].any()
    far = torch.from_numpy(~near_box(PLACE, (64, 64), 8.0))
    plain, moved = sitter.plain[0], sitter.frame(values, push)[0]
    assert not torch.equal(plain, moved)
    assert torch.equal(plain[:, far], moved[:, far]) == (within == "pixels")
    assert fingerprint(loom.detector) == before


@pytest.mark.parametrize("kind", ["published_shift", "first_shift"])
def test_a_published_search_goes_down_and_has_reached_what_it_asks_for_where_the_fall_ends_it(
    tiles: Tiles, loom: Loom, kind: str, tmp_path: Path
) -> None:
    config, subject = micro(), Subject(0, PLACE, PLACE, False, ())
    run = SimpleNamespace(device="cpu", save=lambda *given: None, folder=tmp_path, facts={"encoder": ""})
    for fall, largest, stop in ((5e-5, 1000.0, "target"), (0.4, 1.0, "largest shift")):
        down = {"kind": kind, "unit": 0.005, "fall": fall, "largest": largest}
        asked = Shifting.model_validate({"score": "box", "down": down})
        sitter = Sitter(config.model_copy(update={"shift": asked}), run, tiles, loom, 0, subject)
        assert sitter.allows
        (one,) = _walked(sitter, Push(bend=None))
        assert (one.stop, one.target, one.reached) == (stop, None, stop == "target")
        assert one.shift < 0
        assert one.end < one.drawn
    with pytest.raises(ValidationError, match=f"latent_shift; found {kind}, which goes down only"):
        Shifting.model_validate({"up": {"kind": kind}})


def sitter_of(tiles: Tiles, loom: Loom) -> Sitter:
    config, run = micro(), SimpleNamespace(device="cpu")
    return Sitter(config, run, tiles, loom, 0, Subject(0, PLACE, PLACE, True, ()))


def test_what_covers_a_place_is_proposed_there(tiles: Tiles, loom: Loom) -> None:
    x, box = x_of(tiles), torch.tensor([PLACE])
    proposed = loom.detector.detect(x)[0].proposals
    found = covering(loom.detector, x, proposed[:1])
    assert torch.equal(found[0], proposed[0])
    assert any(torch.equal(one, proposed[0]) for one in found[1:])
    assert len(covering(loom.detector, x, box + 500)) == 1


def test_what_is_inserted_early_reaches_the_drawing_and_layers_add_up(tiles: Tiles, loom: Loom) -> None:
    x = x_of(tiles)
    shifts = {name: torch.randn_like(loom.maps(x, name)) for name in (LAYER1, LAYER2)}
    plain = loom.draw(x, {})
    drawn = [loom.draw(x, {name: shifts[name]}) for name in shifts] + [loom.draw(x, shifts)]
    assert all(not torch.equal(one, plain) for one in drawn)
    assert not torch.equal(drawn[0], drawn[2])
    with pytest.raises(RequestError, match=r"before or at backbone\.body\.layer2"):
        loom.maps(x, "roi_heads.box_head")


@pytest.mark.parametrize("gradient", ["decoder", "encoder"])
def test_the_gradient_is_that_of_small_steps(tiles: Tiles, loom: Loom, gradient: str) -> None:
    x, boxes = x_of(tiles), torch.tensor([PLACE, (24.0, 18.0, 44.0, 40.0)])
    so_far = 0.1 * torch.randn(loom.maps(x, LAYER2).shape, generator=torch.Generator().manual_seed(0))
    found = loom.gradient(Place(x, {LAYER2: so_far}, boxes, PLACE), LAYER2, Push(gradient=gradient), "margin")
    direction = found / found.norm()

    def answer(amount: float) -> float:
        with inserted(loom.detector, {LAYER2: (so_far + amount * direction)[None]}):
            shown = x if gradient == "encoder" else loom.decoder(loom.encoder(x), 64)
            if gradient == "encoder":
                logits = loom.detector.box_logits(x, [boxes])
        if gradient == "decoder":
            logits = loom.detector.box_logits(shown, [boxes])
        return float((logits[:, 1] - logits[:, 0]).double().logsumexp(0))

    slope = (answer(0.05) - answer(-0.05)) / 0.1
    assert slope == pytest.approx(float(found.norm()), rel=0.05, abs=1e-4)


def test_a_way_bends_where_it_has_grown_enough_and_goes_either_way() -> None:
    asked: list[float] = []

    def turning(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        place = float(values["a"][0]) if values else 0.0
        asked.append(place)
        if len(asked) > 3:
            raise DataError("nothing")
        return {"a": torch.tensor([1.0, place], dtype=torch.float64)}

    at = way(turning, 2.0)
    first, second = FIRST_BEND, 2 * FIRST_BEND
    assert at(0.0) == {}
    assert at(0.5 * first)["a"].tolist() == pytest.approx([0.5 * first, 0])
    assert at(1.5 * first)["a"].tolist() == pytest.approx([1.5 * first, 0.5 * first * first])
    far = first * first + (3 * first - second) * second
    assert at(3 * first)["a"].tolist() == pytest.approx([3 * first, far])
    assert asked == pytest.approx([0, first, second])
    assert at(0.5 * first)["a"].tolist() == pytest.approx([0.5 * first, 0])
    on = first * first + 2 * first * second + first * second
    assert at(5 * first)["a"].tolist() == pytest.approx([5 * first, on])
    with pytest.raises(DataError):
        at(-first)


def test_a_straight_way_asks_once() -> None:
    asked: list[float] = []
    at = way(lambda values: asked.append(0.0) or {"a": torch.tensor([2.0])}, None)
    assert at(5.0)["a"].item() == 10
    assert at(7.0)["a"].item() == 14
    assert at(-3.0)["a"].item() == -6
    assert len(asked) == 2


def test_pushes_are_told_apart_by_name() -> None:
    pushes = [
        Push(),
        Push(within="everywhere"),
        Push(within="pixels"),
        Push(bend=None),
        Push(gradient="encoder"),
        Push(mode="sum", concepts={LAYER2: {"top": 1.0}}),
        Push(concepts={LAYER1: {}}, within="everywhere"),
        Push(concepts={LAYER2: {}}, within="everywhere"),
        Push(concepts={LAYER1: {}, LAYER2: {}}),
        Push(dilate=2, label="wide"),
    ]
    assert len({one.name for one in Shifting(pushes=pushes).pushes}) == len(pushes)
    assert [one.name for one in pushes[6:]] == [
        "grad at layer1, everywhere",
        "grad at layer2, everywhere",
        "grad at layer1+layer2",
        "wide",
    ]
    with pytest.raises(ValidationError, match="found 'grad' twice; give one a label"):
        Shifting(pushes=(Push(), Push(dilate=1)))


def test_pushes_as_shipped_are_called_as_they_were() -> None:
    shipped = Config.read(DEMO).shift.pushes
    assert [one.name for one in shipped] == ["grad", "grad, everywhere", "sum top", "cav top"]


def test_a_margin_around_a_box_is_cut_off_at_the_border() -> None:
    inside = near_box((2.0, 3.0, 5.0, 6.0), (10, 10), 0.0)
    assert inside.sum() == 9
    assert inside[3:6, 2:5].all()
    assert near_box((0.0, 0.0, 2.0, 2.0), (10, 10), 2.0).sum() == 16


def micro(**detect: object) -> Config:
    images = {"simulate": "tissue", "count": 4, "size": 96, "figures": 5}
    values = {"workflow": "concepts", "images": images, "tiles": {"side": 64}}
    return Config.model_validate({**values, "detect": {"net": NET.model_dump(), **detect}})


def test_a_detector_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save(NET.build(2, 5).state_dict(), path)
    config = micro(fit=None, net={**NET.model_dump(), "weights": path})
    run = aliter.run(config, to=tmp_path / "run", stage="detect")
    mine = torch.load(path, weights_only=True)
    for name, value in detector_of(config, run).state_dict().items():
        assert torch.equal(value, mine[name]), name
    assert not list(run.path.glob("checkpoints/*"))
    with pytest.raises(RequestError, match=r"set detect\.net\.weights"):
        aliter.run(micro(fit=None), to=tmp_path / "bare", stage="detect")


def test_slides_that_are_all_of_one_split_are_refused(tmp_path: Path) -> None:
    config = micro().model_copy(update={"tiles": micro().tiles.model_copy(update={"overlap": 64})})
    with pytest.raises((RequestError, DataError), match="overlap: expected less than 64"):
        aliter.run(config, to=tmp_path / "run", stage="gather")


def test_the_config_of_midog_reads_such_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    images, boxes = [], []
    for number in range(10):
        name = f"{number:03}.tiff"
        tifffile.imwrite(tmp_path / "images" / name, rng.integers(0, 255, (520, 600, 3), np.uint8))
        images.append({"id": number, "file_name": name, "width": 600, "height": 520, "tumor_type": "human"})
        boxes.append({"image_id": number, "bbox": [30, 20, 80, 70], "category_id": 1})
        boxes.append({"image_id": number, "bbox": [540, 440, 590, 490], "category_id": 2})
    categories = [{"id": 1, "name": "mitotic figure"}, {"id": 2, "name": "hard negative"}]
    told = {"images": images, "annotations": boxes, "categories": categories}
    (tmp_path / "MIDOG.json").write_text(json.dumps(told))
    config = Config.read(MIDOG)
    assert isinstance(config.images, Listed)
    where = {"slides": tmp_path / "images", "boxes": tmp_path / "MIDOG.json"}
    config = config.model_copy(update={"images": config.images.model_copy(update=where)})
    found = tiles_of(aliter.run(config, to=tmp_path / "run", stage="gather"))
    assert found.shape == (3, 512, 512)
    assert {len(found.split(name)) > 0 for name in ("train", "val", "test")} == {True}
    assert set(found.boxes.label.tolist()) == {1, 2}
    figures = np.unique(found.boxes.corners[found.boxes.label == 1], axis=0)
    np.testing.assert_array_equal(figures, [[30, 12, 80, 62], [30, 20, 80, 70]])
    assert len(config.detect.net.anchors_px) == len(config.detect.net.levels) + 1
    assert channels_of(config.detect.net, config.decode.stage) == 2048
