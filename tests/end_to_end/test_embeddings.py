"""The tiny config, as shipped: from simulated nuclei to a page, and what it must reach."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from tests.end_to_end.conftest import Taken

from aliter.data.run import Run
from aliter.ops.labels import affinities, variation_of_information
from aliter.workflows.embeddings import STAGES, Config
from aliter.workflows.embeddings.contrast import told_apart
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.points import clicks_of
from aliter.workflows.embeddings.rows import described, remembered, rows_of
from aliter.workflows.embeddings.validate import scores_of
from aliter.workflows.stage import due

CONFIG = Path(__file__).parents[2] / "configs" / "embeddings" / "tiny.yaml"


def test_views_become_easier_to_match_and_losses_fall_below_chance(run: Run) -> None:
    rows = run.metrics("contrast")
    points = run["snapshots/150/points"].shape[1]
    chance = np.log(2 * 2 * points - 1)
    held = [row["held-out loss"] for row in rows if "held-out loss" in row]
    assert held[-1] < chance - 0.1


@pytest.mark.parametrize(("share", "lost"), [(0.4, False), (0.004, True)])
def test_an_embedding_in_which_all_points_look_alike_is_told(
    share: float, lost: bool, config: Config, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run").mkdir()
    run = Run(tmp_path / "run", config)
    rows = [{"stage": "contrast", "found": found, "found by chance": 0.002} for found in (0.3, share)]
    (run.path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    figure = told_apart(run)
    assert figure.value == share
    assert figure.images == 500
    assert ("lower contrast.fit.rate" in caplog.text) == ("lower contrast.fit.rate" in figure.note) == lost


def test_the_embedding_segments(figures: dict[str, float]) -> None:
    assert figures["foreground IoU, embedding, head, 32 clicks"] > 0.4
    assert figures["foreground IoU, filters, forest, 32 clicks"] > 0.5


def test_the_embedding_beats_one_that_learned_nothing(figures: dict[str, float]) -> None:
    learned, fresh = (figures[f"foreground IoU, {name}, head, 32 clicks"] for name in ("embedding", "random"))
    assert learned > fresh


def test_affinities_that_were_learned_make_objects(run: Run, figures: dict[str, float]) -> None:
    name = "embedding, affinities, all labels"
    assert figures[f"foreground IoU, {name}"] > 0.6
    fields = fields_of(run)
    predicted = run[f"affinities/{name}/0/0"][0].astype(np.float32)
    truth = affinities(fields.objects(int(run["segmented/field"][0])))
    assert predicted.shape == truth.shape
    plain = np.square(truth - truth.mean((1, 2), keepdims=True)).mean()
    assert np.square(truth - predicted).mean() < 0.7 * plain


def test_clicks_are_right_distinct_balanced_and_nested(run: Run) -> None:
    fields, clicks = fields_of(run), clicks_of(run, 0)
    for number, at, label in zip(clicks.field, clicks.at, clicks.label, strict=True):
        assert fields.splits[number] == 0
        assert (fields.objects(int(number))[tuple(at)] > 0) == label
    assert len({(number, *at) for number, at in zip(clicks.field, clicks.at.tolist(), strict=True)}) == 32
    for count in (8, 16, 32):
        assert clicks.first(count).label.sum() == count // 2


def test_what_is_known_of_clicks_is_what_is_known_of_their_fields(run: Run) -> None:
    features, clicks = ("embedding", "filters"), clicks_of(run, 0)
    rows = rows_of(run, features, clicks)
    describe = remembered(run, features, 3)
    for row, label, number, at in zip(rows.x, rows.y, clicks.field.tolist(), clicks.at.tolist(), strict=True):
        np.testing.assert_array_equal(row, describe(features, number)[(slice(None), *at)])
        np.testing.assert_array_equal(row, described(run, features, number)[(slice(None), *at)])
        assert label == clicks.label[(clicks.field == number) & (clicks.at == at).all(1)]


def test_objects_that_no_threshold_changes_are_scored_as_any(run: Run) -> None:
    fields, name = fields_of(run), "objects/filters, forest/32"
    truth, found = fields.objects(int(fields.split("test")[0])), run[name][0]
    other = np.where(found == found.max(), 0, found)
    both = scores_of([found, found, other, found], truth)
    alone = [scores_of([one], truth)[0] for one in (found, found, other, found)]
    np.testing.assert_array_equal(both, alone)
    assert not np.array_equal(both[1], both[2])


def test_the_table_holds_what_was_measured_and_thresholds_are_chosen_on_validation(run: Run) -> None:
    with (run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = {(row["learner"], row["clicks"]) for row in rows}
    assert ("embedding, affinities, all labels", "all") in told
    for learner, clicks in told:
        val = [row for row in rows if (row["learner"], row["clicks"], row["split"]) == (learner, clicks, "val")]
        best = min(val, key=lambda row: float(row["voi_sum"]))
        assert best["chosen"] == "1"
        assert sum(int(row["chosen"]) for row in val) == 1
    fields = fields_of(run)
    test = fields.split("test").tolist()
    objects = run["objects/filters, forest/32"]
    split, merge = np.mean(
        [variation_of_information(fields.objects(n), one) for n, one in zip(test, objects, strict=True)], axis=0
    )
    (row,) = [
        row
        for row in rows
        if (row["learner"], row["clicks"], row["split"], row["chosen"]) == ("filters, forest", "32", "test", "1")
    ]
    assert float(row["voi_split"]) == pytest.approx(split, abs=1e-5)
    assert float(row["voi_merge"]) == pytest.approx(merge, abs=1e-5)


def test_other_clicks_redo_no_pretraining(config: Config, run: Run) -> None:
    values = config.model_dump(mode="json")
    changed = Config.model_validate({**values, "points": {"count": 32, "seed": 1}})
    with run.working():
        names = [one.stage.name for one in due(STAGES, changed, run)]
        assert names == ["points", "segment", "validate", "report"]
        assert due(STAGES, config, run) == []
    assert (run.path / "report" / "index.html").is_file()


def test_the_encoder_can_be_taken_elsewhere(run: Run, taken: Taken) -> None:
    stored = run["features/embedding"][int(fields_of(run).split("test")[0])]
    np.testing.assert_allclose(taken(run)["encoder"]["answer"][0], stored, rtol=2e-3, atol=2e-3)
