"""Score every attribution: by the change that its mask brings about, and by planted truth where there is some."""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.run import Figure, Run
from aliter.methods.walk import MaskSweep, PublishedSweep, Sweep
from aliter.methods.walk.swept import Swept, swept
from aliter.nets.frozen import Frozen
from aliter.ops.curves import population
from aliter.ops.truth import overlap
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.pairs import Pairs, methods_of, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

TRUTH = ("IoU", "precision", "recall", "average precision")
"""What ``truth_scores`` holds, in order."""


class Evaluating(Spec):
    """How attributions are scored."""

    sweep: Sweep = MaskSweep()
    """How masks are grown; ``{kind: published_sweep}`` for comparison with published figures."""


@dataclass(frozen=True)
class _Case:
    pairs: Pairs
    method: str
    planted: bool
    """Whether the truth of these pairs is known."""

    def name(self, what: str) -> str:
        return self.pairs.name(f"{what}/{self.method}")


def evaluate(config: "Config", run: Run) -> None:
    """Write curve, score, optimal mask, what the classifier makes of its hybrid, and the comparison with truth."""
    cases = [
        _Case(pairs, method, pairs.name("truth") in run) for pairs in pairs_of(run) for method in methods_of(run, pairs)
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
    if case.planted:
        of_one["truth_scores"] = ((len(TRUTH),), np.float64, ("score",))
    facts = {"truth_scores": {"truth_scores": list(TRUTH)}}
    return Task(
        case,
        {
            what: Blank(case.name(what), (*shape[:2], *rest), dtype, ("index", "batch", *axes), facts.get(what, {}))
            for what, (rest, dtype, axes) in of_one.items()
        },
    )


def _evaluator(config: "Config", run: Run) -> Compute[_Case]:
    return partial(_evaluate, classifier_of(config, run), config.evaluate.sweep, run)


def _evaluate(
    probe: Frozen, sweep: MaskSweep | PublishedSweep, run: Run, case: _Case, rows: slice
) -> dict[str, np.ndarray]:
    """Return what is written of a block, by name."""
    queries, generated = case.pairs.queries(run, rows), case.pairs.generated(run, rows)
    maps = np.asarray(run.array(case.name("attributions"))[rows]).astype(np.float32)
    truth = np.asarray(run.array(case.pairs.name("truth"))[rows]) if case.planted else None
    found: list[dict[str, np.ndarray]] = []
    for row, kept in np.ndindex(maps.shape[:2]):
        x, other, attribution = (
            torch.from_numpy(one).to(run.device) for one in (queries[row], generated[row, kept], maps[row, kept])
        )
        target = case.pairs.target
        one = _arrays(swept(probe.scores, sweep, x, other, attribution, target), sweep.steps, target)
        if truth is not None:
            one["truth_scores"] = overlap(truth[row], one["masks"], maps[row, kept])
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
        if members[0].planted:
            truth = np.concatenate([run.load(case.name("truth_scores")).reshape(-1, 4) for case in members])
            means = np.nanmean(truth, axis=0)
            figures += [
                Figure(f"{name}, {method}, {kind}", float(mean), len(truth), note="mean, against planted truth")
                for name, mean in zip(TRUTH, means, strict=True)
            ]
    return figures
