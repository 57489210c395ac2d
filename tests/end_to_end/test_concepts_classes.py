"""A classifier in the concepts room: real digits, shifted along the classifier's answer until it is the target."""

from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.ndimage import binary_dilation
from tests.end_to_end.conftest import Taken, assert_as_checked

import aliter
from aliter.core.errors import RequestError
from aliter.data.run import Run
from aliter.data.simulate import Fictus
from aliter.data.simulate.store import write_simulation
from aliter.data.tiles import whole_tiles
from aliter.workflows.concepts import Config
from aliter.workflows.concepts.decode import fingerprint
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.outcome import Subject
from aliter.workflows.concepts.score import scored
from aliter.workflows.concepts.shift import outcomes_of, subjects, walk_of
from aliter.workflows.concepts.sitter import Sitter

CONFIG = Path(__file__).parents[2] / "configs" / "concepts" / "tiny_classes.yaml"


def test_images_held_out_walk_to_the_target_and_every_frame_is_scored_by_the_classifier(
    config: Config, run: Run
) -> None:
    tiles, net = tiles_of(run), detector_of(config, run)
    outcomes, chosen = outcomes_of(run), list(subjects(config, run, tiles))
    assert len(outcomes) == config.shift.detections + config.shift.look_alikes
    for one in outcomes:
        subject, walk = chosen[one.subject], walk_of(run, one)
        assert subject.tile in tiles.split("test")
        assert (tiles.classes[tiles.labels[subject.tile]] == "1") == (not subject.rise)
        assert one.reached
        assert np.isnan(one.collateral)
        assert abs(one.end - one.target) < 0.02 < abs(one.drawn - one.target)
        assert walk.image is not None
        again = net.backbone(torch.from_numpy(walk.image)).softmax(-1)[:, 1].numpy()
        np.testing.assert_allclose(walk.score[:, 1], again, atol=1e-5)
    assert run.facts["encoder"] == fingerprint(net)


def test_a_detection_is_an_image_that_is_taken_for_the_class(config: Config, run: Run) -> None:
    tiles, found = tiles_of(run), found_of(run, "test")
    np.testing.assert_array_equal(found.tile, tiles.split("test"))
    logits = detector_of(config, run).backbone(torch.from_numpy(tiles.signed(found.tile)))
    np.testing.assert_allclose(found.scores, logits.softmax(-1)[:, 1].numpy(), atol=1e-6)
    assert (tiles.classes[tiles.labels[found.tile[found.scores.argmax()]]]) == "1"
    assert {row.control for row in scored(run)} == {"", "shuffled members", "random weights"}


def test_the_page_and_its_figures_speak_of_a_classifier(run: Run) -> None:
    told = " ".join(f"{one.name} {one.note}" for rows in run.figures().values() for one in rows)
    assert not [word for word in ("detect", "tile", "slide", "figure", "alike", "box") if word in told.lower()]
    page = (run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert "What the classifier reacts to" in page
    assert "images taken for '1' down, images of other classes up" in unescape(page)
    assert "detector" not in page


@pytest.mark.slow
def test_steps_and_disk_are_as_a_check_says_before(config: Config, run: Run, tmp_path: Path) -> None:
    assert_as_checked(config, run, ("detect", "decode"), tmp_path)


@pytest.mark.slow
def test_the_classifier_can_be_taken_elsewhere(run: Run, taken: Taken) -> None:
    nets, found = taken(run), found_of(run, "test")
    assert set(nets) == {"autoencoder", "classifier"}
    assert nets["classifier"]["answer"][0, 1] == pytest.approx(found.scores[0], abs=1e-5)


def test_what_does_not_go_together_is_refused(config: Config, tmp_path: Path) -> None:
    values = config.model_dump(mode="json")
    for field, value, said in (
        ("tiles", {}, r"tiles\.figure: expected the class that is asked about"),
        ("tiles", {"figure": "7"}, "one of 0, 1; found '7'"),
        ("images", {"simulate": "tissue", "count": 4}, "found slides with boxes"),
        ("detect", {}, "set detect.net.kind: classifier"),
    ):
        other = Config.model_validate({**values, field: value})
        with pytest.raises(RequestError, match=said):
            aliter.run(other, to=tmp_path / str(len(list(tmp_path.iterdir()))), stage="detect")


def test_where_a_difference_was_planted_is_where_the_simulator_drew_it(config: Config, tmp_path: Path) -> None:
    cells = Fictus(count=10, size=16, factors=("aggregates",))
    write_simulation(cells, tmp_path / "tiles.zarr")
    tiles = whole_tiles(tmp_path / "tiles.zarr", cells.classes[1])
    assert tiles.planted(int(tiles.split("train")[0])) is None
    for number in tiles.split("test").tolist():
        label, index = int(tiles.labels[number]), int(tiles.ids[number].rpartition("/")[2])
        found = tiles.planted(number)
        np.testing.assert_array_equal(found, cells.truth(label, index, 1 - label).any(axis=0))
        asked = config.model_copy(update={"shift": config.shift.model_copy(update={"margin_px": 1.0})})
        whole = (0.0, 0.0, 16.0, 16.0)
        subject = Subject(number, whole, whole, label == 0, ())
        near = Sitter(asked, SimpleNamespace(device="cpu"), tiles, SimpleNamespace(), 0, subject).near
        assert found is not None
        np.testing.assert_array_equal(near, binary_dilation(found))
