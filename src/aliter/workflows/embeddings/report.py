"""Show it all on one page."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.data.splits import SPLITS
from aliter.report.embeddings import Curves, Shown, click_curves, field_gallery
from aliter.report.gallery import Look
from aliter.report.page import Page, Section, write_page
from aliter.report.pictures import colour_basis, embedding_colours
from aliter.report.summary import provenance, stage_tables
from aliter.workflows.embeddings.gather import fields_of
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
            Section(
                "Fields", [gallery], "Ranked by SEG. No field shown was learned from, nor any threshold chosen on it."
            ),
            Section("All figures", stage_tables(run), "With the number of images behind each."),
        ),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")


_ABOUT_CURVES = "Over all sets of clicks: the line is the mean, the band reaches from the lowest to the highest."


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
            foreground = np.asarray(run.array(f"foreground/{case.name}")[row], np.float32)
            scores = run.array(f"scores/{case.name}")[row]
            yield Shown(
                id=fields.ids[number],
                learner=case.learner.name,
                clicks=case.clicks,
                field=fields.read(number),
                embedding=colours(number),
                foreground=foreground,
                objects=np.asarray(run.array(f"objects/{case.learner.name}/{case.clicks}")[place]),
                truth=fields.objects(number),
                scores=dict(zip(METRICS, np.asarray(scores)[at].tolist(), strict=True)),
                walk=_walk(choice, at, foreground),
                curve=np.stack([np.asarray(choice.thresholds), np.asarray(scores)[:, :2].sum(1)], 1),
                chosen=at,
            )


class _Colours:
    """The first of the features as colours, on one scale for all fields."""

    def __init__(self, run: Run):
        name = (
            "embedding"
            if "features/embedding" in run
            else next(n for n in run.names() if n.startswith("features/"))[9:]
        )
        self.maps = run.array(f"features/{name}")
        self.middle = run.load(f"scales/{name}")[0]
        self.basis, self.reach = colour_basis(self._rows(0))

    def __call__(self, number: int) -> np.ndarray:
        maps = self._rows(number).T.reshape(self.maps.shape[1:])
        return embedding_colours(maps, self.basis, self.reach)

    def _rows(self, number: int) -> np.ndarray:
        maps = np.asarray(self.maps[number], np.float64)
        return np.asarray(maps.reshape(len(maps), -1).T - self.middle)


def _walk(choice: Validating, at: int, foreground: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """Return the objects before and after the threshold that was chosen: nothing merged, and all that may be."""
    levels = sorted({0, len(choice.thresholds) - 1} - {at})
    return [
        (choice.thresholds[level], objects_of(choice.watershed, [choice.thresholds[level]], foreground)[0])
        for level in levels
    ]


def _look(run: Run) -> Look:
    """Return a look that holds nearly all intensities of the first fields."""
    fields = fields_of(run)
    low, high = fields.range
    sample = np.stack([fields.read(number) for number in range(min(8, len(fields)))])
    return Look.fitted((sample + 1) * ((high - low) / 2) + low, fields.channels, fields.range)


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
