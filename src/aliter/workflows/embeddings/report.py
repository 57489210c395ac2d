"""Show it all on one page."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data import ledger
from aliter.data.images import from_signed
from aliter.data.run import Run
from aliter.data.splits import SPLITS
from aliter.report.embeddings import (
    Clicked,
    Curves,
    Shown,
    click_curves,
    click_pictures,
    cost_curves,
    field_gallery,
    merge_walk,
)
from aliter.report.gallery import Look
from aliter.report.page import Page, Section, write_page
from aliter.report.pictures import Picture, Pictures, colour_basis, embedding_colours
from aliter.report.summary import provenance, stage_tables
from aliter.workflows.embeddings.contrast import PRETRAINING
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.points import clicks_of
from aliter.workflows.embeddings.segment import Case, cases_of
from aliter.workflows.embeddings.validate import METRICS, Validating, objects_of, tested

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config


class Reporting(Spec):
    """What the page shows."""

    fields: PositiveInt = 4
    """Fields for testing that are shown, for each learner and number of clicks."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    parts = fields_of(run).splits[run.load("segmented/field")]
    cases = cases_of(config.segment, config.points.repeats)
    gallery = field_gallery(_shown(config, run, [case for case in cases if case.repeat == 0]), _look(run))
    page = Page(
        title="Embeddings",
        lead="How far do a few clicks carry if the representation was learned without labels first?",
        workflow="embeddings",
        headline=_headline(run, cases, parts),
        sections=(
            Section("What the clicks were worth", [click_curves(_curves(run, cases, parts))], _ABOUT_CURVES),
            *_costs(run, cases),
            Section("The clicks", [click_pictures(_clicked(config, run))], _ABOUT_CLICKS),
            Section("Fragments that merge", [Pictures(list(_walks(config, run, cases)))], _ABOUT_WALKS),
            Section(
                "Fields", [gallery], "Ranked by SEG. No field shown was learned from, nor any threshold chosen on it."
            ),
            Section("All figures", stage_tables(run), "With the number of images behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


_ABOUT_CURVES = "Over all sets of clicks: the line is the mean, the band reaches from the lowest to the highest."
_ABOUT_CLICKS = "The first set, orange in objects and blue in the background; of volumes the brightest of all planes."
_ABOUT_WALKS = "Each learner with the most clicks, on its first field for testing, as the threshold of merging rises."


def _costs(run: Run, cases: list[Case]) -> list[Section]:
    """Return what learning cost; nothing where a clock did not see all of it, as in stages that were linked."""
    rows = ledger.rows(run.path / "timings.jsonl")
    clocked = {row["name"]: float(row["seconds"]) for row in rows if "name" in row}
    if any(case.name not in clocked for case in cases):
        return []
    found: dict[str, dict[int, list[float]]] = {}
    for case in cases:
        found.setdefault(case.learner.name, {}).setdefault(case.clicks, []).append(clocked[case.name])
    spent = clocked.get(PRETRAINING)
    before = f" Learning the embedding before took {spent:.0f} s." if spent is not None else ""
    lead = f"Processor time of learning; less where it was stopped and went on.{before}"
    return [Section("What the clicks cost", [cost_curves(found)], lead)]


def _clicked(config: "Config", run: Run) -> Iterator[Clicked]:
    """Yield the fields with the most clicks."""
    fields, clicks = fields_of(run), clicks_of(run, 0)
    numbers, counts = np.unique(clicks.field, return_counts=True)
    for place in np.argsort(-counts, kind="stable")[: config.report.fields].tolist():
        here = clicks.field == numbers[place]
        number, inside = int(numbers[place]), int(clicks.label[here].sum())
        caption = f"{inside} clicks in objects, {counts[place] - inside} in the background."
        yield Clicked(fields.ids[number], caption, fields.read(number), clicks.at[here], clicks.label[here])


def _walks(config: "Config", run: Run, cases: list[Case]) -> Iterator[Picture]:
    fields, choice = fields_of(run), config.validation
    row = int(np.flatnonzero(fields.splits[run.load("segmented/field")] == SPLITS.index("test"))[0])
    for learner in config.segment.learners:
        case = max((one for one in cases if one.learner == learner and one.repeat == 0), key=lambda one: one.clicks)
        predicted = np.asarray(run.array(case.predicted)[row], np.float32)
        yield merge_walk(case.learner.name, choice.thresholds, objects_of(choice, case, choice.thresholds, predicted))


def _curves(run: Run, cases: list[Case], parts: np.ndarray) -> Curves:
    """Return, for each learner and number of clicks, the metrics of each set of clicks."""
    found: Curves = {}
    for case in cases:
        scores = dict(zip(METRICS, tested(run, case, parts).tolist(), strict=True))
        found.setdefault(case.learner.name, {}).setdefault(case.clicks, []).append(scores)
    return found


def _shown(config: "Config", run: Run, cases: list[Case]) -> Iterator[Shown]:
    """Yield what the gallery shows: for each learner its first fields at each number of clicks."""
    fields, choice = fields_of(run), config.validation
    numbers = run.load("segmented/field")
    rows = np.flatnonzero(fields.splits[numbers] == SPLITS.index("test"))[: config.report.fields]
    colours = _Colours(run)
    for case in cases:
        at = int(run.load(f"chosen/{case.name}")[0])
        for place, row in enumerate(rows.tolist()):
            number = int(numbers[row])
            predicted = np.asarray(run.array(case.predicted)[row], np.float32)
            scores = run.array(f"scores/{case.name}")[row]
            yield Shown(
                id=fields.ids[number],
                learner=case.learner.name,
                clicks=case.clicks,
                field=fields.read(number),
                embedding=colours(number),
                foreground=predicted if predicted.ndim == len(fields.shape) else predicted.min(0),
                objects=np.asarray(run.array(f"objects/{case.learner.name}/{case.clicks}")[place]),
                truth=fields.objects(number),
                scores=dict(zip(METRICS, np.asarray(scores)[at].tolist(), strict=True)),
                walk=_walk(choice, case, at, predicted),
                curve=np.stack([np.asarray(choice.thresholds), np.asarray(scores)[:, :2].sum(1)], 1),
                chosen=at,
            )


class _Colours:
    """The first of the features as colours, on one scale for all fields."""

    def __init__(self, run: Run):
        names = [one.removeprefix("features/") for one in run.names() if one.startswith("features/")]
        name = "embedding" if "embedding" in names else names[0]
        self.maps = run.array(f"features/{name}")
        self.middle = run.load(f"scales/{name}")[0]
        self.basis, self.reach = colour_basis(self._rows(0))

    def __call__(self, number: int) -> np.ndarray:
        maps = self._rows(number).T.reshape(self.maps.shape[1:])
        return embedding_colours(maps, self.basis, self.reach)

    def _rows(self, number: int) -> np.ndarray:
        maps = np.asarray(self.maps[number], np.float64)
        return np.asarray(maps.reshape(len(maps), -1).T - self.middle)


def _walk(choice: Validating, case: Case, at: int, predicted: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return the objects before and after the threshold that was chosen: nothing merged, and all that may be."""
    levels = sorted({0, len(choice.thresholds) - 1} - {at})
    thresholds = [choice.thresholds[level] for level in levels]
    return list(zip(thresholds, objects_of(choice, case, thresholds, predicted), strict=True))


def _look(run: Run) -> Look:
    """Return a look that holds nearly all intensities of the first fields."""
    fields = fields_of(run)
    sample = np.stack([fields.read(number) for number in range(min(8, len(fields)))])
    return Look.fitted(from_signed(sample, fields.range, sample.dtype), fields.channels, fields.range)


def _headline(run: Run, cases: list[Case], parts: np.ndarray) -> dict[str, str]:
    """Return the foreground IoU of each learner with the most clicks."""
    most = max((case.clicks for case in cases), default=0)
    found: dict[str, list[float]] = {}
    for case in cases:
        if case.clicks in (0, most):
            found.setdefault(case.learner.name, []).append(float(tested(run, case, parts)[METRICS.index("iou")]))
    said = {name: f"{np.mean(values):.3f}" for name, values in found.items()}
    return {
        f"IoU, {name}, {most} clicks" if "all labels" not in name else f"IoU, {name}": v for name, v in said.items()
    }
