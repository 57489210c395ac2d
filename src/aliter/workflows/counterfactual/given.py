"""Pairs that were made elsewhere: planted by a simulator, written by another run, or made with a generator of your own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import zarr
from einops import rearrange
from jaxtyping import Bool, Float32, Int, Shaped

from aliter.core.errors import DataError, RequestError
from aliter.data import layout, reader
from aliter.data.images import Images, to_signed

NAME = "given"
"""The kind of pairs that come as a folder, which has no name for them."""

Chosen = Mapping[int, Int[np.ndarray, " N"]]
"""The numbers of the explained images of each class."""
_Rows = Callable[[slice], Shaped[np.ndarray, "B ..."]]


@dataclass(frozen=True)
class Given:
    """Counterfactuals of one kind, source and target; a row for each explained image of the source."""

    kind: str
    pair: tuple[int, int]
    batch: int
    """Counterfactuals of each image."""
    generated: _Rows
    """Those of these rows, (B, batch, C, H, W), as networks see them, float32."""
    truth: _Rows | None = None
    """Where the difference lies, (B, C, H, W), if that is known."""


def given(path: Path | None, kinds: Sequence[str], images: Images, chosen: Chosen) -> list[Given]:
    """Return the pairs of these ``kinds`` for the ``chosen`` images; of all kinds, if none is named.

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
        return _in_store(images.path, kinds, images, chosen) if kinds else []
    if (path / "zarr.json").is_file():
        return _in_store(path, kinds, images, chosen)
    if path.is_dir() and set(kinds) <= {NAME}:
        return list(_in_folder(path, images, chosen))
    found = f"a folder, whose pairs are called '{NAME}'" if path.is_dir() else "none"
    raise RequestError(f"{path}: expected a store or folder of pairs, {', '.join(kinds)}; found {found}")


def _in_store(path: Path, kinds: Sequence[str], images: Images, chosen: Chosen) -> list[Given]:
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
        _stored(path, root, kind, pair, images, chosen[pair[0]])
        for kind in kinds or there
        for pair in permutations(chosen, 2)
        if f"{kind}/generated/{pair[0]}_{pair[1]}" in root
    ]


def _stored(
    path: Path, root: zarr.Group, kind: str, pair: tuple[int, int], images: Images, numbers: Int[np.ndarray, " N"]
) -> Given:
    name = f"{pair[0]}_{pair[1]}"
    array = layout.array(root, f"{kind}/generated/{name}")
    if array.ndim not in (4, 5) or array.shape[-3:] != images.shape:
        raise DataError(
            f"{path}: expected {kind}/generated/{name} to hold images of {images.shape}, found {array.shape}"
        )
    low, high = _range(path, array, images)
    rows = _rows(path, root, pair[0], len(array), images, numbers)

    def generated(part: slice) -> Float32[np.ndarray, "B batch C H W"]:
        values = np.asarray(array.oindex[rows[part]])
        signed = values.astype(np.float32) if (low, high) == (-1, 1) else to_signed(values, (low, high))
        if not np.isfinite(signed).all():
            raise DataError(f"{path}: expected finite images in {kind}/generated/{name}, found NaN or infinity")
        return signed if values.ndim == 5 else rearrange(signed, "b c y x -> b 1 c y x")

    places = (f"{kind}/truth/{name}", f"truth/{name}")
    planted = next((layout.array(root, place) for place in places if place in root), None)

    def truth(part: slice) -> Bool[np.ndarray, "B C H W"]:
        assert planted is not None
        return np.asarray(planted.oindex[rows[part]])

    return Given(
        kind, pair, array.shape[1] if array.ndim == 5 else 1, generated, truth if planted is not None else None
    )


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


def _rows(
    path: Path, root: zarr.Group, source: int, length: int, images: Images, numbers: Int[np.ndarray, " N"]
) -> Int[np.ndarray, " N"]:
    """Return the rows of the images of these ``numbers``: by their ids, else in the order of their split."""
    if f"ids/{source}" in root:
        ids = layout.unpack(np.asarray(layout.array(root, f"ids/{source}")[...]))
        if len(ids) == length:
            place = {one: row for row, one in enumerate(ids)}
            return np.array([place[one] for one in _all_there(path, [images.ids[n] for n in numbers], place)], np.int64)
    alike = (images.splits == images.splits[numbers[0]]) & (images.labels == source)
    whole = int(np.count_nonzero(alike))
    if length != whole:
        raise DataError(
            f"{path}: expected a row for each of the {whole} images of class '{images.classes[source]}' in the split "
            f"that is explained, found {length}; add their ids as ids/{source} if these are others"
        )
    return np.arange(len(numbers))


def _in_folder(path: Path, images: Images, chosen: Chosen) -> Iterator[Given]:
    found = 0
    for pair in permutations(chosen, 2):
        folder = path / "_".join(images.classes[label] for label in pair)
        if folder.is_dir():
            found += 1
            files = {_stem(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if _is_image(file)}
            stems = [_below(images.ids[number], images.classes[pair[0]]) for number in chosen[pair[0]]]
            yield Given(NAME, pair, 1, _reading([files[stem] for stem in _all_there(folder, stems, files)], images))
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
