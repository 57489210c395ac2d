"""A handful of images that stands for all of them, and what is known of all without reading them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from aliter.core.errors import DataError
from aliter.data import layout, ledger, reader
from aliter.data.folder import Finding
from aliter.data.images import Header, Images, full_range, write_images
from aliter.data.labelled import Labelled, draw, header
from aliter.data.picture import Unusable
from aliter.data.scan import Read, scan, table
from aliter.data.simulate import Simulation
from aliter.data.simulate.header import header_of
from aliter.data.splits import SPLITS, Split

_FIRST, _SPREAD = 4, 12
"""Images of each class that are taken: the first of each split, and some spread over all."""
_PAIRS = re.compile(r"(.+/)?(generated|truth|shortcut)/(?P<label>\d+)_\d+")


@dataclass(frozen=True)
class Census:
    """What is known of all images from headers alone."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    shape: tuple[int, ...]
    """Channels, then space."""
    dtype: str
    range: tuple[float, float]
    """The intensities that networks will see as -1 and 1."""
    stated: bool
    """Whether the config, the store or the simulator states that range; else it is all that the type can hold."""
    ids: tuple[tuple[str, ...], ...]
    """Of each class: the relative paths of its images."""
    splits: tuple[UInt8[np.ndarray, " _"], ...]
    """Of each class: the index into ``SPLITS`` for each image."""
    copied: bool
    """Whether a run will write a copy of them; a store is used where it lies."""
    read: Read | None = None
    """Values of an image of a path, by its id."""

    @property
    def counts(self) -> Int[np.ndarray, "K 3"]:
        """The number of images of each class in each split."""
        return np.stack([np.bincount(split, minlength=len(SPLITS)) for split in self.splits])

    def require(self, splits: Collection[Split], label: int | None = None) -> None:
        """Refuse images of which one of ``splits`` holds none: of one class, or of all.

        Raises
        ------
        DataError
            Names the first such split.
        """
        counts = self.counts.sum(0) if label is None else self.counts[label]
        for split in splits:
            if not counts[SPLITS.index(split)]:
                which = "" if label is None else f" of class '{self.classes[label]}'"
                raise DataError(f"expected images{which} in the split '{split}', found none; add some")

    @property
    def bytes(self) -> int:
        """The size of all images, uncompressed."""
        return int(self.counts.sum()) * prod(self.shape) * np.dtype(self.dtype).itemsize


def census(source: Path | Labelled | Simulation, declared: tuple[float, float] | None) -> Census:
    """Return what is known of the images in a folder per class, a store, a package, or a simulation.

    Raises
    ------
    RequestError
        If there is no such folder, or images of floats come without a ``declared`` range.
    DataError
        If any file cannot be used: lists them all.
    """
    if isinstance(source, Path):
        return _of_path(source, declared)
    return census_of_header(header(source) if isinstance(source, Labelled) else header_of(source))


def write_sample(
    source: Path | Labelled | Simulation, found: Census, out: Path, first: int = _FIRST, spread: int = _SPREAD
) -> Images:
    """Write a store at ``out`` with a few images of each class and return it.

    They are the ``first`` of each split, and ``spread`` more, taken evenly from all.

    Raises
    ------
    DataError
        If one of them cannot be read, although its header could.
    """
    rows = [_chosen(splits, first, spread) for splits in found.splits]
    ids = tuple(tuple(one[row] for row in chosen) for one, chosen in zip(found.ids, rows, strict=True))
    splits = tuple(one[chosen] for one, chosen in zip(found.splits, rows, strict=True))
    header = Header(found.classes, found.channels, found.range, found.shape, found.dtype, ids, splits)

    def block(label: int, start: int, stop: int) -> Shaped[np.ndarray, "B C *space"]:
        if isinstance(source, Labelled):
            return np.stack([draw(source, label, int(row)) for row in rows[label][start:stop]])
        if not isinstance(source, Path):
            return np.stack([source.draw(label, int(row)) for row in rows[label][start:stop]])
        if found.copied and found.read is not None:
            return np.stack([_read(source, found.read, name) for name in ids[label][start:stop]])
        images = Images(source, found.range)
        return images.take(np.flatnonzero(images.labels == label)[rows[label][start:stop]])

    write_images(out, header, block)
    return Images(out, found.range)


def few_pairs(source: Path, out: Path, whole: Int[np.ndarray, " K"], few: Int[np.ndarray, " K"]) -> Path:
    """Copy the first ``few`` rows of each class from the pairs in the store ``source`` to the one at ``out``.

    Only arrays with ``whole`` rows are copied, which tell by their order what they are of, not by ids beside. Return
    ``out``, or ``source`` if there are none.
    """
    for name in ledger.arrays(source):
        if known := _PAIRS.fullmatch(name):
            root, label = layout.open_store(source), int(known["label"])
            array, ids = layout.array(root, name), f"ids/{label}"
            count = array.shape[0]
            if count == whole[label] and (ids not in root or layout.array(root, ids).shape[0] != count):
                copies = layout.open_store(out, "a")
                copies.attrs.update({**layout.attributes(root), **layout.attributes(copies)})
                values = np.asarray(array[: few[label]])
                made = layout.create(copies, name, values.shape, values.dtype, layout.axes_of(array))
                made[...] = values
                made.attrs.update(layout.attributes(array))
    return out if out.is_dir() else source


def _of_path(source: Path, declared: tuple[float, float] | None) -> Census:
    found = scan(source)
    picture = found.checked()
    held = found.kind == "store"
    if held:
        images = Images(source, declared)
        span, stated = images.range, True
    else:
        span, stated = declared or full_range(np.dtype(picture.dtype), source), declared is not None
    shape, dtype, splits = picture.shape, picture.dtype, found.assigned()
    return Census(found.classes, picture.channels, shape, dtype, span, stated, found.ids, splits, not held, found.read)


def census_of_header(said: Header) -> Census:
    """Return what is known of images that a run will copy, of which ``said`` tells."""
    return Census(said.classes, said.channels, said.shape, said.dtype, said.range, True, said.ids, said.splits, True)


def _chosen(splits: UInt8[np.ndarray, " N"], first: int, count: int) -> Int[np.ndarray, " M"]:
    """Return the first few positions of all and of each split, and some that are spread evenly, in order."""
    members = [np.flatnonzero(splits == index) for index in range(len(SPLITS))]
    spread = np.linspace(0, len(splits) - 1, count).astype(int)
    return np.unique(np.concatenate([np.arange(len(splits))[:first], spread, *(one[:first] for one in members)]))


def _read(source: Path, read: Read, name: str) -> Shaped[np.ndarray, "C *space"]:
    try:
        return reader.finite(reader.guarded(lambda: read(name)))
    except Unusable as error:
        raise DataError(table(source, [Finding(name, error.kind, str(error))])) from error
