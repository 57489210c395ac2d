"""What any run can say of itself: where it comes from, its figures, the few numbers that matter."""

import json
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.splits import SPLITS, straddling
from aliter.report.page import Prose, Provenance, Table, figure_table

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


def splits(images: Images) -> list[Prose | Table]:
    """Return how many images and groups each split holds, and the proof that no group stands in two of them."""
    groups, numbers = np.array(images.groups), images.splits
    rows = []
    for place, name in enumerate(SPLITS):
        chosen = numbers == place
        known = f"{len(set(groups[chosen])):,}" if len(groups) else "–"
        counts = np.bincount(images.labels[chosen], minlength=len(images.classes))
        rows.append((name, *(f"{count:,}" for count in counts), known))
    table = Table(("split", *images.classes, "groups"), rows, "", (*images.classes, "groups"))
    if not len(groups):
        words = "These images have no groups (plate, donor, slide), so it cannot be shown that splits are independent."
    elif torn := straddling(images.groups, numbers):
        words = f"Groups stand in more than one split: {', '.join(torn[:5])}. Figures on the test split are too good."
    else:
        words = f"Each of the {len(set(images.groups)):,} groups stands in one split only: compared name by name."
    return [Prose(words), table]


def headline(run: Run, wanted: Mapping[str, str]) -> dict[str, str]:
    """Return those of the ``wanted`` figures that there are: their name, and the words that a reader sees."""
    found = run.figures_by_name()
    return {words: f"{found[name].value:.3f}" for name, words in wanted.items() if name in found}
