"""Parts of the concepts room, with a detector that learned nothing: segments, pushes, and detectors of one's own."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from aliter.core.errors import DataError, RequestError
from aliter.data.run import Run
from aliter.data.simulate.tissue import Tissue
from aliter.data.slides import drawn_slides
from aliter.data.tiles import Cut, Tiles, write_tiles
from aliter.nets.decoder import Encoder, Upsampling
from aliter.nets.detector import FasterRCNN, channels_of
from aliter.workflows.concepts import STAGES, Config
from aliter.workflows.concepts.detect import detector_of
from aliter.workflows.concepts.discover import Discovering, _elsewhere
from aliter.workflows.concepts.outcome import near_box
from aliter.workflows.concepts.patches import Patches, Segmenting, activations, cut, kinds_of, pooled
from aliter.workflows.concepts.push import Loom, Push, mask_of
from aliter.workflows.stage import due, run_stages

NET = FasterRCNN(levels=(1, 2), pyramid=8, head=8, anchors_px=(12.0, 20.0, 40.0), proposals=12)
LAYER1, LAYER2 = "backbone.body.layer1", "backbone.body.layer2"


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
    x, box = x_of(tiles), torch.tensor([20.0, 20, 40, 40])
    maps = loom.maps(x, LAYER2)
    mask = mask_of(Push(), box, 64, maps)
    shift = torch.where(mask, torch.ones_like(maps), torch.zeros_like(maps))
    from aliter.nets.layers import inserted

    with inserted(loom.detector, {LAYER2: 3 * shift[None]}):
        moved = loom.encoder(x)[0]
    assert torch.equal(moved[:, ~mask], maps[:, ~mask])
    torch.testing.assert_close(moved[:, mask], maps[:, mask] + 3)
    assert torch.equal(loom.draw(x, {LAYER2: shift}, 0.0), loom.draw(x, {}, 1.0))


def test_what_is_inserted_early_reaches_the_drawing_and_layers_add_up(tiles: Tiles, loom: Loom) -> None:
    x = x_of(tiles)
    shifts = {name: torch.randn_like(loom.maps(x, name)) for name in (LAYER1, LAYER2)}
    plain = loom.draw(x, {}, 0.0)
    drawn = [loom.draw(x, {name: shifts[name]}, 0.5) for name in shifts] + [loom.draw(x, shifts, 0.5)]
    assert all(not torch.equal(one, plain) for one in drawn)
    assert not torch.equal(drawn[0], drawn[2])
    with pytest.raises(RequestError, match=r"before or at backbone\.body\.layer2"):
        loom.maps(x, "roi_heads.box_head")


@pytest.mark.parametrize("gradient", ["decoder", "encoder"])
def test_the_gradient_is_that_of_small_steps(tiles: Tiles, loom: Loom, gradient: str) -> None:
    x, box = x_of(tiles), torch.tensor([[20.0, 20, 40, 40]])
    push = Push(gradient=gradient)
    found = loom.gradient(x, box, LAYER2, push, "margin")
    direction = found / found.norm()

    def answer(amount: float) -> float:
        from aliter.nets.layers import inserted

        with inserted(loom.detector, {LAYER2: amount * direction[None]}):
            shown = x if gradient == "encoder" else loom.decoder(loom.encoder(x), 64)
            if gradient == "encoder":
                logits = loom.detector.box_logits(x, [box])
        if gradient == "decoder":
            logits = loom.detector.box_logits(shown, [box])
        return float((logits[:, 1] - logits[:, 0]).double())

    slope = (answer(0.05) - answer(-0.05)) / 0.1
    assert slope == pytest.approx(float(found.norm()), rel=0.05, abs=1e-4)


def test_pushes_are_told_apart_by_name() -> None:
    pushes = [
        Push(),
        Push(within="everywhere"),
        Push(gradient="encoder"),
        Push(mode="sum", concepts={LAYER2: {"top": 1.0}}),
    ]
    assert len({one.name for one in pushes}) == 4


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
    run = Run(tmp_path / "run", config)
    with run.working():
        run_stages(due(STAGES, config, run, until="detect"), config, run)
    mine = torch.load(path, weights_only=True)
    for name, value in detector_of(config, run).state_dict().items():
        assert torch.equal(value, mine[name]), name
    assert not list(run.path.glob("checkpoints/*"))
    with pytest.raises(RequestError, match=r"set detect\.net\.weights"):
        other = micro(fit=None)
        bare = Run(tmp_path / "bare", other)
        with bare.working():
            run_stages(due(STAGES, other, bare, until="detect"), other, bare)


def test_slides_that_are_all_of_one_split_are_refused(tmp_path: Path) -> None:
    config = micro().model_copy(update={"tiles": micro().tiles.model_copy(update={"overlap": 64})})
    run = Run(tmp_path / "run", config)
    with run.working(), pytest.raises((RequestError, DataError), match="overlap: expected less than 64"):
        run_stages(due(STAGES, config, run, until="gather"), config, run)
