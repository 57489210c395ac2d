"""Bring the images into one store, with their range, classes and splits."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from aliter.data.convert import convert
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.simulate.store import write_simulation

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config


def gather(config: "Config", run: Run) -> None:
    """Simulate the images, or convert them; a store is used where it lies."""
    source, inside = config.images, run.folder / "images.zarr"
    if isinstance(source, Path) and (source / "zarr.json").is_file():
        store, images = os.path.relpath(source, run.path), Images(source, config.range)
    else:
        if isinstance(source, Path):
            convert(source, inside, config.range)
        else:
            write_simulation(source, inside)
        store, images = inside.name, Images(inside, config.range)
    run.describe(
        {
            "workflow": "counterfactual",
            "images": store,
            "classes": list(images.classes),
            "channels": list(images.channels),
            "range": list(images.range),
            "source": images.source,
        }
    )


def images_of(run: Run) -> Images:
    """Return the images that a run explains."""
    facts = run.facts
    low, high = facts["range"]
    return Images(run.path / facts["images"], (low, high))
