"""Pairs that were made elsewhere: planted by a simulator, written by another run, or made by any other generator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
import zarr
from einops import rearrange
from jaxtyping import Bool, Float32, Int, Shaped

from aliter.core.errors import DataError, RequestError
from aliter.data import layout, reader
from aliter.data.images import Images, to_signed
from aliter.data.splits import Split

NAME = "given"
"""The kind of pairs that come as a folder, which has no name for them."""

_Rows = Callable[[slice], Shaped[np.ndarray, "B ..."]]


@dataclass(frozen=True)
class Explained:
    """The images that are explained: of each class the first ``count`` in a split."""

    images: Images
    split: Split | Literal["all"]
    count: int | None = None
    """All if None."""

    def whole(self, label: int) -> Int[np.ndarray, " M"]:
        """Return the numbers of all images of a class in the split."""
        every = np.flatnonzero(self.images.labels == label)
        return every if self.split == "all" else self.images.split(self.split, label)

    def numbers(self, label: int) -> Int[np.ndarray, " N"]:
        """Return the numbers of those of a class that are explained."""
        return self.whole(label)[: self.count]

    @property
    def pairs(self) -> Iterator[tuple[int, int]]:
        """All pairs of a source and another class as target."""
        return permutations(range(len(self.images.classes)), 2)


@dataclass(frozen=True)
class Given:
    """Counterfactuals of one kind, source and target; a row for each explained image of the source."""

    kind: str
    pair: tuple[int, int]
    batch: int
    """Counterfactuals of each image."""
    generated: _Rows
    """Those of these rows, (B, batch, C, H, W), as networks see them, float32."""
    planted: Mapping[str, _Rows]
    """What is known of the difference, (B, C, H, W) each: ``truth``, where it lies; ``shortcut``, where it lies besides
    and should not count."""


def given(path: Path | None, kinds: Sequence[str], explained: Explained) -> list[Given]:
    """Return the pairs of these ``kinds`` for the ``explained`` images; of all kinds, if none is named.

    ``path`` is a store with ``{kind}/generated/{source}_{target}``, or a folder with a folder
    ``{source}_{target}`` for each pair, class names for numbers, whose files are named like the queries. None: the
    store of the images.

    Raises
    ------
    RequestError
        If there are no such pairs.
    DataError
        If they are not those of the images.
    """
    if path is None:
        return _in_store(explained.images.path, kinds, explained) if kinds else []
    if (path / "zarr.json").is_file():
        return _in_store(path, kinds, explained)
    if path.is_dir() and set(kinds) <= {NAME}:
        return list(_in_folder(path, explained))
    found = f"a folder, whose pairs are called '{NAME}'" if path.is_dir() else "none"
    raise RequestError(f"{path}: expected a store or folder of pairs, {', '.join(kinds)}; found {found}")


def _in_store(path: Path, kinds: Sequence[str], explained: Explained) -> list[Given]:
    images = explained.images
    root = layout.open_store(path)
    classes = layout.attributes(root).get("classes", list(images.classes))
    if classes != list(images.classes):
        raise DataError(
            f"{path}: expected pairs of the classes {', '.join(images.classes)}, in this order; found {classes}"
        )
    there = sorted(name for name, group in root.groups() if "generated" in group)
    if not there or not set(kinds) <= set(there):
        raise RequestError(
            f"{path}: expected pairs called {', '.join(kinds) or 'by some name'}; found {', '.join(there) or 'none'}"
        )
    return [
        _stored(path, root, kind, pair, explained)
        for kind in kinds or there
        for pair in explained.pairs
        if f"{kind}/generated/{pair[0]}_{pair[1]}" in root
    ]


def _stored(path: Path, root: zarr.Group, kind: str, pair: tuple[int, int], explained: Explained) -> Given:
    images = explained.images
    name = f"{pair[0]}_{pair[1]}"
    array = layout.array(root, f"{kind}/generated/{name}")
    if array.ndim not in (4, 5) or array.shape[-3:] != images.shape:
        raise DataError(
            f"{path}: expected {kind}/generated/{name} to hold images of {images.shape}, found {array.shape}"
        )
    low, high = _range(path, array, images)
    rows = _rows(path, root, pair[0], array.shape[0], explained)

    def generated(part: slice) -> Float32[np.ndarray, "B batch C H W"]:
        values = np.asarray(array.oindex[rows[part]])
        signed = values.astype(np.float32) if (low, high) == (-1, 1) else to_signed(values, (low, high))
        if not np.isfinite(signed).all():
            raise DataError(f"{path}: expected finite images in {kind}/generated/{name}, found NaN or infinity")
        return signed if values.ndim == 5 else rearrange(signed, "b c y x -> b 1 c y x")

    places = {"truth": (f"{kind}/truth/{name}", f"truth/{name}"), "shortcut": (f"{kind}/shortcut/{name}",)}
    there = {what: [one for one in known if one in root] for what, known in places.items()}
    planted = {what: _marks(layout.array(root, known[0]), rows) for what, known in there.items() if known}
    return Given(kind, pair, array.shape[1] if array.ndim == 5 else 1, generated, planted)


def _marks(array: zarr.Array[Any], rows: Int[np.ndarray, " N"]) -> _Rows:
    def marks(part: slice) -> Bool[np.ndarray, "B C H W"]:
        return np.asarray(array.oindex[rows[part]])

    return marks


def _range(path: Path, array: zarr.Array[Any], images: Images) -> tuple[float, float]:
    """Return the values that networks see as -1 and 1: those that the array states, else those of the images."""
    stated = layout.attributes(array).get("range")
    if isinstance(stated, list):
        return float(stated[0]), float(stated[1])
    if array.dtype == images.dtype:
        return images.range
    raise DataError(
        f"{path}: expected {array.path} of type {images.dtype}, like the images, or with an attribute 'range', "
        f"[low, high]; found {array.dtype} without one"
    )


def _rows(path: Path, root: zarr.Group, source: int, length: int, explained: Explained) -> Int[np.ndarray, " N"]:
    """Return the rows of the explained images of a class: by their ids, else in the order of their split."""
    images, numbers = explained.images, explained.numbers(source)
    if f"ids/{source}" in root:
        ids = layout.unpack(np.asarray(layout.array(root, f"ids/{source}")[...]))
        if len(ids) == length:
            place = {one: row for row, one in enumerate(ids)}
            wanted = _all_there(path, [images.ids[number] for number in numbers], place)
            return np.array([place[one] for one in wanted], np.int64)
    whole = len(explained.whole(source))
    if length != whole:
        raise DataError(
            f"{path}: expected a row for each of the {whole} images of class '{images.classes[source]}' in the split "
            f"'{explained.split}', found {length}; add the ids of its images as ids/{source} if they are others"
        )
    return np.arange(len(numbers))


def _in_folder(path: Path, explained: Explained) -> Iterator[Given]:
    images, found = explained.images, 0
    for pair in explained.pairs:
        folder = path / "_".join(images.classes[label] for label in pair)
        if folder.is_dir():
            found += 1
            files = {_stem(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if _is_image(file)}
            stems = [_below(images.ids[number], images.classes[pair[0]]) for number in explained.numbers(pair[0])]
            yield Given(NAME, pair, 1, _reading([files[stem] for stem in _all_there(folder, stems, files)], images), {})
    if not found:
        a, b = images.classes[:2]
        raise RequestError(f"{path}: expected folders named source_target, such as {a}_{b}; found none; see the guide")


def _reading(files: Sequence[Path], images: Images) -> _Rows:
    def generated(part: slice) -> Float32[np.ndarray, "B 1 C H W"]:
        return np.stack([to_signed(_image(file, images), images.range)[None] for file in files[part]])

    return generated


def _image(file: Path, images: Images) -> Shaped[np.ndarray, "C H W"]:
    try:
        values = reader.read(file)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    if values.shape != images.shape or values.dtype != images.dtype:
        raise DataError(
            f"{file}: expected {images.shape} of type {images.dtype}, like the queries; "
            f"found {values.shape} of type {values.dtype}"
        )
    return values


def _all_there(path: Path, wanted: Sequence[str], there: Mapping[str, Any]) -> Sequence[str]:
    """Return ``wanted`` if each of them is ``there`` once."""
    missing = [one for one in wanted if one not in there]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise DataError(
            f"{path}: expected a counterfactual for every explained image, found none for {', '.join(missing[:3])}"
            f"{more}; add them, or explain fewer with generate.split and generate.count"
        )
    if len(set(wanted)) < len(wanted):
        raise DataError(f"{path}: expected explained images of different names, found equal ones; rename them")
    return wanted


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in reader.FORMATS and not file.name.startswith(".") and file.is_file()


def _stem(path: Path | PurePosixPath) -> str:
    return path.with_suffix("").as_posix() if path.suffix.lower() in reader.FORMATS else path.as_posix()


def _below(id: str, label: str) -> str:
    """Return the id of an image without the folders down to its class, and without the ending."""
    parts = PurePosixPath(id).parts
    return _stem(PurePosixPath(*parts[parts.index(label) + 1 :] if label in parts else parts))
