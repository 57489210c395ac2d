"""Score every attribution: by the change that its mask brings about, and by planted truth where there is some."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float

from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.run import Figure, Run
from aliter.methods.walk import MaskSweep, Sweep
from aliter.methods.walk.swept import Swept, swept
from aliter.nets.frozen import Frozen
from aliter.ops.curves import population
from aliter.ops.truth import overlap
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.pairs import Pairs, methods_of, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

TRUTH = ("IoU", "precision", "recall", "average precision")
"""What ``truth_scores`` and ``shortcut_scores`` hold, in order."""
PLANTED = ("truth", "shortcut")
"""What may be known of pairs: where the classes differ, and where else the images tell them apart and should not."""


class Evaluating(Spec):
    """How attributions are scored."""

    sweep: Sweep = MaskSweep()
    """How masks are grown; ``{kind: published_sweep}`` for comparison with published figures."""


@dataclass(frozen=True)
class _Case:
    pairs: Pairs
    method: str
    planted: tuple[str, ...]
    """What is known of these pairs."""

    def name(self, what: str) -> str:
        return self.pairs.name(f"{what}/{self.method}")


def evaluate(config: "Config", run: Run) -> None:
    """Write curve, score, optimal mask, what the classifier makes of its hybrid, and the comparison with truth."""
    cases = [
        _Case(pairs, method, tuple(what for what in PLANTED if pairs.name(what) in run))
        for pairs in pairs_of(run)
        for method in methods_of(run, pairs)
    ]
    fill(_evaluator, config, run, [_task(run, case, config.evaluate.sweep.steps) for case in cases])
    for case in cases:
        curves = run.load(case.name("curves"))
        run.save(case.name("population"), population(curves.reshape(-1, *curves.shape[2:])), ("share", "quartile"))
    for pairs in pairs_of(run):
        _rank(run, pairs, methods_of(run, pairs))
    run.record(_figures(run, cases))


def _rank(run: Run, pairs: Pairs, methods: list[str]) -> None:
    """Write which method explains each counterfactual best, by score; of equals the first."""
    if methods:
        scores = np.stack([run.load(pairs.name(f"scores/{method}")) for method in methods])
        best = run.create(pairs.name("best"), scores.shape[1:], np.int16, ("index", "batch"), {"methods": methods})
        best[...] = scores.argmax(0)


def _task(run: Run, case: _Case, steps: int) -> Task[_Case]:
    shape = run.array(case.name("attributions")).shape
    classes = run.array(case.pairs.name("predictions")).shape[-1]
    of_one: dict[str, tuple[tuple[int, ...], Any, tuple[str, ...]]] = {
        "curves": ((steps + 2, 3), np.float64, ("step", "threshold_size_change")),
        "scores": ((), np.float64, ()),
        "thresholds": ((), np.float64, ()),
        "masks": (shape[2:], np.bool_, layout.IMAGE[1:]),
        "hybrid_predictions": ((classes,), np.float32, ("class",)),
    }
    facts = {}
    for planted in case.planted:
        of_one[f"{planted}_scores"] = ((len(TRUTH),), np.float64, ("score",))
        facts[f"{planted}_scores"] = {"scores": list(TRUTH)}
    return Task(
        case,
        {
            what: Blank(case.name(what), (*shape[:2], *rest), dtype, ("index", "batch", *axes), facts.get(what, {}))
            for what, (rest, dtype, axes) in of_one.items()
        },
    )


def _evaluator(config: "Config", run: Run) -> Compute[_Case]:
    return partial(_evaluate, classifier_of(config, run), config.evaluate.sweep, run)


def _evaluate(probe: Frozen, sweep: Sweep, run: Run, case: _Case, rows: slice) -> dict[str, np.ndarray]:
    """Return what is written of a block, by name."""
    queries, generated = case.pairs.queries(run, rows), case.pairs.generated(run, rows)
    maps = np.asarray(run.array(case.name("attributions"))[rows]).astype(np.float32)
    planted = {what: np.asarray(run.array(case.pairs.name(what))[rows]) for what in case.planted}
    found: list[dict[str, np.ndarray]] = []
    for row, kept in np.ndindex(maps.shape[:2]):
        x, other, attribution = (
            torch.from_numpy(one).to(run.device) for one in (queries[row], generated[row, kept], maps[row, kept])
        )
        target = case.pairs.target
        one = _arrays(swept(probe.scores, sweep, x, other, attribution, target), sweep.steps, target)
        for what, marks in planted.items():
            one[f"{what}_scores"] = overlap(marks[row], one["masks"], maps[row, kept])
        found.append(one)
    return {
        what: np.stack([one[what] for one in found]).reshape(*maps.shape[:2], *found[0][what].shape)
        for what in found[0]
    }


def _arrays(one: Swept, steps: int, target: int) -> dict[str, np.ndarray]:
    """Return what one sweep tells, by the names of the arrays that hold it."""
    walk = one.walk
    curve = np.full((steps + 2, 3), np.nan)
    curve[: len(walk.t)] = np.stack([walk.setting, walk.t, walk.change(target)], axis=1)
    return {
        "curves": curve,
        "scores": np.asarray(one.score),
        "thresholds": np.asarray(walk.setting[one.chosen]),
        "masks": one.mask.cpu().numpy(),
        "hybrid_predictions": walk.score[one.chosen].astype(np.float32),
    }


def _figures(run: Run, cases: list[_Case]) -> list[Figure]:
    """Return the median score of each method and kind, and the mean scores against truth."""
    groups: dict[tuple[str, str], list[_Case]] = {}
    for case in cases:
        groups.setdefault((case.pairs.kind, case.method), []).append(case)
    figures = []
    for (kind, method), members in groups.items():
        scores = np.concatenate([run.load(case.name("scores")).ravel() for case in members])
        low, high = np.quantile(scores, (0.25, 0.75))
        figures.append(
            Figure(
                f"QuAC score, {method}, {kind}",
                float(np.median(scores)),
                len(scores),
                note=f"median; half of all from {low:.3f} to {high:.3f}",
            )
        )
        for planted in members[0].planted:
            rows = np.concatenate(
                [run.load(case.name(f"{planted}_scores")).reshape(-1, len(TRUTH)) for case in members]
            )
            figures += _against(planted, rows, f"{method}, {kind}")
    return figures


def _against(planted: str, rows: Float[np.ndarray, "N 4"], of: str) -> list[Figure]:
    """Return the mean of each score over the pairs in which something was ``planted``."""
    known = rows[~np.isnan(rows).any(axis=1)]
    if not len(known):
        return []
    where = "" if planted == "truth" else f" with the {planted}"
    note = f"mean, against the planted {planted}"
    names = [f"{name}{where}, {of}" for name in TRUTH]
    return [Figure(name, float(mean), len(known), note=note) for name, mean in zip(names, known.mean(0), strict=True)]
