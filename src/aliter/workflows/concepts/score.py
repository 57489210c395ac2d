"""Test whether the detector's answer rises along each concept, more than along what is none."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from aliter.core.errors import DataError
from aliter.data.run import Figure, Run
from aliter.methods.concept.cav import cav
from aliter.methods.concept.significance import learned_p
from aliter.ops.stats import benjamini_hochberg, bonferroni
from aliter.workflows.concepts.answer import answer_gradients
from aliter.workflows.concepts.bench import SHUFFLED, Bench, Row, Scoring
from aliter.workflows.concepts.blank import blank_rows
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.discover import Named, all_of, rows_of
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


def score(config: "Config", run: Run) -> None:
    """Differentiate the answer of every detection in ``test``; test every concept; check the tests themselves."""
    choice, tiles = config.score, tiles_of(run)
    net, layers = detector_of(config, run), config.discover.layers
    found = found_of(run, "test", run.facts["threshold"])
    if not len(found.tile):
        words = words_of(tiles)
        raise DataError(f"expected {words.found}, in {words.tile}s for testing, found none; train detect for longer")
    gradients = answer_gradients(net, tiles, found, layers, choice.answer, run.device)
    rows: list[Row] = []
    errors: list[Figure] = []
    for layer in layers:
        run.save(f"gradients/{layer}", gradients[layer], ("detection", "channel"))
        bench = Bench(choice, gradients[layer], rows_of(run, layer), rows_of(run, layer, "pool"), layer)
        concepts = all_of(config, run, layer)
        rows += [bench.row(one) for one in concepts]
        errors += bench.errors()
        _store(run, bench, concepts)
        if choice.controls:
            rows += [bench.row(one, SHUFFLED) for one in bench.shuffled(concepts)]
    if choice.controls:
        rows += blank_rows(config, run, tiles, found)
    rows = _corrected(_compared(rows))
    (run.folder / "concepts.json").write_text(json.dumps([asdict(row) for row in rows], indent=1), encoding="utf-8")
    differentiated = Figure(f"{words_of(tiles).found} differentiated", float(len(found.tile)), len(found.tile))
    run.record([differentiated, *_figures(rows, choice, len(found.tile)), *errors])


def scored(run: Run) -> list[Row]:
    """Return what ``score`` found."""
    place = run.folder if (run.folder / "concepts.json").is_file() else run.path
    return [Row(**row) for row in json.loads((place / "concepts.json").read_text(encoding="utf-8"))]


def _store(run: Run, bench: Bench, concepts: Sequence[Named]) -> None:
    """Save the direction of each concept, against all segments elsewhere: usable on any image."""
    kind = bench.choice.steer
    directions = [cav(bench.own[one.members], bench.pool, kind) for one in concepts]
    if directions:
        run.save(f"cavs/{bench.layer}", np.stack(directions).astype(np.float32), ("concept", "channel"))
        run.describe({f"cavs/{bench.layer}": [one.name for one in concepts]})


def cavs_of(run: Run, layer: str) -> dict[str, Float32[np.ndarray, " D"]]:
    """Return the stored directions of a layer, by name."""
    names = run.facts.get(f"cavs/{layer}", [])
    return dict(zip(names, run.load(f"cavs/{layer}"), strict=True)) if names else {}


def _compared(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with the p of each lean among those in networks that learned nothing, its own left out."""
    blank = {(row.key, row.network): row.lean for row in rows if row.network}
    made = []
    for row in rows:
        others = [lean for (key, network), lean in blank.items() if key == row.key and network != row.network]
        p = learned_p(row.lean, np.array(others)) if others and row.control != SHUFFLED else float("nan")
        made.append(replace(row, learned_p=p))
    return made


def _corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with their p corrected, over all layers; each control and network on its own."""
    made: list[Row] = []
    for control, network in dict.fromkeys((row.control, row.network) for row in rows):
        mine = [row for row in rows if (row.control, row.network) == (control, network)]
        rank, blank = (np.array([getattr(row, name) for row in mine]) for name in ("rank_p", "learned_p"))
        columns = (benjamini_hochberg(rank), bonferroni(rank), benjamini_hochberg(blank))
        for row, adjusted, family, learned in zip(mine, *columns, strict=True):
            made.append(replace(row, adjusted=float(adjusted), family=float(family), learned=float(learned)))
    return made


def _figures(rows: Sequence[Row], choice: Scoring, detections: int) -> list[Figure]:
    figures: list[Figure] = []
    for control in dict.fromkeys(row.control for row in rows):
        mine, name = [row for row in rows if row.control == control], control or "concepts"
        networks = len({row.network for row in mine})
        note = f"of {len(mine)}{f' in {networks} networks' if networks > 1 else ''}, p < {choice.alpha:g} "
        stand = np.array([row.adjusted < choice.alpha for row in mine])
        learned = np.array([row.learned < choice.alpha for row in mine])
        kinds = [("significant", stand, "by rank after Benjamini and Hochberg")]
        if np.isfinite([row.learned for row in mine]).all():
            kinds.append(("unlike random weights", learned, "among networks that learned nothing, corrected"))
            kinds.append(("learned", stand & learned, "in both tests"))
        figures += [
            Figure(f"{kind}, {name}", float(told.mean()), detections, note=note + by) for kind, told, by in kinds
        ]
    return figures
