"""What there is to do: so that what a run will take can be estimated."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aliter.data.field_sample import census_of_fields, few_fields
from aliter.data.ihc import Ihc, surveyed_ihc, write_ihc
from aliter.data.images import Header
from aliter.data.layout import ROWS
from aliter.data.paired import convert_paired, surveyed_pairs
from aliter.data.sample import Census
from aliter.workflows.estimate import Amount, Room

if TYPE_CHECKING:
    from aliter.workflows.staining import Config


def survey(config: "Config") -> Census:
    """Return what is known of the fields, from headers alone."""

    def surveyed() -> Header:
        source = config.images
        if isinstance(source, Ihc):
            return surveyed_ihc(source)
        assert isinstance(source, Path)
        return surveyed_pairs(source, config.range)

    return census_of_fields(config.images, config.range, surveyed)


def small(config: "Config", found: Census, size: int, out: Path) -> "Config":
    """Return the config on few fields, with two members of an ensemble, and hardly anything worsened."""

    def write(out: Path, ids: Collection[str]) -> None:
        if isinstance(config.images, Ihc):
            write_ihc(config.images, out, ids)
        elif isinstance(config.images, Path):
            convert_paired(config.images, out, config.range, only=ids)

    images = few_fields(config.images, found, size, out, write)
    doubt, knobs = config.doubt, ("blur_px", "gain", "defocus_um")
    degrade = doubt.degrade.model_copy(update={"fields": 1, **{one: getattr(doubt.degrade, one)[:1] for one in knobs}})
    return config.model_copy(
        update={
            "images": images,
            "regress": config.regress.model_copy(update={"members": min(2, config.regress.members)}),
            "doubt": doubt.model_copy(update={"draws": min(doubt.draws, 2 * size), "degrade": degrade}),
        }
    )


def amounts(config: "Config", found: Census) -> Mapping[str, Amount]:
    """Return how many fields, networks and answers there are."""
    _, held, test = found.counts[0].tolist()
    choice, members = config.doubt.degrade, config.regress.members
    settings = len(choice.blur_px) + len(choice.gain) + len(choice.defocus_um) + 1
    asked = (held + test) * config.doubt.draws + min(choice.fields, test) * settings
    return {
        "gather": Amount(sum(found.counts[0].tolist())),
        "regress": Amount(fits=members),
        "predict": Amount(held + test, held=ROWS),
        "evaluate": Amount(test),
        "doubt": Amount(held + test, asked),
        "report": Amount(min(config.report.fields, test)),
    }


ROOM = Room(survey, small, amounts)
