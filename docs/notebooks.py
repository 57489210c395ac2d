"""Notebooks of the exercise: one with tasks, one with solutions.

    .venv/bin/python docs/notebooks.py notebooks

A cell of the script that is tagged ``task`` is in the exercise only, one tagged ``solution`` in the solution only.
"""

import json
import sys
from pathlib import Path
from runpy import run_path
from typing import Any, Literal

ROOT = Path(__file__).parents[1]
_CELLS = run_path(str(ROOT / "docs" / "hooks.py"))["cells"]
_KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
Kind = Literal["exercise", "solution"]
_LEFT_OUT = {"exercise": '"solution"', "solution": '"task"'}


def notebook(source: str, kind: Kind) -> dict[str, Any]:
    """Return a script of percent cells as a notebook of format 4.5, without the cells of the other kind."""
    made = []
    for mark, text in _CELLS(source):
        if not text or _LEFT_OUT[kind] in mark:
            continue
        cell: dict[str, Any] = {"id": f"cell-{len(made)}", "metadata": {}, "cell_type": "code"}
        if "markdown" in mark:
            text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
            cell["cell_type"] = "markdown"
        else:
            cell |= {"execution_count": None, "outputs": []}
        made.append(cell | {"source": text})
    return {"cells": made, "metadata": _KERNEL, "nbformat": 4, "nbformat_minor": 5}


def write(script: Path, out: Path) -> list[Path]:
    """Write both notebooks of ``script`` into ``out``, and return their paths."""
    out.mkdir(parents=True, exist_ok=True)
    name, source = script.stem.removeprefix("plot_"), script.read_text(encoding="utf-8")
    paths = []
    for kind in _LEFT_OUT:
        paths.append(out / f"{name}_{kind}.ipynb")
        text = json.dumps(notebook(source, kind), indent=1, ensure_ascii=False)  # type: ignore[arg-type]
        paths[-1].write_text(text + "\n", encoding="utf-8")
    return paths


if __name__ == "__main__":
    for path in write(ROOT / "examples" / "plot_staining.py", Path(*sys.argv[1:2] or ["notebooks"])):
        print(path)
