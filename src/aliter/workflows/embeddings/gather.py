"""Bring the fields into one store, with their range, splits and objects."""

from pathlib import Path
from typing import TYPE_CHECKING

from aliter.data.fields import Fields
from aliter.data.masks import convert_masked
from aliter.data.run import Run
from aliter.data.simulate.store import write_simulation
from aliter.workflows.gather import brought

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config


def gather(config: "Config", run: Run) -> None:
    """Simulate the fields, or convert them; a store is used where it lies."""
    store, path = brought(config.images, run, lambda out: _write(config, out))
    fields = Fields(store, config.range)
    run.describe(
        {
            "images": path,
            "channels": list(fields.channels),
            "range": list(fields.range),
            "source": fields.source,
        }
    )


def _write(config: "Config", out: Path) -> None:
    if isinstance(config.images, Path):
        convert_masked(config.images, out, config.range)
    else:
        write_simulation(config.images, out)


def fields_of(run: Run) -> Fields:
    """Return the fields of a run."""
    facts = run.facts
    low, high = facts["range"]
    return Fields(run.path / facts["images"], (low, high))
