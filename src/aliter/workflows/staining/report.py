"""Show it all on one page."""

import json
from typing import TYPE_CHECKING

from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.report.page import Page, Section, write_page
from aliter.report.summary import headline, provenance, stage_tables

if TYPE_CHECKING:
    from aliter.workflows.staining import Config


class Reporting(Spec):
    """What the page shows."""

    fields: PositiveInt = 6
    """Fields to test that are shown."""


def report(config: "Config", run: Run) -> None:
    """Write the page; it needs no model."""
    page = Page(
        title="Staining",
        lead="What would the stain look like, how good is that, and where is it invented?",
        workflow="staining",
        headline=headline(run, {}),
        sections=(Section("All figures", stage_tables(run), "With the number of fields behind each."),),
        provenance=provenance(run, {"images": json.dumps(run.facts["source"])}),
    )
    write_page(page, run.folder / "report")
