"""The exercise: two notebooks of one script; the solution runs, the exercise leaves out what is to be found."""

import ast
import csv
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples" / "plot_staining.py"
NOTEBOOKS = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "notebooks.py")))
SIZES = "FIELDS, SIDE, CROP, STEPS, DRAWS = 8, 96, 64, 60, 6"
MICRO = "FIELDS, SIDE, CROP, STEPS, DRAWS = 8, 64, 32, 2, 2"


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    paths = NOTEBOOKS.write(SCRIPT, tmp_path_factory.mktemp("notebooks"))
    assert [path.name for path in paths] == ["staining_exercise.ipynb", "staining_solution.ipynb"]
    return {path.stem.removeprefix("staining_"): nbformat.read(path, as_version=4) for path in paths}


def code(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_notebooks_are_sound_and_the_exercise_gives_nothing_away(notebooks: dict[str, Any]) -> None:
    for one in notebooks.values():
        nbformat.validate(one)
    exercise, solution = ("\n".join(code(notebooks[kind])) for kind in ("exercise", "solution"))
    assert "..." not in solution
    assert exercise.count("...") >= 10
    for found in (
        "(maps[-1] - wanted).square()",
        "average_precision(truth, found",
        "np.quantile(distance",
        ".std(0, ddof=1)",
    ):
        assert found in solution
        assert found not in exercise
    for cell in code(notebooks["exercise"]):
        ast.parse(cell)
    words = "\n".join(cell.source for cell in notebooks["exercise"].cells if cell.cell_type == "markdown")
    assert [f"Part {number}:" in words for number in range(1, 6)] == [True] * 5
    assert "3.01 dB" not in words


def test_the_solution_runs_and_says_what_theory_says(
    notebooks: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cells = code(notebooks["solution"])
    assert sum(SIZES in cell for cell in cells) == 1
    for cell in cells:
        exec(compile(cell.replace(SIZES, MICRO), "<cell>", "exec"), names)
    said = capsys.readouterr().out
    assert "the same batch: True" in said
    assert "it cannot tell at a loss of 0.5\n" in said
    assert names["behind"] == pytest.approx(3.01, abs=0.2)
    with (names["run"].path / "metrics.csv").open(encoding="utf-8") as file:
        first = next(row for row in csv.DictReader(file) if row["method"] == "gan")
    expected = [float(first[name]) for name in ("PCC", "PSNR", "AP50")]
    np.testing.assert_allclose(names["scores"](names["predicted"]["gan"]), expected, atol=1e-5)
