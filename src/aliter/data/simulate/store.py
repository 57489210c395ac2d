"""Simulated images as a store, with what was planted."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from aliter.core.progress import progress
from aliter.data import layout
from aliter.data.convert import write_folder
from aliter.data.fields import Fields, write_objects
from aliter.data.images import Header, Images, write_images
from aliter.data.masks import write_masked
from aliter.data.simulate import Fictus, Nuclei
from aliter.data.splits import SPLITS, draw_splits


def write_simulation(simulation: Fictus | Nuclei, path: Path) -> None:
    """Write what ``simulation`` draws, with its truth, as a store at ``path``."""
    if isinstance(simulation, Nuclei):
        _write_fields(simulation, path)
    else:
        _write_cells(simulation, path)


def written_as_folder(store: Path, out: Path) -> None:
    """Write a simulation's ``store`` as files: a folder per class, or images and masks of fields."""
    if "objects" in layout.open_store(store):
        write_masked(Fields(store), out)
    else:
        write_folder(Images(store), out)


def _write_cells(simulation: Fictus, path: Path) -> None:
    """Write the images of ``simulation`` and, for those of the test split, every oracle pair and its truth.

    ``{plain|nuisance}/generated/{source}_{target}`` and ``truth/{source}_{target}`` have a row for each test image
    of the source class, in order; so has ``nuisance/shortcut/{source}_{target}``, if one was planted.
    """
    classes, count = simulation.classes, simulation.count
    splits = tuple(draw_splits(count, simulation.seed, label) for label in range(len(classes)))
    header = Header(
        classes=classes,
        channels=simulation.channels,
        range=(0.0, 65535.0),
        shape=(len(simulation.channels), simulation.size, simulation.size),
        dtype="uint16",
        ids=tuple(tuple(f"{name}/{index:06d}" for index in range(count)) for name in classes),
        splits=splits,
        source=simulation.model_dump(mode="json"),
    )
    with progress("simulate", count * len(classes)) as advance:

        def block(label: int, start: int, stop: int) -> np.ndarray:
            advance(stop - start, classes[label])
            return np.stack([simulation.draw(label, index) for index in range(start, stop)])

        write_images(path, header, block)
    _write_planted(simulation, path)


def _write_planted(simulation: Fictus, path: Path) -> None:
    root = layout.open_store(path, "a")
    images = Images(path)
    shape, labels = images.shape, range(len(images.classes))
    for source in labels:
        numbers = np.flatnonzero((images.labels == source) & (images.splits == SPLITS.index("test")))
        if not numbers.size:
            continue
        first = int(np.flatnonzero(images.labels == source)[0])
        for target in (label for label in labels if label != source):
            draws = _draws(simulation)
            arrays = {
                name: layout.create(root, f"{name}/{source}_{target}", (len(numbers), *shape), dtype, layout.IMAGE)
                for name, (dtype, _) in draws.items()
            }
            for start, block in images.blocks(numbers):
                rows, cells = slice(start, start + len(block)), (block - first).tolist()
                for name, (_, draw) in draws.items():
                    arrays[name][rows] = np.stack([draw(source, cell, target) for cell in cells])


def _draws(simulation: Fictus) -> dict[str, tuple[type[np.generic], Callable[[int, int, int], np.ndarray]]]:
    """Return what is planted, by name: its type, and how it is drawn from label, cell and target."""
    draws: dict[str, tuple[type[np.generic], Callable[[int, int, int], np.ndarray]]] = {
        "truth": (np.bool_, simulation.truth),
        "plain/generated": (np.uint16, partial(simulation.oracle, kind="plain")),
        "nuisance/generated": (np.uint16, partial(simulation.oracle, kind="nuisance")),
    }
    if simulation.shortcut:
        draws["nuisance/shortcut"] = (np.bool_, simulation.detour)
    return draws


def _write_fields(simulation: Nuclei, path: Path) -> None:
    """Write the fields of ``simulation`` and the nuclei in each; a field is a group of its own."""
    names = tuple(f"fields/{index:06d}" for index in range(simulation.count))
    header = Header(
        classes=simulation.classes,
        channels=simulation.channels,
        range=simulation.range,
        shape=(1, *simulation.shape),
        dtype="uint16",
        ids=(names,),
        splits=(simulation.splits,),
        groups=(names,),
        source=simulation.model_dump(mode="json"),
    )
    draw = lru_cache(maxsize=layout.ROWS)(simulation.draw)
    with progress("simulate", simulation.count) as advance:

        def block(label: int, start: int, stop: int) -> np.ndarray:
            advance(stop - start, "")
            return np.stack([draw(index).image for index in range(start, stop)])

        write_images(path, header, block)
        write_objects(path, "uint16", lambda index: draw(index).objects)
