"""What a folder of images holds: understood from headers alone, with everything that is odd in it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8

from aliter.core.errors import DataError, RequestError
from aliter.core.progress import progress
from aliter.data import reader
from aliter.data.folder import Finding, Place, Search, places
from aliter.data.images import Images
from aliter.data.picture import Picture, Unusable
from aliter.data.splits import SPLITS

_SHOWN = 20


@dataclass(frozen=True)
class Scan:
    """What was understood of a source of images, and what stands in the way of using it."""

    source: Path
    kind: Literal["folder", "store"]
    classes: tuple[str, ...]
    """Names in order: the index of a class is its rank among the sorted names of the class folders."""
    ids: tuple[tuple[str, ...], ...]
    """Of each class: the paths of its images relative to the source, in order."""
    splits: tuple[UInt8[np.ndarray, " _"], ...]
    """Of each class: the split of each image; nothing at all where the folders tell none."""
    picture: Picture | None
    """Shape and type of most images; None if there are none."""
    findings: tuple[Finding, ...]
    ignored: Mapping[str, int] = field(default_factory=dict)
    """What was passed over: counts by the ending of the name, of hidden files, of links that lead back."""

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
        channels, height, width = self.picture.shape
        form = (
            f"{height}x{width} pixels, {channels} channels ({', '.join(self.picture.channels)}), {self.picture.dtype}"
        )
        rows = np.bincount(np.concatenate(self.splits), minlength=3) if self.splits else ()
        split = ", ".join(f"{name} {count:,}" for name, count in zip(SPLITS, rows, strict=False)) or "to be drawn"
        return f"{self.source}: {total}; {form}; split: {split}; passed over: {self._passed()}"

    def _passed(self) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in sorted(self.ignored.items())) or "nothing"


def scan(source: Path) -> Scan:
    """Return what ``source`` holds: a folder per class, or a store of images; only headers are read.

    Folders train, val (or validation) and test above the class folders are the split. Images may lie deeper
    than the class folder. Links are followed, but never back. Hidden files and files of other kinds are passed over.

    Raises
    ------
    RequestError
        If there is no such folder.
    """
    if (source / "zarr.json").is_file():
        return _scan_store(source)
    if not source.is_dir():
        raise RequestError(f"{source}: expected a folder of images or a store, found none; check the path")
    search = Search(source)
    found = places(search)
    pictures: dict[str, Picture] = {}
    with progress("scanning", len(found)) as advance:
        for place in found:
            try:
                pictures[place.id] = _described(source, place.id)
            except Unusable as error:
                search.note(place.id, error)
            advance(1, f"{len(search.findings)} findings")
    common = _common(pictures, search)
    return _gathered(search, found, common)


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
    channels, height, width = images.shape
    numbers = [np.flatnonzero(images.labels == label) for label in range(len(images.classes))]
    ids = tuple(tuple(images.ids[number] for number in rows) for rows in numbers)
    splits = tuple(images.splits[rows] for rows in numbers)
    found = Picture((channels, height, width), images.dtype.name, images.channels)
    return Scan(source, "store", images.classes, ids, splits, found, ())


def _described(source: Path, name: str) -> Picture:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Unusable("cannot be read", "its name is not in UTF-8; rename it") from None
    return reader.describe(source / name)


def _common(pictures: Mapping[str, Picture], search: Search) -> Picture | None:
    """Return what most images are, having noted those that are not."""
    if not pictures:
        return None
    (shape, dtype), _ = Counter((one.shape, one.dtype) for one in pictures.values()).most_common(1)[0]
    for name, one in pictures.items():
        differences = []
        if one.shape[1:] != shape[1:]:
            differences.append(f"{one.shape[1]}x{one.shape[2]} instead of {shape[1]}x{shape[2]}")
        if one.shape[0] != shape[0]:
            differences.append(f"channels: {one.shape[0]} instead of {shape[0]}")
        if one.dtype != dtype:
            differences.append(f"{one.dtype} instead of {dtype}")
        if differences:
            search.note(name, Unusable("unlike most others", ", ".join(differences)))
    return next(one for one in pictures.values() if (one.shape, one.dtype) == (shape, dtype))


def _gathered(search: Search, found: Sequence[Place], common: Picture | None) -> Scan:
    classes = tuple(sorted({place.label for place in found}))
    of_class: dict[str, list[Place]] = {name: [] for name in classes}
    for place in found:
        of_class[place.label].append(place)
    ids = tuple(tuple(place.id for place in of_class[name]) for name in classes)
    splits: tuple[UInt8[np.ndarray, " _"], ...] = ()
    if any(place.split is not None for place in found):
        splits = tuple(np.array([place.split for place in of_class[name]], np.uint8) for name in classes)
    findings = tuple(sorted(search.findings, key=lambda finding: (finding.kind, finding.path)))
    return Scan(search.source, "folder", classes, ids, splits, common, findings, dict(search.ignored))


def _printable(text: str) -> str:
    """Return ``text`` with what would move the cursor, or is no character at all, spelled out."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
