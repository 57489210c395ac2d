"""Show it all on one page."""

from typing import TYPE_CHECKING

from pydantic import PositiveInt

from aliter.core.spec import Spec
from aliter.data.run import Run

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config


class Reporting(Spec):
    """What the page shows."""

    items: PositiveInt = 60
    """Explanations of each kind in the gallery, best scores first."""


def report(config: "Config", run: Run) -> None:
    """Write the page."""
