"""Bring the images into one store, with their range, classes and splits: how rooms of classified images begin."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Tag

from aliter.core.errors import DataError, RequestError
from aliter.core.spec import path_or
from aliter.data.convert import convert
from aliter.data.digits import Digits
from aliter.data.images import Images, is_store
from aliter.data.labelled import Labelled, write_labelled
from aliter.data.published import CIFAR10, IDX
from aliter.data.run import Figure, Run
from aliter.data.simulate import Simulation
from aliter.data.simulate.store import write_simulation
from aliter.data.splits import straddling

Source = Annotated[
    Annotated[Path, Tag("path")]
    | Annotated[Digits, Tag("digits")]
    | Annotated[IDX, Tag("idx")]
    | Annotated[CIFAR10, Tag("cifar10")]
    | Annotated[Simulation, Tag("simulate")],
    path_or("digits", "idx", "cifar10", "simulate"),
]
"""Where a config may have its images from: whatever ``convert`` reads, files as published, or a simulator."""


class Gathering(Protocol):
    """What ``gather`` reads of a config."""

    @property
    def images(self) -> Path | Labelled | Simulation:
        """Where the images are from."""
        ...

    @property
    def range(self) -> tuple[float, float] | None:
        """Intensities that networks see as -1 and 1, if declared."""
        ...


def gather(config: Gathering, run: Run) -> None:
    """Simulate the images, or convert them; a store is used where it lies."""
    store, path = brought(config.images, run, lambda out: write_source(config.images, out, config.range, run.workers))
    images = Images(store, config.range)
    run.describe(
        {
            "images": path,
            "classes": list(images.classes),
            "channels": list(images.channels),
            "range": list(images.range),
            "source": images.source,
        }
    )
    require_planes(images.shape)
    if images.groups:
        run.record([_proof(images)])


def require_planes(shape: tuple[int, ...]) -> None:
    """Refuse images that are stacks.

    Raises
    ------
    RequestError
        With the remedy.
    """
    if len(shape) != 3:
        text = " x ".join(map(str, shape[1:]))
        raise RequestError(
            f"expected flat images, found stacks of {text}; take planes with 'aliter convert --z middle', or '--z max'"
        )


def _proof(images: Images) -> Figure:
    """Return the number of groups that stand in more than one split, which is 0.

    Raises
    ------
    DataError
        If it is not.
    """
    several = straddling(images.groups, images.splits)
    if several:
        raise DataError(
            f"{images.path}: expected each group in one split, found {', '.join(several[:8])} in more; "
            "give all images of a group the same split"
        )
    note = f"of {len(set(images.groups)):,} groups"
    return Figure("groups in more than one split", float(len(several)), len(images), note=note)


def brought(source: object, run: Run, write: Callable[[Path], object]) -> tuple[Path, str]:
    """Return the store of a run's images, and its path as the run knows it.

    It is the ``source`` where that is a store, else what ``write`` makes inside the run.
    """
    if isinstance(source, Path) and is_store(source):
        return source, os.path.relpath(source, run.path)
    inside = run.folder / "images.zarr"
    write(inside)
    return inside, inside.name


def write_source(
    source: Path | Labelled | Simulation, out: Path, declared: tuple[float, float] | None, workers: int = 1
) -> None:
    """Write the images of ``source`` as a store at ``out``; ``workers`` draw those that are simulated."""
    if isinstance(source, Path):
        convert(source, out, declared)
    elif isinstance(source, Labelled):
        write_labelled(source, out)
    else:
        write_simulation(source, out, workers)


def images_of(run: Run) -> Images:
    """Return the images that a run is about."""
    facts = run.facts
    low, high = facts["range"]
    return Images(run.path / facts["images"], (low, high))
