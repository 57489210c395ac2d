import csv
from pathlib import Path

import pytest

from aliter.core.errors import ConfigError, RequestError
from aliter.workflows.grid import changed, combined, grid, options, run_grid

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
    outcomes = run_grid([found[number] for number in (0, 2, 1)], tmp_path / "out", "cpu", said.append)
    assert [one.error is None for one in outcomes] == [True, False, True]
    for stage in ("contrast", "embed", "segment", "validate"):
        assert any(line.startswith(f"{stage}: linked from") for line in said), stage
    with (tmp_path / "out" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["0", "2", "1"]
    name = "foreground IoU, filters, forest, 8 clicks"
    assert float(rows[0][name]) == pytest.approx(outcomes[0].figures[name], rel=1e-5)
    assert "margin_px" in rows[1]["error"]
    again = run_grid(found[:1], tmp_path / "out", "cpu", said.append)
    assert again[0].figures == outcomes[0].figures
    with pytest.raises(ConfigError, match=r"did you mean 'count'"):
        grid(path, ["points.coutn=1"])
