"""The tiny config, as shipped: from simulated slides to a page, and what it must reach."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.end_to_end.conftest import Taken, assert_as_checked

from aliter.data.images import to_signed
from aliter.data.run import Run
from aliter.workflows.concepts import STAGES, Config
from aliter.workflows.concepts.decode import fingerprint
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.discover import concepts_of, planted_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.outcome import box_scores, matched_scores
from aliter.workflows.concepts.score import cavs_of, scored
from aliter.workflows.concepts.shift import outcomes_of, subjects, walk_of
from aliter.workflows.stage import due

CONFIG = Path(__file__).parents[2] / "configs" / "concepts" / "tiny.yaml"


def test_the_detector_finds_figures_on_slides_it_never_saw(run: Run, figures: dict[str, float]) -> None:
    tiles = tiles_of(run)
    assert figures["F1"] > 0.5
    assert figures["recall"] > 0.5
    assert not set(np.array(tiles.groups)[tiles.split("train")]) & set(np.array(tiles.groups)[tiles.split("test")])


def test_nothing_is_counted_twice_where_tiles_overlap(run: Run) -> None:
    tiles, found = tiles_of(run), found_of(run, "test", run.facts["threshold"])
    places = tiles.places[found.tile]
    centres = (found.corners[:, :2] + found.corners[:, 2:]) / 2 + places[:, [2, 1]]
    for slide in np.unique(places[:, 0]):
        mine = centres[places[:, 0] == slide]
        apart = np.hypot(*(mine[:, None] - mine[None]).transpose(2, 0, 1)) + 1e9 * np.eye(len(mine))
        assert apart.min(initial=1e9) > 4


def test_every_concept_is_tested_and_controls_too(config: Config, run: Run) -> None:
    rows = scored(run)
    for layer in config.discover.layers:
        names = {one.name for one in [*concepts_of(run, layer), *planted_of(run, layer, config.discover.method.most)]}
        assert names
        for control in ("", "shuffled members", "random weights"):
            assert {row.name for row in rows if row.layer == layer and row.control == control} == names
        assert {row.network for row in rows if row.control == "random weights"} == {1, 2}
        for direction in cavs_of(run, layer).values():
            assert np.linalg.norm(direction) == pytest.approx(1, abs=1e-5)
    for row in rows:
        assert 0 <= row.low <= row.score + 1e-9
        assert row.score - 1e-9 <= row.high <= 1
        assert row.rank_p <= row.adjusted <= row.family <= 1
        if row.control != "shuffled members":
            assert 0 < row.learned_p <= row.learned <= 1


def test_the_rank_errs_about_as_often_as_it_says(config: Config, figures: dict[str, float]) -> None:
    for layer in ("layer1", "layer2"):
        assert figures[f"false positives, rank, {layer}"] <= 0.15


def test_walks_start_at_what_is_drawn_and_every_frame_was_scored_by_the_detector(config: Config, run: Run) -> None:
    import torch

    net, chosen = detector_of(config, run), list(subjects(config, run, tiles_of(run)))
    outcomes = outcomes_of(run)
    assert {one.push for one in outcomes} == {push.name for push in config.shift.pushes}
    for one in outcomes:
        walk = walk_of(run, one)
        assert walk.image is not None
        assert walk.t[0] == 0
        box = torch.tensor([chosen[one.subject].box])
        for image, score in zip(walk.image, run.load(f"walks/{one.push}/{one.subject}/box"), strict=True):
            again = box_scores(net, torch.from_numpy(image)[None], box)[0, 1]
            assert again == pytest.approx(score, abs=1e-4)
        np.testing.assert_allclose(
            matched_scores(net, walk.image, chosen[one.subject].place), walk.score[:, 1], atol=1e-4
        )
        assert one.drawn == pytest.approx(float(walk.score[0, 1]))
        assert one.end == float(walk.score[-1, 1])
        assert one.matched == pytest.approx(one.end, abs=1e-5)
        assert abs(one.end - one.target) <= 2e-3 or one.stop != "target"
    rises = [one for one in outcomes if one.rise]
    assert all(one.end >= one.drawn for one in rises if one.push == "grad")


def test_a_shift_in_the_box_is_more_local_than_one_everywhere(figures: dict[str, float]) -> None:
    names = ("sum top, pixels", "grad", "grad, everywhere")
    pixels, within, everywhere = (figures[f"change in and near the box, {name}"] for name in names)
    assert pixels == 1
    assert within > 0.9
    assert within >= everywhere


def test_the_encoder_is_the_detector_as_it_was(config: Config, run: Run) -> None:
    assert run.facts["encoder"] == fingerprint(detector_of(config, run))


def test_other_pushes_redo_no_training(config: Config, run: Run) -> None:
    values = config.model_dump(mode="json")
    values["shift"]["down"]["target"] = 0.3
    with run.working():
        assert [one.stage.name for one in due(STAGES, Config.model_validate(values), run)] == ["shift", "report"]
        assert due(STAGES, config, run) == []
    page = (run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert "segments of" in page


def test_walks_are_files_too(config: Config, run: Run) -> None:
    rows = json.loads((run.path / "walks.json").read_text())
    sweeps = sorted(run.path.glob("walks/*/*/sweep.json"))
    assert len(sweeps) == len(rows)
    for path in sweeps:
        said = json.loads(path.read_text())
        assert said["encoder"] == run.facts["encoder"]
        assert said["stop"] in ("target", "jump", "largest change", "largest shift")
        assert said["steps"][0]["shift"] == 0
        assert said["steps"][-1]["matched"] == said["matched"]
        with Image.open(path.parent / "walk.gif") as moving:
            assert moving.info["loop"] == 0
        assert len(list(path.parent.glob("frames/*.png"))) == len(said["steps"])


def test_what_draws_again_can_be_taken_elsewhere(run: Run, taken: Taken) -> None:
    found = taken(run)["autoencoder"]["answer"][0]
    np.testing.assert_allclose(to_signed(found, (0.0, 255.0)), run["drawn/test"][0], atol=1e-3)


def test_steps_and_disk_are_as_a_check_says_before(config: Config, run: Run, tmp_path: Path) -> None:
    assert_as_checked(config, run, ("detect", "decode"), tmp_path)
