"""Fields with many objects: images of any size whose every voxel may have the number of an object."""

from collections.abc import Callable
from functools import cached_property
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float32, Int, Integer, Shaped

from aliter.core.errors import DataError
from aliter.data import layout
from aliter.data.images import IN_MEMORY, Images, to_signed
from aliter.data.splits import SPLITS, Split, straddling

Box = tuple[slice, ...]
"""A part of a field: a slice for each axis of space."""


class Fields:
    """The fields of one store, numbered; they may be larger than memory, so parts are read as they are asked for."""

    def __init__(self, path: Path, declared: tuple[float, float] | None = None):
        """Open the store at ``path``; a ``declared`` range takes the place of the one that it states.

        Raises
        ------
        DataError
            If there is no store, it has several classes, or a group stands in two splits.
        """
        images = Images(path, declared)
        if len(images.classes) != 1:
            found = ", ".join(images.classes)
            raise DataError(f"{path}: expected fields of one kind, found the classes {found}; put them into one folder")
        self.path, self.ids, self.range, self.source = path, images.ids, images.range, images.source
        self.channels, self.shape, self.splits = images.channels, images.shape[1:], images.splits
        self.pixel_um = images.pixel_um
        self._images = layout.array(images.root, "images/0")
        self._objects = layout.array(images.root, "objects/0") if "objects/0" in images.root else None
        self.groups: list[str] = images.groups
        if shared := straddling(self.groups or self.ids, self.splits):
            raise DataError(f"{path}: expected each group in one split, found '{shared[0]}' in several; split by group")

    def __len__(self) -> int:
        """Return the number of fields."""
        return len(self.ids)

    @property
    def labelled(self) -> bool:
        """Whether the objects in the fields are known."""
        return self._objects is not None

    def split(self, name: Split) -> Int[np.ndarray, " N"]:
        """Return the numbers of the fields in a split.

        Raises
        ------
        DataError
            If there are none.
        """
        found = np.flatnonzero(self.splits == SPLITS.index(name))
        if not found.size:
            raise DataError(f"{self.path}: expected fields in the split '{name}', found none; add some")
        return found

    def read(self, number: int, box: Box | None = None) -> Float32[np.ndarray, "C *space"]:
        """Return a field, or a part of it, as networks see it: the declared range on [-1, 1]."""
        return to_signed(self.stored(number, box), self.range)

    def stored(self, number: int, box: Box | None = None) -> Shaped[np.ndarray, "C *space"]:
        """Return a field, or a part of it, as it is stored."""
        where: tuple[int | slice, ...] = (number, slice(None), *(box or ()))
        return np.asarray(self._held[where])

    def objects(self, number: int, box: Box | None = None) -> Integer[np.ndarray, "*space"]:
        """Return the number of the object at each voxel of a field, or of a part of it; 0 is background.

        Raises
        ------
        DataError
            If the objects are not known.
        """
        where: tuple[int | slice, ...] = (number, *(box or ()))
        return np.asarray(self._known()[where])

    def objects_at(self, number: int, at: Int[np.ndarray, "P n"]) -> Integer[np.ndarray, " P"]:
        """Return the number of the object at each of these voxels of a field."""
        found = self._known().vindex[(np.full(len(at), number), *at.T)]
        return np.asarray(found)

    def _known(self) -> zarr.Array[Any]:
        if self._objects is None:
            raise DataError(f"{self.path}: expected the objects of each field, found none; add masks, or no learners")
        return self._objects

    @cached_property
    def _held(self) -> zarr.Array[Any] | Shaped[np.ndarray, "N C *space"]:
        """The fields in memory if they take up little of it, else where they lie."""
        small = self._images.dtype.itemsize * prod(self._images.shape) <= IN_MEMORY
        return np.asarray(self._images[...]) if small else self._images


def write_objects(path: Path, dtype: Any, of: Callable[[int], Integer[np.ndarray, "*space"]]) -> None:
    """Add the objects of each field to the store at ``path``; ``of(number)`` gives them."""
    root = layout.open_store(path, "a")
    images = layout.array(root, "images/0")
    count, _, *space = images.shape
    made = layout.create(root, "objects/0", (count, *space), dtype, ("index", *("z", "y", "x")[-len(space) :]))
    for start in range(0, count, layout.ROWS):
        stop = min(start + layout.ROWS, count)
        made[start:stop] = np.stack([of(number) for number in range(start, stop)])
