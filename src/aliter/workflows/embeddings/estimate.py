"""What there is to do: so that what a run will take can be estimated."""

from collections.abc import Collection, Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from aliter.data.field_sample import census_of_fields, few_fields
from aliter.data.images import Header
from aliter.data.layout import ROWS
from aliter.data.masks import convert_masked, surveyed
from aliter.data.sample import Census
from aliter.workflows.embeddings.segment import cases_of
from aliter.workflows.estimate import Amount, Room

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config


def survey(config: "Config") -> Census:
    """Return what is known of the fields, from headers alone."""

    def said() -> Header:
        assert isinstance(config.images, Path)
        return surveyed(config.images, config.range)

    return census_of_fields(config.images, config.range, said)


def small(config: "Config", found: Census, size: int, out: Path) -> "Config":
    """Return the config on few fields: one set of clicks, one number of them, one judgement."""

    def write(out: Path, ids: Collection[str]) -> None:
        assert isinstance(config.images, Path)
        convert_masked(config.images, out, config.range, only=ids)

    images = few_fields(config.images, found, size, out, write)
    most = max(config.points.count, *config.segment.clicks)
    once = config.contrast.fit.model_copy(update={"judge_every": config.contrast.fit.steps})
    return config.model_copy(
        update={
            "images": images,
            "range": found.range,
            "points": config.points.model_copy(update={"source": None, "repeats": 1, "count": most}),
            "contrast": config.contrast.model_copy(update={"fit": once}),
            "segment": config.segment.model_copy(update={"clicks": (max(config.segment.clicks),)}),
            "report": config.report.model_copy(update={"fields": size}),
        }
    )


def amounts(config: "Config", found: Census) -> Mapping[str, Amount]:
    """Return how many fields there are, and how many learners predict how many of them."""
    fields, predicted = int(found.counts.sum()), int(found.counts[0, 1:].sum())
    cases, repeats = len(cases_of(config.segment, config.points.repeats)), config.points.repeats
    judgements = ceil(config.contrast.fit.steps / config.contrast.fit.judge_every)
    shown = min(config.report.fields, int(found.counts[0, 2])) * len(cases_of(config.segment, 1))
    return {
        "gather": Amount(fields),
        "points": Amount(repeats),
        "contrast": Amount(judgements, work=1, held=1),
        "embed": Amount(fields, held=ROWS),
        "segment": Amount(cases * predicted, held=ROWS, fits=cases),
        "validate": Amount(cases * predicted, held=ROWS),
        "report": Amount(shown),
    }


ROOM = Room(survey, small, amounts)
