"""Make objects of what was predicted, compare them with the truth, and choose how far fragments are merged."""

import csv
from collections.abc import Sequence
from functools import partial
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Float64, Int, Integer
from pydantic import field_validator

from aliter.core.spec import Spec
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.fields import Fields
from aliter.data.run import Figure, Run
from aliter.data.splits import SPLITS
from aliter.methods.segment import AffinityWatershed, Watershed
from aliter.ops.labels import average_precision, det_score, rand_split_merge, seg_score, variation_of_information
from aliter.ops.regions import agglomerate
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.learners import AffinityLearner
from aliter.workflows.embeddings.segment import Case, cases_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

Scores = Float64[np.ndarray, "T M"]
"""All metrics at all thresholds."""
METRICS = ("voi_split", "voi_merge", "rand_split", "rand_merge", "seg", "det", "ap50", "iou")
"""What ``scores`` holds, in order; ``iou`` is that of foreground, the same at all thresholds."""


class Validating(Spec):
    """How objects are made, and at which thresholds fragments may be merged."""

    watershed: Watershed = Watershed()
    """For learners that tell objects from background."""
    affinity_watershed: AffinityWatershed = AffinityWatershed()
    """For learners that give affinities."""
    thresholds: tuple[float, ...] = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
    """Fragments merge while their score, 1 less the mean affinity, is below it; the best one is chosen on the fields
    for validation and reported on those for testing."""

    @field_validator("thresholds")
    @classmethod
    def _some(cls, found: tuple[float, ...]) -> tuple[float, ...]:
        if not found or list(found) != sorted(set(found)):
            raise ValueError("expected one or more thresholds, ascending; sort them")
        return found


def validate(config: "Config", run: Run) -> None:
    """Write the scores of each case, field and threshold, the threshold chosen, and the objects found with it."""
    fields, choice = fields_of(run), config.validation
    cases = cases_of(config.segment, config.points.repeats)
    count = run.array("segmented/field").shape[0]
    fill(_begin, config, run, [_task(case, count, len(choice.thresholds)) for case in cases])
    parts = fields.splits[run.load("segmented/field")]
    chosen = [(case, chosen_of(run.load(f"scores/{case.name}"), parts)) for case in cases]
    for case, at in chosen:
        run.save(f"chosen/{case.name}", np.array([at]), ("index",))
    _write_objects(run, fields, choice, [(case, at) for case, at in chosen if case.repeat == 0], parts)
    _write_table(run, choice, chosen, parts)
    run.record(_figures(run, cases, parts))


def scores_of(found: Sequence[Integer[np.ndarray, "*space"]], truth: Integer[np.ndarray, "*space"]) -> Scores:
    """Return all metrics of the objects ``found`` at each threshold; those that are as before count as before."""
    rows = [_agreement(found[0], truth)]
    for before, labels in pairwise(found):
        rows.append(rows[-1] if np.array_equal(before, labels) else _agreement(labels, truth))
    return np.stack(rows)


def _agreement(
    labels: Integer[np.ndarray, "*space"], truth: Integer[np.ndarray, "*space"]
) -> Float64[np.ndarray, " M"]:
    """Return all metrics."""
    inside, wanted = labels > 0, truth > 0
    union = np.count_nonzero(inside | wanted)
    return np.array(
        (
            *variation_of_information(truth, labels),
            *rand_split_merge(truth, labels),
            seg_score(truth, labels),
            det_score(truth, labels),
            float(average_precision(truth, labels, [0.5])[0]),
            np.count_nonzero(inside & wanted) / union if union else float("nan"),
        )
    )


def objects_of(
    choice: Validating, case: Case, thresholds: Sequence[float], predicted: Float[np.ndarray, "..."]
) -> list[Integer[np.ndarray, "*space"]]:
    """Return the objects at each threshold, made of what was ``predicted`` for a field."""
    joint = isinstance(case.learner, AffinityLearner)
    found = (choice.affinity_watershed if joint else choice.watershed)(predicted)
    return agglomerate(found.labels, found.affinities, np.asarray(thresholds))


def chosen_of(scores: Float64[np.ndarray, "N T M"], parts: Int[np.ndarray, " N"]) -> int:
    """Return the threshold with the least mean variation of information on the fields for validation."""
    val = scores[parts == SPLITS.index("val")]
    return int(np.argmin(np.nanmean(val[:, :, 0] + val[:, :, 1], axis=0)))


def _task(case: Case, count: int, thresholds: int) -> Task[Case]:
    axes = ("index", "threshold", "metric")
    shape = (count, thresholds, len(METRICS))
    return Task(case, {"scores": Blank(f"scores/{case.name}", shape, np.float64, axes, {"metrics": list(METRICS)})})


def _begin(config: "Config", run: Run) -> Compute[Case]:
    return partial(_score, config.validation, run, fields_of(run), run.load("segmented/field"))


def _score(
    choice: Validating, run: Run, fields: Fields, numbers: Int[np.ndarray, " N"], case: Case, rows: slice
) -> dict[str, np.ndarray]:
    predicted = run.array(case.predicted)
    found = [
        scores_of(
            objects_of(choice, case, choice.thresholds, np.asarray(predicted[row])), fields.objects(int(numbers[row]))
        )
        for row in range(rows.start, rows.stop)
    ]
    return {"scores": np.stack(found)}


def _write_objects(
    run: Run, fields: Fields, choice: Validating, chosen: Sequence[tuple[Case, int]], parts: np.ndarray
) -> None:
    """Write what each learner found in the fields for testing, from the first set of clicks."""
    rows = np.flatnonzero(parts == SPLITS.index("test"))
    axes = ("index", *("z", "y", "x")[-len(fields.shape) :])
    for case, at in chosen:
        made = run.create(f"objects/{case.learner.name}/{case.clicks}", (len(rows), *fields.shape), np.int32, axes)
        predicted = run.array(case.predicted)
        found = [
            objects_of(choice, case, [choice.thresholds[at]], np.asarray(predicted[row]))[0] for row in rows.tolist()
        ]
        made[...] = np.stack(found).astype(np.int32)


def _write_table(run: Run, choice: Validating, chosen: Sequence[tuple[Case, int]], parts: np.ndarray) -> None:
    """Write ``metrics.csv``: a row for each case, split and threshold."""
    text = StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("learner", "clicks", "repeat", "split", "threshold", "chosen", *METRICS, "voi_sum"))
    for case, at in chosen:
        scores = run.load(f"scores/{case.name}")
        for split in ("val", "test"):
            means = scores[parts == SPLITS.index(split)].mean(axis=0)
            for number, threshold in enumerate(choice.thresholds):
                row = [f"{value:.6f}" for value in (*means[number], means[number, 0] + means[number, 1])]
                head = (case.learner.name, case.clicks or "all", case.repeat, split, threshold, int(number == at))
                table.writerow((*head, *row))
    (run.folder / "metrics.csv").write_text(text.getvalue(), encoding="utf-8")


def tested(run: Run, case: Case, parts: np.ndarray) -> Float64[np.ndarray, " M"]:
    """Return the mean of each metric over the fields for testing, at the threshold that was chosen."""
    at = int(run.load(f"chosen/{case.name}")[0])
    return np.asarray(run.load(f"scores/{case.name}")[parts == SPLITS.index("test"), at].mean(axis=0))


def _figures(run: Run, cases: Sequence[Case], parts: np.ndarray) -> list[Figure]:
    """Return the foreground IoU, SEG and AP of each learner and number of clicks, over the sets of clicks."""
    count = int((parts == SPLITS.index("test")).sum())
    groups: dict[str, list[Case]] = {}
    for case in cases:
        told = f"{case.clicks} clicks" if case.clicks else "all labels"
        groups.setdefault(f"{case.learner.name}, {told}" if case.clicks else case.learner.name, []).append(case)
    figures = []
    for name, members in groups.items():
        scores = np.stack([tested(run, case, parts) for case in members])
        for metric, label in (("iou", "foreground IoU"), ("ap50", "AP at IoU 0.5"), ("seg", "SEG")):
            values = scores[:, METRICS.index(metric)]
            note = f"mean over {len(values)} sets of clicks" + (
                f", standard deviation {values.std(ddof=1):.3f}" if len(values) > 1 else ""
            )
            figures.append(Figure(f"{label}, {name}", float(values.mean()), count, note=note))
    return figures
