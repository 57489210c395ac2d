"""What a source of images holds: understood from headers alone, with everything that is odd in it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped, UInt8

from aliter.core.errors import DataError, RequestError
from aliter.core.progress import progress
from aliter.data import reader
from aliter.data.columns import holds_columns, read_columns
from aliter.data.folder import Finding, Place, Search, grouped, places
from aliter.data.images import Images, is_store
from aliter.data.ngff import attributes, inside, is_array, is_zarr
from aliter.data.picture import Picture, Unusable
from aliter.data.planes import KEPT, Planes
from aliter.data.sheet import sheet_places
from aliter.data.splits import SPLITS, draw_group_splits, draw_splits, straddling

_SHOWN = 20


Read = Callable[[str], Shaped[np.ndarray, "C *space"]]
"""The values of the image of an id."""


@dataclass(frozen=True)
class Scan:
    """What was understood of a source of images, and what stands in the way of using it."""

    source: Path
    kind: Literal["folder", "sheet", "arrays", "store"]
    classes: tuple[str, ...]
    """Names in order; that of folders and of a sheet is alphabetical."""
    ids: tuple[tuple[str, ...], ...]
    """Of each class: the paths of its images relative to the source, in order."""
    splits: tuple[UInt8[np.ndarray, " _"], ...]
    """Of each class: the split of each image; nothing at all where the source tells none."""
    groups: tuple[tuple[str, ...], ...]
    """Of each class: the group of each image, which is its id if it stands alone; nothing at all where none is told."""
    picture: Picture | None
    """Shape and type of most images; None if there are none."""
    findings: tuple[Finding, ...]
    read: Read
    """Values of an image, by its id."""
    ignored: Mapping[str, int] = field(default_factory=dict)
    """What was passed over: counts by the ending of the name, of hidden files, of links that lead back."""

    def assigned(self, seed: int = 0) -> tuple[UInt8[np.ndarray, " _"], ...]:
        """Return the split of each image of each class: as told, else drawn from ``seed``, whole groups together."""
        if self.splits:
            return self.splits
        if self.groups:
            return draw_group_splits(self.groups, seed)
        return tuple(draw_splits(len(ids), seed, label) for label, ids in enumerate(self.ids))

    def checked(self) -> Picture:
        """Return the picture that all images share.

        Raises
        ------
        DataError
            If there are no images, or any finding: lists them all, by kind.
        """
        if self.findings:
            raise DataError(table(self.source, self.findings))
        if self.picture is None:
            wanted = "a folder per class with images in it"
            raise DataError(f"{self.source}: expected {wanted} ({' '.join(reader.FORMATS)}), found {self._passed()}")
        return self.picture

    def summary(self) -> str:
        """Return in one sentence what was understood."""
        counts = ", ".join(f"{name} {len(ids):,}" for name, ids in zip(self.classes, self.ids, strict=True))
        total = f"{sum(map(len, self.ids)):,} images in {len(self.classes)} classes ({counts})"
        if self.picture is None:
            return f"{self.source}: {total}; passed over: {self._passed()}"
        pixels = "x".join(map(str, self.picture.shape[1:]))
        names = ", ".join(self.picture.channels)
        form = f"{pixels} pixels, {self.picture.shape[0]} channels ({names}), {self.picture.dtype}"
        rows = np.bincount(np.concatenate(self.splits), minlength=3) if self.splits else ()
        split = ", ".join(f"{name} {count:,}" for name, count in zip(SPLITS, rows, strict=False)) or "to be drawn"
        together = f"{len({one for column in self.groups for one in column}):,} groups; " if self.groups else ""
        return f"{self.source}: {total}; {form}; {together}split: {split}; passed over: {self._passed()}"

    def _passed(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in sorted(self.ignored.items())) or "nothing"


def scan(source: Path, planes: Planes = KEPT, groups: str | None = None) -> Scan:
    """Return what ``source`` holds; of images only headers are read.

    It is a folder per class, a CSV file that lists images, arrays of images and labels in .npz, .npy or Zarr, or a
    store. Folders train, val (or validation) and test above the class folders are the
    split. Images may lie deeper than the class folder, in OME-Zarr and its plates too. Links are followed, but never
    back. Hidden files and files of other kinds are passed over.

    Parameters
    ----------
    groups
        How the group of an image is told from its id: ``folder``, or a regular expression.

    Raises
    ------
    RequestError
        If there is no such source, or ``groups`` is no expression.
    DataError
        If it is none of these.
    """
    if is_store(source):
        return _scan_store(source)
    if not source.exists():
        raise RequestError(f"{source}: expected a folder of images or a store, found none; check the path")
    if holds_columns(source):
        return _scan_columns(source, planes, groups)
    if is_zarr(source):
        raise DataError(_other_zarr(source))
    if source.is_file() and source.suffix.lower() not in (".csv", ".tsv"):
        raise RequestError(
            f"{source}: expected a folder per class, a CSV file, .npz, .npy or a store; found another file"
        )
    return _scan_files(source, planes, groups)


def table(source: Path, findings: Sequence[Finding]) -> str:
    """Return a sentence for each finding, under a heading for each kind, cut after the first of many."""
    lines = [f"{source}: {len(findings):,} files or folders cannot be used; repair or remove them"]
    for kind, count in Counter(finding.kind for finding in findings).items():
        lines.append(f"{kind} ({count:,}):")
        members = [finding for finding in findings if finding.kind == kind]
        lines += [f"  {_printable(finding.path)}: {_printable(finding.reason)}" for finding in members[:_SHOWN]]
        if count > _SHOWN:
            lines.append(f"  and {count - _SHOWN:,} more")
    return "\n".join(lines)


def _scan_store(source: Path) -> Scan:
    images = Images(source)
    numbers = [np.flatnonzero(images.labels == label) for label in range(len(images.classes))]
    ids = tuple(tuple(images.ids[number] for number in rows) for rows in numbers)
    splits = tuple(images.splits[rows] for rows in numbers)
    groups = tuple(tuple(images.groups[number] for number in rows) for rows in numbers) if images.groups else ()
    found = Picture(images.shape, images.dtype.name, images.channels, images.pixel_um)

    def read(name: str) -> Shaped[np.ndarray, "C *space"]:
        return np.asarray(images.take(np.array([images.ids.index(name)]))[0])

    return Scan(source, "store", images.classes, ids, splits, groups, found, (), read)


def _scan_columns(source: Path, planes: Planes, groups: str | None) -> Scan:
    search = _search(source)
    found = read_columns(source, planes)
    listed = grouped(search, found.places, groups)
    return _gathered(search, source, listed, found.picture, "arrays", found.read, found.classes)


def _scan_files(source: Path, planes: Planes, groups: str | None) -> Scan:
    search, is_folder = _search(source), source.is_dir()
    listed = grouped(search, places(search) if is_folder else sheet_places(search, source), groups)
    root = search.source

    def read(name: str) -> Shaped[np.ndarray, "C *space"]:
        return reader.read(root / name, planes)

    pictures: dict[str, Picture] = {}
    with progress("scanning", len(listed)) as advance:
        for place in listed:
            try:
                pictures[place.id] = _described(root, place.id, planes)
            except Unusable as error:
                search.note(place.id, error)
            advance(1, f"{len(search.findings)} findings")
    return _gathered(search, source, listed, _common(pictures, search), "folder" if is_folder else "sheet", read)


def _search(source: Path) -> Search:
    return Search(source if source.is_dir() else source.parent)


def _other_zarr(source: Path) -> str:
    """Return in a sentence why the Zarr folder ``source`` names no classes."""
    try:
        held = [one.path for one in inside(source) if one.path]
        alone = is_array(source) or "multiscales" in attributes(source)
    except Unusable as error:
        return f"{source}: {error}"
    wanted = f"{source}: expected a store of images that names its classes, or a group with arrays images and labels"
    if not held and not alone:
        return f"{wanted}; found neither; check the path"
    found = f"{len(held)} images without classes" if held else "one image without a class"
    example = f"{source.name}/{held[0]}" if held else source.name
    return (
        f"{wanted}; found {found}; list them in a CSV file beside it with the columns path and label, such as "
        f"'{example},control' (the path of a well stands for all its fields)"
    )


def _described(source: Path, name: str, planes: Planes) -> Picture:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Unusable("cannot be read", "its name is not in UTF-8; rename it") from None
    return reader.describe(source / name, planes)


def _common(pictures: Mapping[str, Picture], search: Search) -> Picture | None:
    """Return what most images are, having noted those that are not."""
    if not pictures:
        return None
    (shape, dtype), _ = Counter((one.shape, one.dtype) for one in pictures.values()).most_common(1)[0]
    for name, one in pictures.items():
        differences = []
        if one.shape[1:] != shape[1:]:
            found, wanted = ("x".join(map(str, size[1:])) for size in (one.shape, shape))
            differences.append(f"{found} instead of {wanted}")
        if one.shape[0] != shape[0]:
            differences.append(f"channels: {one.shape[0]} instead of {shape[0]}")
        if one.dtype != dtype:
            differences.append(f"{one.dtype} instead of {dtype}")
        if differences:
            search.note(name, Unusable("unlike most others", ", ".join(differences)))
    return next(one for one in pictures.values() if (one.shape, one.dtype) == (shape, dtype))


def _gathered(
    search: Search,
    source: Path,
    found: Sequence[Place],
    common: Picture | None,
    kind: Literal["folder", "sheet", "arrays"],
    read: Read,
    order: Sequence[str] = (),
) -> Scan:
    classes = tuple(order) or tuple(sorted({place.label for place in found}))
    of_class: dict[str, list[Place]] = {name: [] for name in classes}
    for place in found:
        of_class[place.label].append(place)
    columns = [of_class[name] for name in classes]
    ids = tuple(tuple(place.id for place in one) for one in columns)
    splits: tuple[UInt8[np.ndarray, " _"], ...] = ()
    if any(place.split is not None for place in found):
        splits = tuple(np.array([place.split for place in one], np.uint8) for one in columns)
    groups: tuple[tuple[str, ...], ...] = ()
    if any(place.group for place in found):
        groups = tuple(tuple(place.group or place.id for place in one) for one in columns)
        _note_straddling(search, groups, splits)
    findings = tuple(sorted(search.findings, key=lambda finding: (finding.kind, finding.path)))
    return Scan(source, kind, classes, ids, splits, groups, common, findings, read, dict(search.ignored))


def _note_straddling(
    search: Search, groups: tuple[tuple[str, ...], ...], splits: tuple[UInt8[np.ndarray, " _"], ...]
) -> None:
    if splits:
        for name in straddling([one for column in groups for one in column], np.concatenate(splits)):
            search.note(name, Unusable("not where an image belongs", "this group stands in more than one split"))


def _printable(text: str) -> str:
    """Return ``text`` with what would move the cursor, or is no character at all, spelled out."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
