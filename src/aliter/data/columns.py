"""Images and labels in arrays side by side: NumPy's .npz and .npy, and groups of Zarr."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import Shaped

from aliter.core.errors import DataError
from aliter.data.doctor import memory_total
from aliter.data.folder import SPLIT_NAMES, Place
from aliter.data.ngff import is_array, is_zarr, names_of, open_array
from aliter.data.picture import Picture, Unusable, picture, plain
from aliter.data.planes import Arrangement, Planes, arrange, named

_PARTS = ("", "train_", "val_", "test_")
_WANTED = "arrays images and labels and, where known, groups, splits, ids and classes"
_BOMB, _RATIO = 1 << 30, 1000


@dataclass(frozen=True)
class Columns:
    """Arrays of equally many rows: one image a row."""

    places: tuple[Place, ...]
    picture: Picture
    classes: tuple[str, ...]
    """In order of their numbers, or of their names where labels are texts."""
    read: Callable[[str], Shaped[np.ndarray, "C *space"]]
    """The image of an id."""


def holds_columns(path: Path) -> bool:
    """Return whether ``path`` is one of those: .npz, .npy with labels.npy beside it, or a group with labels."""
    if path.is_dir():
        return any(is_array(path / f"{part}labels") for part in _PARTS) or (path / "images.npy").is_file()
    return path.suffix.lower() in (".npz", ".npy")


def read_columns(path: Path, planes: Planes) -> Columns:
    """Return what ``path`` holds; images are read as they are asked for.

    Images have their number first, then the axes that ``planes`` or their names tell; a prefix train_, val_ or
    test_ of both names is their split. Labels are numbers, named by 'classes' if there are any, or texts. Nothing is
    unpickled.

    Raises
    ------
    DataError
        If arrays are missing, do not fit together, or hold no plain numbers.
    """
    arrays = _arrays(path)
    parts = [part for part in _PARTS if f"{part}images" in arrays or f"{part}labels" in arrays]
    if not parts:
        raise DataError(f"{path}: expected {_WANTED}; found {', '.join(sorted(arrays)) or 'none'}")
    try:
        return _joined([_Part(part, arrays, path, planes) for part in parts], arrays)
    except Unusable as error:
        raise DataError(f"{path}: {error}") from error


class _Part:
    """The images of one split, or all."""

    def __init__(self, prefix: str, arrays: Mapping[str, Any], path: Path, planes: Planes):
        self.prefix, self.planes = prefix, planes
        if not {f"{prefix}images", f"{prefix}labels"} <= arrays.keys():
            raise Unusable("cannot be read", f"expected '{prefix}images' and '{prefix}labels'; add what is missing")
        self.images = arrays[f"{prefix}images"]
        self.count = self.images.shape[0] if self.images.ndim else 0
        self.labels = self._column(arrays, "labels")
        self.groups = self._column(arrays, "groups")
        self.splits = self._column(arrays, "splits")
        self.ids = self._column(arrays, "ids")
        self.axes = self._axes()

    def arrangement(self, row: int) -> Arrangement:
        return arrange(self.images.shape, self.axes, self.planes, row)

    def id(self, row: int) -> str:
        return str(self.ids[row]) if len(self.ids) else f"{self.prefix.rstrip('_') or 'images'}/{row:06d}"

    def split(self, row: int) -> int | None:
        word = str(self.splits[row]).casefold() if len(self.splits) else self.prefix.rstrip("_")
        if word and word not in SPLIT_NAMES:
            raise Unusable("cannot be read", f"the split of row {row} is '{word}'; expected train, val or test")
        return SPLIT_NAMES.get(word)

    def _axes(self) -> str:
        named_ = names_of(self.images) if isinstance(self.images, zarr.Array) else ""
        return named_ or "N" + named(tuple(self.images.shape[1:]), self.planes)

    def _column(self, arrays: Mapping[str, Any], name: str) -> Sequence[Any]:
        if f"{self.prefix}{name}" not in arrays:
            return ()
        values = np.asarray(arrays[f"{self.prefix}{name}"][...])
        flat = values.reshape(len(values)) if values.ndim == 2 and values.shape[1] == 1 else values
        if flat.shape != (self.count,) or flat.dtype.kind not in "biuUST":
            expected = f"'{self.prefix}{name}' with one number or text for each of {self.count} images"
            raise Unusable("cannot be read", f"expected {expected}, found {values.dtype} {values.shape}")
        return [one.decode() if isinstance(one, bytes) else one for one in flat.tolist()]


def _joined(parts: Sequence[_Part], arrays: Mapping[str, Any]) -> Columns:
    values = sorted({one for part in parts for one in part.labels})
    names = [str(one) for one in np.asarray(arrays["classes"][...]).tolist()] if "classes" in arrays else []
    if names and not all(isinstance(one, int) and 0 <= one < len(names) for one in values):
        raise Unusable("cannot be read", f"expected labels from 0 to {len(names) - 1}, one for each of 'classes'")
    label = {one: names[one] if names else str(one) for one in values}
    where: dict[str, tuple[_Part, int]] = {}
    places = []
    for part in parts:
        for row in range(part.count):
            id_ = part.id(row)
            if id_ in where:
                raise Unusable("cannot be read", f"the id '{id_}' stands twice; give each image its own")
            where[id_] = part, row
            group = str(part.groups[row]) if len(part.groups) else ""
            places.append(Place(label[part.labels[row]], part.split(row), id_, id_, group))
    if not places:
        raise Unusable("no plain image", "it holds no image")
    pictures = [picture(part.arrangement(0).shape, part.images.dtype) for part in parts if part.count]
    if len(set(pictures)) > 1:
        raise Unusable("unlike most others", f"its parts differ: {' and '.join(str(one.shape) for one in pictures)}")

    def read(id_: str) -> Shaped[np.ndarray, "C *space"]:
        part, row = where[id_]
        return plain(part.arrangement(row)(part.images))

    return Columns(tuple(places), pictures[0], tuple(label[one] for one in values), read)


def _arrays(path: Path) -> Mapping[str, Any]:
    """Return the arrays at ``path`` by name, unread where that is possible."""
    try:
        if path.suffix.lower() == ".npz":
            return _unzipped(path)
        if path.is_dir() and is_zarr(path):
            return {one.name: open_array(one) for one in sorted(path.iterdir()) if is_array(one)}
        folder = path if path.is_dir() else path.parent
        files = {one.stem: one for one in sorted(folder.glob("*.npy"))}
        if path.is_file():
            files["images"] = path
        return {name: np.load(one, mmap_mode="r", allow_pickle=False) for name, one in files.items()}
    except Unusable as error:
        raise DataError(f"{path}: {error}") from error
    except (ValueError, OSError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise DataError(f"{path}: expected {_WANTED}, found what cannot be read ({error})") from error


def _unzipped(path: Path) -> Mapping[str, Any]:
    """Return the arrays of an .npz file, which must be unpacked whole."""
    with zipfile.ZipFile(path) as file:
        size = sum(one.file_size for one in file.infolist())
        packed = sum(one.compress_size for one in file.infolist())
    there = memory_total()
    if size > _BOMB and (size > _RATIO * packed or (there is not None and size > there)):
        raise Unusable("larger than the limit", f"it claims {size:,} bytes unpacked; save the arrays as .npy or Zarr")
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
