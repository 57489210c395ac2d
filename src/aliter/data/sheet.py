"""Images that a CSV file lists: their paths, their classes and, where known, their groups and splits."""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path, PurePosixPath

from aliter.core.errors import DataError
from aliter.data.folder import SPLIT_NAMES, Place, Search, joined
from aliter.data.ngff import is_zarr
from aliter.data.picture import Unusable
from aliter.data.reader import FORMATS

_KNOWN = ("path", "label", "group", "split")


def sheet_places(search: Search, sheet: Path) -> list[Place]:
    """Return the images that ``sheet`` lists, sorted by class, then in its order.

    The first line names the columns: path and label, and perhaps group and split (train, val or test); others are
    passed over. Columns are parted by commas, semicolons or tabs. A path is relative to the CSV file; one that leads
    to a plate or a well of OME-Zarr stands for all its fields, whose group is the well unless another is named.

    Raises
    ------
    DataError
        If the columns are not these.
    """
    found: list[Place] = []
    seen: set[str] = set()
    for number, row in _rows(search, sheet):
        try:
            split = _split(row.get("split", ""))
            for place in _places(search, row, split):
                if place.id in seen:
                    raise Unusable("not where an image belongs", f"line {number} lists it a second time")
                seen.add(place.id)
                found.append(place)
        except Unusable as error:
            search.note(row["path"] or f"line {number}", error)
    if any(place.split is not None for place in found):
        for place in [one for one in found if one.split is None]:
            reason = "it has no split, though others have; give one to each image, or to none"
            search.note(place.id, Unusable("not where an image belongs", reason))
            found.remove(place)
    return sorted(found, key=lambda place: place.label)


def listed_files(sheet: Path) -> list[Path]:
    """Return the files and folders that ``sheet`` lists and that are there, in order of their names."""
    try:
        rows = list(_rows(Search(sheet.parent), sheet))
    except DataError:
        return []
    return sorted(path for path in {sheet.parent / row["path"] for _, row in rows if row["path"]} if path.exists())


def _rows(search: Search, sheet: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Yield the number of each line and what stands in it, by column."""
    try:
        text = sheet.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{sheet}: expected text in UTF-8, found other bytes; save it as CSV in UTF-8") from error
    head = text.partition("\n")[0]
    reader = csv.reader(StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    columns = [one.strip().casefold() for one in next(reader, [])]
    if not {"path", "label"} <= set(columns) or len(set(columns)) < len(columns):
        raise DataError(
            f"{sheet}: expected a first line with path, label and, where known, group and split, "
            f"found '{head.strip()}'; name the columns"
        )
    for name in columns:
        if name not in _KNOWN:
            search.ignored[f"column '{name}'"] += 1
    for row in reader:
        if any(one.strip() for one in row):
            filled = [one.strip() for one in row] + [""] * len(columns)
            yield reader.line_num, dict(zip(columns, filled, strict=False))


def _places(search: Search, row: Mapping[str, str], split: int | None) -> Iterator[Place]:
    if not row["path"]:
        raise Unusable("not where an image belongs", "the line names no path")
    if not row["label"]:
        raise Unusable("not where an image belongs", "the line names no label")
    name = PurePosixPath(row["path"].replace("\\", "/")).as_posix()
    path = search.source / name
    if not path.exists():
        raise Unusable("cannot be read", "it leads to no file")
    if path.is_dir() != is_zarr(path) or (path.is_file() and path.suffix.lower() not in FORMATS):
        raise Unusable("cannot be read", f"it is no image of a known kind ({' '.join(FORMATS)} or a Zarr folder)")
    for inner, group in search.members(path, name):
        id_ = joined(name, inner)
        yield Place(row["label"], split, id_, id_, row.get("group") or group)


def _split(word: str) -> int | None:
    if word and word.casefold() not in SPLIT_NAMES:
        raise Unusable("not where an image belongs", f"its split is '{word}'; expected train, val or test")
    return SPLIT_NAMES.get(word.casefold())
