"""What any run can say of itself: where it comes from, its figures, the few numbers that matter."""

import json
from collections.abc import Mapping
from dataclasses import replace

from aliter.data.run import Figure, Run
from aliter.report.page import Provenance, Table, figure_table

_NOTHING: Mapping[str, str] = {}


def provenance(run: Run, facts: Mapping[str, str] = _NOTHING) -> Provenance:
    """Return where ``run`` comes from: config, versions, and the key of every finished stage, after ``facts``."""
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    config = (run.path / "config.yaml").read_text(encoding="utf-8")
    keys = {f"key of {stage}": key.digest for stage, key in run.finished.items()}
    return Provenance.of(config, environment, {**facts, **keys})


def stage_tables(run: Run) -> list[Table]:
    """Return a table of the figures of each finished stage."""
    return [replace(figure_table(figures), caption=stage) for stage, figures in run.figures().items()]


def headline(run: Run, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those of the ``wanted`` figures that there are: their name, and the words that a reader sees."""
    found: dict[str, Figure] = {one.name: one for figures in run.figures().values() for one in figures}
    return {words: f"{found[name].value:.3f}" for name, words in wanted.items() if name in found}
