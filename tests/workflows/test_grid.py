import csv
import gc
import json
import time
from pathlib import Path

import pytest

from aliter.core.errors import ConfigError, RequestError
from aliter.workflows.grid import changed, combined, finished, grid, options, run_grid
from aliter.workflows.jobs import submit

MICRO = """
workflow: embeddings
images: {simulate: nuclei, count: 4, size: 64, seed: 0}
points: {count: 8}
contrast:
  views: {size: [52, 52], density: 0.1}
  fit: {steps: 2, size: 1, judge_every: 2, save_every: 2, threads: 1}
embed: {features: [filters]}
segment: {clicks: [8], learners: [{kind: forest, trees: 3}]}
report: {fields: 1}
"""


def test_the_last_key_is_fastest_and_lists_in_lists_are_one_value() -> None:
    contrastive = {"lr": [1, 2], "dataset": [["a", "b"]], "elastic": [{"x": [1, 2]}], "density": [3, 4], "t": [5, 6, 7]}
    found = combined([contrastive, {"model": ["m", "n"]}])
    assert len(found) == 24
    assert [found[7][key] for key in ("lr", "density", "t", "model")] == [1, 4, 5, "n"]
    assert [found[12][key] for key in ("lr", "density", "t", "model")] == [2, 3, 5, "m"]
    assert [found[23][key] for key in ("lr", "density", "t", "model")] == [2, 4, 7, "n"]
    assert all(one["dataset"] == ["a", "b"] for one in found)
    assert len(combined([{"num_points": [16, 32], "thresholds": [[0.5, 0.75]], "head": ["a", "b"], "b": [0]}])) == 4
    with pytest.raises(RequestError, match="lr: expected one or more values, found none"):
        combined([{"lr": []}])


def test_options_are_yaml() -> None:
    assert options(["a.b=1,2", "c=[1, 2],[3, 4]", "d={x: 1}"]) == {
        "a.b": [1, 2],
        "c": [[1, 2], [3, 4]],
        "d": [{"x": 1}],
    }
    for text in ("a", "a=", "=1", "a=[1"):
        with pytest.raises(RequestError, match="expected key=value,value"):
            options([text])


def test_values_are_changed_in_a_copy() -> None:
    values = {"a": {"b": 1}, "c": 2}
    assert changed(values, {"a.b": 3, "d.e": 4}) == {"a": {"b": 3}, "c": 2, "d": {"e": 4}}
    assert values == {"a": {"b": 1}, "c": 2}
    with pytest.raises(ConfigError, match=r"c.x: expected settings under 'c', found 2"):
        changed(values, {"c.x": 1})


def test_runs_share_what_is_equal_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    path = tmp_path / "micro.yaml"
    path.write_text(MICRO)
    said: list[str] = []
    found = grid(path, ["points.margin_px=0,40", "report.fields=1,2"])
    assert len(found) == 4
    outcomes = run_grid(found, tmp_path / "out", "cpu", said.append, (0, 2, 1))
    assert [one.error is None for one in outcomes] == [True, False, True]
    for stage in ("contrast", "embed", "segment", "validate"):
        assert any(line.startswith(f"{stage}: linked from") for line in said), stage
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "1", "2"]
    name = "foreground IoU, filters, forest, 8 clicks"
    assert float(rows[0][name]) == pytest.approx(outcomes[0].figures[name], rel=1e-5)
    assert "margin_px" in rows[2]["error"]
    assert [one.number for one in finished(found, tmp_path / "out")] == [0, 1]
    assert [
        one.number for one in finished(grid(path, ["points.margin_px=0", "report.fields=2,3"]), tmp_path / "out")
    ] == []
    again = run_grid(found[:1], tmp_path / "out", "cpu", said.append)
    assert again[0].figures == outcomes[0].figures
    with pytest.raises(ConfigError, match=r"did you mean 'count'"):
        grid(path, ["points.coutn=1"])


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_job_is_submitted_for_each_combination_and_the_table_holds_those_before(tmp_path: Path) -> None:
    path, out = tmp_path / "micro.yaml", tmp_path / "out"
    path.write_text(MICRO.replace("steps: 2", "steps: 1"))
    texts = ["report.fields=1,2"]
    found = grid(path, texts)
    run_grid(found, out, "cpu", lambda text: None, (0,))
    command = [str(path), "--to", str(out), "--vary=report.fields=1,2"]
    jobs = submit(found[1:], command, out, ["setup=[]"], "local")
    assert list(jobs) == [1]
    wait_for(out / "jobs" / f"{jobs[1]}_0_result.pkl")
    gc.collect()  # The job of a process on this machine warns when it goes.
    with (out / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [json.loads(row["report.fields"]) for row in rows] == [1, 2]
    assert not any(row["error"] for row in rows)


def test_what_a_cluster_does_not_take_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected key=value as in partition=gpu, found 'gpu'"):
        submit([], [], tmp_path, ["gpu"])
    with pytest.raises(RequestError, match="expected jobs that slurm takes, found: "):
        submit([], [], tmp_path, ["no_such_setting=1"])


def wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not come")
