"""The tiny config, as shipped: from simulated cells to a page, and what must hold on the way."""

import csv
from pathlib import Path

import numpy as np
import pytest
from tests.end_to_end.conftest import Taken, assert_as_checked

import aliter
from aliter.core.errors import RequestError
from aliter.data.run import Run
from aliter.ops.intensity import pearson
from aliter.workflows.stage import due
from aliter.workflows.staining import STAGES, Config
from aliter.workflows.staining.evaluate import ORACLE, methods_of, predicted, rows_of
from aliter.workflows.staining.gather import STATISTICS
from aliter.workflows.staining.pairs import pairs_of
from aliter.workflows.staining.predict import stainer

CONFIG = Path(__file__).parents[2] / "configs" / "staining" / "tiny.yaml"


def test_fields_are_split_three_ways_and_measured_where_they_are_learned_from(run: Run) -> None:
    pairs = pairs_of(run)
    parts = [set(pairs.fields.split(name).tolist()) for name in ("train", "val", "test")]
    assert set.union(*parts) == set(range(8))
    assert sum(map(len, parts)) == 8
    train = np.stack([pairs.fields.stored(number) for number in sorted(parts[0])]).astype(float)
    np.testing.assert_allclose(run["statistics"][:, STATISTICS.index("mean")], train.mean((0, 2, 3)))
    np.testing.assert_allclose(
        run["statistics"][:, STATISTICS.index("p99.9")], [np.percentile(train[:, one], 99.9) for one in range(3)]
    )
    stain = pairs.stain(0)
    np.testing.assert_allclose(pairs.unsigned(pairs.signed(stain)), stain, rtol=1e-5, atol=1e-3)


def test_losses_are_finite_and_fall(run: Run) -> None:
    losses = [row["regress/mse"] for row in run.metrics("regress") if "regress/mse" in row]
    assert losses[-1] < losses[0] / 2
    rows = [row for row in run.metrics("translate") if "generate/matching" in row]
    assert np.isfinite([[row["generate/adversarial"], row["generate/matching"]] for row in rows]).all()
    assert rows[-1]["generate/matching"] < rows[0]["generate/matching"]


def test_networks_see_the_nuclei_and_nothing_beats_the_oracle(run: Run, figures: dict[str, float]) -> None:
    for name in ("regression", "gan"):
        assert figures[f"PCC, {name}"] > 0.3
        assert figures[f"PCC, {name}"] < figures[f"PCC, {ORACLE}"]
        assert figures[f"PSNR, {name}"] < figures[f"PSNR, {ORACLE}"]
    assert figures["fields in more than one split"] == 0


def test_figures_are_means_over_fields_of_the_table(run: Run, figures: dict[str, float]) -> None:
    pairs = pairs_of(run)
    with (run.path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["method"] for row in rows} == {*methods_of(run), "real stain"}
    values = [float(row["PCC"]) for row in rows if row["method"] == "gan"]
    assert figures["PCC, gan"] == pytest.approx(np.mean(values), abs=1e-6)
    row = rows_of(pairs)[0]
    image = predicted(run, pairs, "gan", row)
    assert values[0] == pytest.approx(pearson(pairs.stain(int(pairs.held[row]))[0], image[0]), abs=1e-6)


def test_draws_belong_to_their_keys_and_without_keys_nothing_is_dropped(config: Config, run: Run) -> None:
    pairs = pairs_of(run)
    x, row = pairs.x(int(pairs.held[0])), 0
    for name in ("regression", "gan"):
        stain = stainer(config, run, pairs, name)
        np.testing.assert_array_equal(stain(x, None), run[f"predictions/{name}"][row])
        np.testing.assert_array_equal(stain(x, ("a", 1)), stain(x, ("a", 1)))
        assert (stain(x, ("a", 1)) != stain(x, ("a", 2))).any()


def test_doubt_is_the_spread_of_draws_and_is_calibrated_elsewhere(
    config: Config, run: Run, figures: dict[str, float]
) -> None:
    pairs = pairs_of(run)
    number = int(pairs.held[0])
    stain = stainer(config, run, pairs, "gan")
    draws = np.stack([stain(pairs.x(number), ("gan", number, draw)) for draw in range(4)]).astype(float)
    np.testing.assert_allclose(run["doubt/gan/mean"][0], draws.mean(0), rtol=1e-4)
    floor = 1e-3 * pairs.data_range[0]
    np.testing.assert_allclose(run["doubt/gan/sd"][0], np.maximum(draws.std(0, ddof=1), floor), rtol=1e-3)
    held = ~pairs.tested
    z = np.abs(np.stack([pairs.stain(int(one)) for one in pairs.held[held]]) - run["doubt/gan/mean"][held])
    z = z / run["doubt/gan/sd"][held]
    assert figures["sigma scaling, gan"] == pytest.approx(float(np.sqrt(np.mean(z**2))), rel=1e-4)
    assert np.mean(z <= figures["conformal factor, gan"]) == pytest.approx(0.95, abs=1e-3)
    assert figures["coverage of 95 %, raw, gan"] < figures["coverage of 95 %, scaled, gan"]
    presence = run["doubt/gan/presence"]
    assert 0 <= presence.min() <= presence.max() <= 1


def test_a_changed_question_redoes_no_learning(config: Config, run: Run) -> None:
    values = config.model_dump(mode="json")
    changed = Config.model_validate({**values, "doubt": {**values["doubt"], "draws": 5}})
    with run.working():
        assert [one.stage.name for one in due(STAGES, changed, run)] == ["doubt", "report"]
        assert due(STAGES, config, run) == []
    assert "nuclei" in (run.path / "report" / "index.html").read_text(encoding="utf-8")
    assert list((run.path / "samples" / "translate").glob("*.png"))


def test_channels_that_are_not_there_are_named(config: Config, tmp_path: Path) -> None:
    values = config.model_dump(mode="json")
    images = {"simulate": "phase", "count": 4, "size": 64}
    with pytest.raises(RequestError, match="one of phase, nuclei, membrane; found 'actin'"):
        aliter.run({**values, "images": images, "target": ["actin"]}, to=tmp_path / "run", stage="gather")


def test_the_networks_that_stain_can_be_taken_elsewhere(config: Config, run: Run, taken: Taken) -> None:
    pairs = pairs_of(run)
    whole = config.model_copy(update={"predict": config.predict.model_copy(update={"tile_px": max(pairs.shape)})})
    for name, found in taken(run).items():
        stained = stainer(whole, run, pairs, name)(pairs.x(int(pairs.fields.split("test")[0])), None)
        np.testing.assert_allclose(found["answer"][0], stained, rtol=1e-3, atol=0.1)


def test_steps_and_disk_are_as_a_check_says_before(config: Config, run: Run, tmp_path: Path) -> None:
    assert_as_checked(config, run, ("regress", "translate"), tmp_path)
