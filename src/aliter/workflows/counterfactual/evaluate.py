"""Score every attribution: by the change that its mask brings about, and by planted truth where there is some."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.run import Figure, Run
from aliter.methods.walk.mask_sweep import MaskSweep, optimal_index, quac_score
from aliter.nets.frozen import Frozen
from aliter.ops.truth import overlap
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.pairs import Pairs, methods_of, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

TRUTH = ("IoU", "precision", "recall", "average precision")
"""What ``truth_scores`` holds, in order."""


class Evaluating(Spec):
    """How attributions are scored."""

    sweep: MaskSweep = MaskSweep()


@dataclass(frozen=True)
class _Task:
    pairs: Pairs
    method: str
    planted: bool
    """Whether the truth of these pairs is known."""

    def name(self, what: str) -> str:
        return self.pairs.name(f"{what}/{self.method}")


def evaluate(config: "Config", run: Run) -> None:
    """Write curve, score, optimal mask, what the classifier makes of its hybrid, and the comparison with truth."""
    probe, sweep = classifier_of(config, run), config.evaluate.sweep
    tasks = [
        _Task(pairs, method, pairs.name("truth") in run) for pairs in pairs_of(run) for method in methods_of(run, pairs)
    ]
    with progress("evaluate", sum(task.pairs.count for task in tasks)) as advance:
        for task in tasks:
            arrays = _create(run, task, sweep.steps)
            for rows in task.pairs.blocks():
                for what, values in _evaluate(probe, sweep, run, task, rows).items():
                    arrays[what][rows] = values
                advance(rows.stop - rows.start, f"{task.pairs.kind} {task.method}")
    run.record(_figures(run, tasks))


def _create(run: Run, task: _Task, steps: int) -> dict[str, Any]:
    shape = run.array(task.name("attributions")).shape
    classes = run.array(task.pairs.name("predictions")).shape[-1]
    pair = ("index", "batch")
    arrays = {
        "curves": run.create(
            task.name("curves"), (*shape[:2], steps + 2, 3), np.float64, (*pair, "step", "threshold_size_change")
        ),
        "scores": run.create(task.name("scores"), shape[:2], np.float64, pair),
        "thresholds": run.create(task.name("thresholds"), shape[:2], np.float64, pair),
        "masks": run.create(task.name("masks"), shape, np.bool_, layout.TRIES),
        "hybrid_predictions": run.create(
            task.name("hybrid_predictions"), (*shape[:2], classes), np.float32, (*pair, "class")
        ),
    }
    if task.planted:
        facts = {"truth_scores": list(TRUTH)}
        arrays["truth_scores"] = run.create(
            task.name("truth_scores"), (*shape[:2], 4), np.float64, (*pair, "score"), facts
        )
    return arrays


def _evaluate(probe: Frozen, sweep: MaskSweep, run: Run, task: _Task, rows: slice) -> dict[str, np.ndarray]:
    """Return what is written of a block, by name."""
    queries, generated = task.pairs.queries(run, rows), task.pairs.generated(run, rows)
    maps = np.asarray(run.array(task.name("attributions"))[rows]).astype(np.float32)
    truth = np.asarray(run.array(task.pairs.name("truth"))[rows]) if task.planted else None
    found: list[dict[str, np.ndarray]] = []
    for row, kept in np.ndindex(maps.shape[:2]):
        x, other, attribution = (
            torch.from_numpy(one).to(run.device) for one in (queries[row], generated[row, kept], maps[row, kept])
        )
        one = _sweep(probe, sweep, x, other, attribution, task.pairs.target)
        if truth is not None:
            one["truth_scores"] = overlap(truth[row], one["masks"], maps[row, kept])
        found.append(one)
    return {
        what: np.stack([one[what] for one in found]).reshape(*maps.shape[:2], *found[0][what].shape)
        for what in found[0]
    }


def _sweep(
    probe: Frozen,
    sweep: MaskSweep,
    x: Float[Tensor, "C H W"],
    counterfactual: Float[Tensor, "C H W"],
    attribution: Float[Tensor, "C H W"],
    target: int,
) -> dict[str, np.ndarray]:
    """Return what one walk tells, by the names of the arrays that hold it."""
    walk = sweep(probe.scores, x, counterfactual, attribution, target)
    change = walk.change(target)
    chosen = optimal_index(walk.t, change)
    mask: Bool[Tensor, "C H W"] = sweep.mask(attribution, float(walk.setting[chosen]))
    curve = np.full((sweep.steps + 2, 3), np.nan)
    curve[: len(walk.t)] = np.stack([walk.setting, walk.t, change], axis=1)
    return {
        "curves": curve,
        "scores": np.asarray(quac_score(walk.t, change)),
        "thresholds": np.asarray(walk.setting[chosen]),
        "masks": mask.cpu().numpy(),
        "hybrid_predictions": walk.score[chosen].astype(np.float32),
    }


def _figures(run: Run, tasks: list[_Task]) -> list[Figure]:
    """Return the median score of each method and kind, and the mean scores against truth."""
    groups: dict[tuple[str, str], list[_Task]] = {}
    for task in tasks:
        groups.setdefault((task.pairs.kind, task.method), []).append(task)
    figures = []
    for (kind, method), members in groups.items():
        scores = np.concatenate([run.load(task.name("scores")).ravel() for task in members])
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
            truth = np.concatenate([run.load(task.name("truth_scores")).reshape(-1, 4) for task in members])
            means = np.nanmean(truth, axis=0)
            figures += [
                Figure(f"{name}, {method}, {kind}", float(mean), len(truth), note="mean, against planted truth")
                for name, mean in zip(TRUTH, means, strict=True)
            ]
    return figures
