"""Images in a store: read only, one declared range, stored splits."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Float32, Int, Shaped, UInt8

from aliter.core.errors import DataError, RequestError, RunError
from aliter.data import layout
from aliter.data.multiscale import describe_array, describe_channels
from aliter.data.splits import SPLITS, Split

IN_MEMORY = 1 << 30
"""Images that take up to so many bytes are held in memory; beyond, they are read as they are asked for."""


@dataclass(frozen=True)
class Header:
    """What a store says of its images."""

    classes: tuple[str, ...]
    channels: tuple[str, ...]
    range: tuple[float, float]
    """The intensities that networks see as -1 and 1."""
    shape: tuple[int, ...]
    """Channels, then space."""
    dtype: str
    ids: tuple[tuple[str, ...], ...]
    """Of each class: the relative paths of its images."""
    splits: tuple[UInt8[np.ndarray, " _"], ...]
    """Of each class: the index into ``SPLITS`` for each image."""
    groups: tuple[tuple[str, ...], ...] = ()
    """Of each class: plate, donor, slide ... of each image, if known: a group never stands in two splits."""
    source: dict[str, Any] = field(default_factory=dict)
    """Where the images come from: plain JSON values."""
    pixel_um: tuple[float, ...] = ()
    """Distance of neighbours along each axis of space, where it is known."""

    def only(self, ids: Collection[str]) -> "Header":
        """Return what it says of the images of these ``ids``."""
        rows = [np.array([row for row, name in enumerate(one) if name in ids], int) for one in self.ids]
        names, groups = (
            tuple(tuple(one[row] for row in chosen) for one, chosen in zip(column, rows, strict=True))
            for column in (self.ids, self.groups or self.ids)
        )
        splits = tuple(one[chosen] for one, chosen in zip(self.splits, rows, strict=True))
        return replace(self, ids=names, splits=splits, groups=groups if self.groups else ())


Block = Callable[[int, int, int], Shaped[np.ndarray, "B C *space"]]
"""``block(label, start, stop)``: the images of one class from ``start`` to before ``stop``."""


def write_images(path: Path, header: Header, block: Block) -> None:
    """Write a store of images at ``path``, shard by shard: memory does not grow with their number."""
    root = layout.open_store(path, "a")
    root.attrs.update(
        {
            "classes": list(header.classes),
            "channels": list(header.channels),
            "range": list(header.range),
            "source": header.source,
            **({"pixel_um": list(header.pixel_um)} if header.pixel_um else {}),
        }
    )
    for label, ids in enumerate(header.ids):
        shape = (len(ids), *header.shape)
        axes = _axes(header.shape)
        images = layout.create(root, f"images/{label}", shape, header.dtype, axes)
        describe_array(root, f"images/{label}", axes, header.pixel_um)
        for start in range(0, len(ids), layout.ROWS):
            stop = min(start + layout.ROWS, len(ids))
            images[start:stop] = block(label, start, stop)
        _write_column(root, f"ids/{label}", layout.pack(list(ids)))
        _write_column(root, f"splits/{label}", header.splits[label])
        if header.groups:
            _write_column(root, f"groups/{label}", layout.pack(list(header.groups[label])))
    describe_channels(root, "images", header.channels, header.range)


class Images:
    """The images of one store, numbered over all classes; it takes, never draws."""

    def __init__(self, path: Path, declared: tuple[float, float] | None = None, only: tuple[str, ...] | None = None):
        """Open the store at ``path``; a ``declared`` range takes the place of the one that it states.

        With ``only`` it is as if the store held these classes alone, in this order.

        Raises
        ------
        DataError
            If there is no store of images, or a part of it is missing.
        RequestError
            If neither it nor ``declared`` gives a range for images of floats, or it lacks a class of ``only``.
        """
        self.path = path
        self.root = layout.open_store(path)
        facts = layout.attributes(self.root)
        there = _listed(facts, "classes", path)
        self.classes: tuple[str, ...] = tuple(there) if only is None else only
        if missing := [name for name in self.classes if name not in there]:
            raise RequestError(f"{path}: expected a class of {', '.join(there)}; found '{missing[0]}'")
        self._places = [there.index(name) for name in self.classes]
        self.channels: tuple[str, ...] = tuple(_listed(facts, "channels", path))
        self.source: dict[str, Any] = dict(facts.get("source", {}))
        self.pixel_um: tuple[float, ...] = tuple(map(float, facts.get("pixel_um", ())))
        self._arrays = self._found("images")
        self._starts = np.cumsum([0, *(one.shape[0] for one in self._arrays)])
        stated = facts.get("range")
        low, high = declared or (stated if isinstance(stated, list) else full_range(self._arrays[0].dtype, path))
        self.range = (float(low), float(high))

    def __len__(self) -> int:
        """Return the number of images."""
        return int(self._starts[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one image: channels, then space."""
        return tuple(self._arrays[0].shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the intensities as stored."""
        return np.dtype(self._arrays[0].dtype)

    @cached_property
    def labels(self) -> Int[np.ndarray, " N"]:
        """The class index of every image."""
        return np.repeat(np.arange(len(self.classes)), np.diff(self._starts))

    @cached_property
    def ids(self) -> list[str]:
        """The id of every image: its path relative to the folder that it came from."""
        return [one for column in self._column("ids") for one in layout.unpack(column)]

    @cached_property
    def splits(self) -> UInt8[np.ndarray, " N"]:
        """The index into ``SPLITS`` for every image."""
        return np.concatenate(self._column("splits"))

    @cached_property
    def groups(self) -> list[str]:
        """The group of every image (plate, donor, slide ...); nothing at all where none is known."""
        if "groups" not in self.root:
            return []
        return [one for column in self._column("groups") for one in layout.unpack(column)]

    def split(self, name: Split, label: int | None = None) -> Int[np.ndarray, " N"]:
        """Return the numbers of the images in a split, of one class or of all.

        Raises
        ------
        DataError
            If there are none.
        """
        chosen = self.splits == SPLITS.index(name)
        if label is not None:
            chosen &= self.labels == label
        if not chosen.any():
            which = "" if label is None else f" of class '{self.classes[label]}'"
            raise DataError(f"{self.path}: expected images{which} in the split '{name}', found none; add some")
        return np.flatnonzero(chosen)

    def take(self, numbers: Int[np.ndarray, " B"]) -> Shaped[np.ndarray, "B C *space"]:
        """Return the images of these numbers as they are stored."""
        out = np.empty((len(numbers), *self.shape), self._arrays[0].dtype)
        for label in np.unique(self.labels[numbers]):
            rows = np.flatnonzero(self.labels[numbers] == label)
            out[rows] = self._of_class(int(label), numbers[rows] - self._starts[label])
        return out

    def signed(self, numbers: Int[np.ndarray, " B"]) -> Float32[np.ndarray, "B C *space"]:
        """Return the images of these numbers as networks see them: the declared range on [-1, 1]."""
        return to_signed(self.take(numbers), self.range)

    def blocks(self, numbers: Int[np.ndarray, " N"]) -> Iterator[tuple[int, Int[np.ndarray, " B"]]]:
        """Yield ``numbers`` in runs of one shard's length, each with its start."""
        for start in range(0, len(numbers), layout.ROWS):
            yield start, numbers[start : start + layout.ROWS]

    def _column(self, name: str) -> list[np.ndarray]:
        return [np.asarray(one[...]) for one in self._found(name)]

    def _found(self, name: str) -> list[zarr.Array[Any]]:
        try:
            return [layout.array(self.root, f"{name}/{place}") for place in self._places]
        except RunError as error:
            raise DataError(f"{self.path}: {error}") from error

    @cached_property
    def _whole(self) -> list[np.ndarray] | None:
        """All images, if they fit into a bounded part of the memory: random reads then cost nothing."""
        if sum(one.nbytes for one in self._arrays) > IN_MEMORY:
            return None
        return [np.asarray(one[...]) for one in self._arrays]

    def _of_class(self, label: int, rows: np.ndarray) -> np.ndarray:
        if self._whole is not None:
            return np.asarray(self._whole[label][rows])
        return np.asarray(self._arrays[label].oindex[rows])


def is_store(path: Path) -> bool:
    """Return whether ``path`` is a store of images, or says that it is one."""
    try:
        facts = json.loads((path / "zarr.json").read_text(encoding="utf-8")).get("attributes", {})
    except (OSError, ValueError, AttributeError):
        return False
    return isinstance(facts, dict) and bool({"aliter", "classes"} & facts.keys())


def to_signed(values: Shaped[np.ndarray, "*shape"], declared: tuple[float, float]) -> Float32[np.ndarray, "*shape"]:
    """Map the ``declared`` range to [-1, 1]; values beyond it stay beyond."""
    low, high = declared
    scaled = (values.astype(np.float64) - low) * (2 / (high - low)) - 1
    return scaled.astype(np.float32)


def from_signed(
    values: Float32[np.ndarray, "*shape"], declared: tuple[float, float], dtype: Any
) -> Shaped[np.ndarray, "*shape"]:
    """Map [-1, 1] back to the ``declared`` range; integers are rounded and clipped to their type."""
    low, high = declared
    scaled = (values.astype(np.float64) + 1) * ((high - low) / 2) + low
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        # The largest value of 64 bits rounds up to one that the type cannot hold.
        scaled = np.clip(np.rint(scaled), info.min, np.nextafter(float(info.max) + 1, 0))
    return scaled.astype(dtype)


def full_range(dtype: Any, path: Path) -> tuple[float, float]:
    """Return the full range of an integer type.

    Raises
    ------
    RequestError
        For floats: their range must be declared.
    """
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return float(info.min), float(info.max)
    raise RequestError(f"{path}: images of type {dtype} have no range of their own; declare one: 'range: [low, high]'")


def _axes(shape: tuple[int, ...]) -> tuple[str, ...]:
    return ("index", "channel", *("z", "y", "x")[-len(shape) + 1 :])


def _write_column(root: zarr.Group, name: str, values: np.ndarray) -> None:
    layout.create(root, name, values.shape, values.dtype, ("index", "byte")[: values.ndim])[...] = values


def _listed(facts: dict[str, Any], name: str, path: Path) -> list[str]:
    found = facts.get(name)
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: expected a store of images that names its {name}, found none; see 'aliter convert'")
    return [str(one) for one in found]
