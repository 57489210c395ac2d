"""Clicks: drawn, read from a table, drawn from strokes."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import aliter
from aliter.core.errors import ConfigError, DataError, RequestError
from aliter.data.clicks import read_table, write_table
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.data.simulate import Nuclei
from aliter.data.simulate.store import write_simulation
from aliter.workflows.embeddings import STAGES, Config
from aliter.workflows.embeddings.points import Pointing, clicks_of, drawn
from aliter.workflows.stage import due


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fields") / "fields.zarr"
    write_simulation(Nuclei(count=5, size=64), path)
    return path


def run_of(store: Path, folder: Path, clicks: tuple[int, ...] = (4,), **points: object) -> Run:
    config = Config.model_validate(
        {"images": store, "points": {"count": 4, **points}, "segment": {"clicks": clicks, "learners": []}}
    )
    return aliter.run(config, to=folder / "run", stage="points")


def test_what_was_drawn_is_written_and_read_back(store: Path, tmp_path: Path) -> None:
    fields = Fields(store)
    clicks = drawn(fields, Pointing(count=10), 0)
    write_table(tmp_path / "clicks.csv", fields, clicks)
    assert (tmp_path / "clicks.csv").read_text().splitlines()[0] == "field,y,x,label"
    read = read_table(tmp_path / "clicks.csv", fields)
    for name in ("field", "at", "label"):
        np.testing.assert_array_equal(getattr(read, name), getattr(clicks, name))


def test_a_run_takes_the_clicks_of_a_table_in_its_order(store: Path, tmp_path: Path) -> None:
    name = Fields(store).ids[1]
    table = tmp_path / "clicks.csv"
    table.write_text(f"label,y,x,field\n0,3,4,{name}\n1,5,60,{Path(name).stem}\n1,0,0,{name}\n")
    run = run_of(store, tmp_path, source=table)
    clicks = clicks_of(run, 0, 2)
    assert (clicks.field.tolist(), clicks.at.tolist(), clicks.label.tolist()) == ([1, 1], [[3, 4], [5, 60]], [0, 1])
    with pytest.raises(RequestError, match="at most the 3 points there are, found 4"):
        clicks_of(run, 0, 4)
    with pytest.raises(RequestError, match="objects and background among the first 1"):
        clicks_of(run, 0, 1)
    table.write_text(f"field,y,x,label\n{name},1,1,0\n")
    with run.working():
        assert "points" in [one.stage.name for one in due(STAGES, run_config(run), run, "points")]


def run_config(run: Run) -> Config:
    return Config.read(run.path / "config.yaml")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("field,y,x\na,1,1\n", "a first line with field, y, x, label"),
        ("field,y,x,label\n{train},1,1.5,0\n", "whole numbers"),
        ("field,y,x,label\n{train},1,64,0\n", r"a voxel of \(64, 64\) and the label 0 or 1, found \[1, 64\] and 0"),
        ("field,y,x,label\n{train},1,1,2\n", r"the label 0 or 1, found \[1, 1\] and 2"),
        ("field,y,x,label\n{train},1,1,0\n{train},1,1,1\n", "clicks.csv:3: expected each voxel once"),
        ("field,y,x,label\n{test},1,1,0\n", "a field for training, found '{test}' in 'test'"),
        ("field,y,x,label\nnobody,1,1,0\n", "the name of a field"),
        ("field,y,x,label\n", "a line for each click, found none"),
    ],
)
def test_a_table_that_does_not_fit_is_one_sentence(store: Path, tmp_path: Path, rows: str, said: str) -> None:
    fields = Fields(store)
    names = {"train": fields.ids[0], "test": fields.ids[-1]}
    (tmp_path / "clicks.csv").write_text(rows.format(**names))
    with pytest.raises(DataError, match=said.format(**names) if "{" in said else said):
        read_table(tmp_path / "clicks.csv", fields)


def test_strokes_are_drawn_from_in_turn(store: Path, tmp_path: Path) -> None:
    fields, folder = Fields(store), tmp_path / "strokes"
    folder.mkdir()
    painted = np.zeros((2, 64, 64), np.uint8)
    painted[0, 10, 5:25], painted[1, 30:50, 7] = 1, 2
    for number, labels in enumerate(painted):
        tifffile.imwrite(folder / f"{Path(fields.ids[number]).stem}.tif", labels)
    run = run_of(store, tmp_path, source=folder, count=12, repeats=2)
    first, second = clicks_of(run, 0), clicks_of(run, 1)
    assert first.label.tolist() == [1, 0] * 6
    for number, at, label in zip(first.field, first.at, first.label, strict=True):
        assert painted[number][tuple(at)] == label + 1
    assert len({tuple(at) for at in first.at.tolist()}) == 12
    assert first.at.tolist() != second.at.tolist()
    with pytest.raises(RequestError, match="at most 40 with what was painted, found 42"):
        run_of(store, tmp_path / "more", source=folder, count=42)


def test_strokes_that_do_not_fit_are_one_sentence(store: Path, tmp_path: Path) -> None:
    fields, folder = Fields(store), tmp_path / "strokes"
    folder.mkdir()
    path = folder / f"{Path(fields.ids[0]).stem}.tif"
    tifffile.imwrite(path, np.ones((64, 64), np.uint8))
    with pytest.raises(DataError, match="of 2 in objects, found 4096 and 0 voxels"):
        run_of(store, tmp_path / "a", source=folder)
    tifffile.imwrite(path, np.full((64, 63), 2, np.uint8))
    with pytest.raises(DataError, match=r"of shape \(64, 64\), found 2 to 2 of shape \(64, 63\)"):
        run_of(store, tmp_path / "b", source=folder)


def test_more_clicks_than_points_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"points\.count to be at least 64"):
        Config.parse({"images": "x", "points": {"count": 32}, "segment": {"clicks": [64]}}, Path("my.yaml"))
