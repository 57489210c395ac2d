"""Folders of images with masks of their objects, and those of the Cell Tracking Challenge, as stores of fields."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Integer, Shaped

from aliter.core.errors import DataError, RequestError
from aliter.data import reader
from aliter.data.convert import beside
from aliter.data.fields import Fields, write_objects
from aliter.data.images import Header, full_range, write_images
from aliter.data.picture import Unusable, plain
from aliter.data.splits import SPLITS, draw_group_splits

_TIFF = (".tif", ".tiff")
_GAP = 10
"""One frame in so many is left out between what is validated on and what is tested on, if both are one sequence."""


@dataclass(frozen=True)
class _Field:
    """One field on disk."""

    id: str
    image: Path
    mask: Path
    group: str
    split: int | None = None


def convert_masked(
    source: Path,
    out: Path,
    declared: tuple[float, float] | None = None,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> Path:
    """Write the fields in ``source`` and the objects in them to a store at ``out``, and return its path.

    With ``only`` those of these ids, the splits being those of all.

    ``source`` holds ``images`` and ``masks``, files of equal names, maybe in folders train, val and test; else it is a
    folder of the Cell Tracking Challenge: ``01``, ``01_GT/SEG`` and so on. A sequence is a group. Of two sequences
    the first is for training, the second, early and late with a gap between, to validate and to test.

    Raises
    ------
    RequestError
        If there is no such folder, or images of floats come without a ``declared`` range.
    DataError
        If a file cannot be read, or fields differ in shape or type.
    """
    found, said = _found(source), surveyed(source, declared, seed)
    if only is not None:
        found, said = [one for one in found if one.id in only], said.only(only)
    first, mask = _image(found[0]), _mask(found[0])

    def block(label: int, start: int, stop: int) -> np.ndarray:
        return np.stack([_like(_image(field), first, field.image) for field in found[start:stop]])

    with beside(out) as part:
        write_images(part, said, block)
        write_objects(part, mask.dtype, lambda number: _like(_mask(found[number]), mask, found[number].mask))
    return out


def surveyed(source: Path, declared: tuple[float, float] | None = None, seed: int = 0) -> Header:
    """Return what ``convert_masked`` will say of the fields in ``source``; errors are the same."""
    found = _found(source)
    first = _image(found[0])
    splits = [field.split for field in found]
    (drawn,) = draw_group_splits([[field.group for field in found]], seed)
    return Header(
        classes=("fields",),
        channels=("intensity",) if len(first) == 1 else tuple(f"channel {number}" for number in range(len(first))),
        range=declared or full_range(first.dtype, source),
        shape=first.shape,
        dtype=first.dtype.name,
        ids=(tuple(field.id for field in found),),
        splits=(drawn if None in splits else np.array(splits, np.uint8),),
        groups=(tuple(field.group for field in found),),
        source={"folder": source.name, "fields": len(found)},
    )


def sampled(source: Path, most: int) -> list[Shaped[np.ndarray, "C *space"]]:
    """Return at most so many of the images in ``source``, evenly chosen; errors are those of ``convert_masked``."""
    found = _found(source)
    return [_image(found[place]) for place in np.unique(np.linspace(0, len(found) - 1, most).round().astype(int))]


def _found(source: Path) -> list[_Field]:
    if not source.is_dir():
        raise RequestError(f"{source}: expected a folder with 'images' and 'masks', or 01 and 01_GT; found none")
    found = list(_pairs(source)) or list(_sequences(source))
    if not found:
        raise DataError(f"{source}: expected files in 'images' and 'masks', or in 01 and 01_GT/SEG; found no pair")
    return found


def write_masked(fields: Fields, out: Path) -> None:
    """Write ``fields`` as ``out``/split/images and ``out``/split/masks, so that ``convert_masked`` gives them back."""
    with beside(out) as part:
        for number, split in enumerate(fields.splits.tolist()):
            for kind in ("images", "masks"):
                (part / SPLITS[split] / kind).mkdir(parents=True, exist_ok=True)
            name = f"{number:06d}.tif"
            tifffile.imwrite(part / SPLITS[split] / "images" / name, np.squeeze(fields.stored(number)))
            tifffile.imwrite(part / SPLITS[split] / "masks" / name, fields.objects(number))


def _pairs(source: Path) -> Iterator[_Field]:
    """Yield images and masks of equal names."""
    splits: list[tuple[Path, int | None]] = [(source / name, number) for number, name in enumerate(SPLITS)]
    folders = [(folder, split) for folder, split in splits if (folder / "images").is_dir()]
    for folder, split in folders or [(source, None)]:
        for image in sorted((folder / "images").glob("*")):
            masks = [
                path for path in (folder / "masks").glob(f"{image.stem}.*") if path.suffix.lower() in reader.FORMATS
            ]
            if image.suffix.lower() in reader.FORMATS and masks:
                name = image.relative_to(source).as_posix()
                yield _Field(name, image, masks[0], name, split)


def _sequences(source: Path) -> Iterator[_Field]:
    """Yield the frames of the Cell Tracking Challenge whose objects are all known."""
    names = [folder.name for folder in sorted(source.glob("[0-9][0-9]")) if _truth(source, folder.name)]
    for place, name in enumerate(names):
        masks = _truth(source, name)
        for rank, (frame, mask) in enumerate(masks):
            part = rank / len(masks)
            group, split = (name, None) if len(names) != 2 else (name, 0)
            if len(names) == 2 and place == 1:
                if abs(part - 0.5) < 0.5 / _GAP:
                    continue
                group, split = (f"{name}, early", 1) if part < 0.5 else (f"{name}, late", 2)
            yield _Field(f"{name}/t{frame}", source / name / f"t{frame}.tif", mask, group, split)


def _truth(source: Path, name: str) -> list[tuple[str, Path]]:
    """Return the frames of a sequence that have whole masks, by their digits."""
    for folder in (f"{name}_GT", f"{name}_ST"):
        masks = sorted((source / folder / "SEG").glob("man_seg*.tif"))
        pairs = [(match[1], path) for path in masks if (match := re.fullmatch(r"man_seg(\d+)\.tif", path.name))]
        found = [(frame, path) for frame, path in pairs if (source / name / f"t{frame}.tif").is_file()]
        if found:
            return found
    return []


def _image(field: _Field) -> Shaped[np.ndarray, "C *space"]:
    values, ndim = _read(field.image), _mask(field).ndim
    if values.ndim == ndim:
        return values[None]
    if values.ndim != ndim + 1:
        raise DataError(
            f"{field.image}: expected {ndim} axes as in {field.mask.name}, and maybe channels; found {values.shape}"
        )
    return np.moveaxis(values, int(np.argmin(values.shape)), 0)


def _mask(field: _Field) -> Integer[np.ndarray, "*space"]:
    return read_labels(field.mask)


def read_labels(path: Path) -> Integer[np.ndarray, "*space"]:
    """Return the whole numbers in a file, axes of length 1 left out.

    Raises
    ------
    DataError
        If it cannot be read or holds other numbers.
    """
    values = _read(path)
    if values.dtype.kind not in "iu":
        raise DataError(f"{path}: expected whole numbers, one for each object, found {values.dtype}; save labels")
    return values


def _read(path: Path) -> Shaped[np.ndarray, "*shape"]:
    """Return the values of a file, axes of length 1 left out."""
    try:
        if path.suffix.lower() in _TIFF:
            return np.squeeze(plain(tifffile.imread(path)))
        return np.squeeze(reader.read(path))
    except (Unusable, OSError, ValueError, tifffile.TiffFileError) as error:
        raise DataError(f"{path}: expected an image, found one that cannot be read ({error}); replace it") from error


def _like(values: np.ndarray, first: np.ndarray, path: Path) -> np.ndarray:
    if values.shape != first.shape or values.dtype != first.dtype:
        expected, found = f"{first.dtype} {first.shape}", f"{values.dtype} {values.shape}"
        raise DataError(f"{path}: expected {expected} as in the first, found {found}; cut all to one size")
    return values
