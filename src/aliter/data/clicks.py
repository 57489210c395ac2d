"""Points of fields whose class is known, from a table or from strokes that were painted."""

import csv
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
from jaxtyping import Int, UInt8

from aliter.core.errors import DataError
from aliter.data import reader
from aliter.data.fields import Fields
from aliter.data.masks import read_labels
from aliter.data.splits import SPLITS

AXES = ("z", "y", "x")
Pools = tuple[Int[np.ndarray, "N m"], Int[np.ndarray, "M m"]]
"""Voxels of the background and of objects, a row each: number of the field, then indices."""


@dataclass(frozen=True)
class Clicks:
    """Points whose class is known, in the order of clicking."""

    field: Int[np.ndarray, " P"]
    at: Int[np.ndarray, "P n"]
    """Indices of voxels."""
    label: UInt8[np.ndarray, " P"]
    """1 in an object, 0 in the background."""

    def first(self, count: int) -> "Clicks":
        """Return the first so many."""
        return Clicks(self.field[:count], self.at[:count], self.label[:count])


def write_table(path: Path, fields: Fields, clicks: Clicks) -> None:
    """Write ``clicks`` as CSV with the columns field, (z,) y, x and label, which ``read_table`` reads."""
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_columns(fields))
    for number, at, label in zip(clicks.field.tolist(), clicks.at.tolist(), clicks.label.tolist(), strict=True):
        rows.writerow((fields.ids[number], *at, label))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text.getvalue(), encoding="utf-8")


def read_table(path: Path, fields: Fields) -> Clicks:
    """Return the clicks in a CSV file, in its order; a field is named by its id, or by its file without the ending.

    Raises
    ------
    DataError
        If a column is missing, or a row names no voxel of a field for training, no class, or a voxel twice.
    """
    try:
        rows = csv.DictReader(StringIO(path.read_text(encoding="utf-8-sig"), newline=""))
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected text in UTF-8, found other bytes; save it as CSV in UTF-8") from error
    columns, names = _columns(fields), _names(fields)
    if set(columns) - set(rows.fieldnames or ()):
        raise DataError(f"{path}: expected a first line with {', '.join(columns)}; found {rows.fieldnames}")
    found: dict[tuple[int, ...], int] = {}
    for row in rows:
        place, label = _placed(row, f"{path}:{rows.line_num}", fields, names)
        if place in found:
            raise DataError(f"{path}:{rows.line_num}: expected each voxel once, found it again; remove the line")
        found[place] = label
    if not found:
        raise DataError(f"{path}: expected a line for each click, found none; add some")
    places = np.array(list(found))
    return Clicks(places[:, 0], places[:, 1:], np.array(list(found.values()), np.uint8))


def read_strokes(folder: Path, fields: Fields) -> Pools:
    """Return what was painted: label images named like fields for training; 0 says nothing, 1 background, 2 an object.

    Raises
    ------
    DataError
        If a file belongs to no field for training, is not of its shape, or has other labels; or nothing was painted.
    """
    names = _names(fields)
    found: list[list[np.ndarray]] = [[], []]
    for path in sorted(one for one in folder.iterdir() if one.suffix.lower() in reader.FORMATS):
        number = _trained_on(names.get(path.stem), fields, str(path), path.stem)
        labels = read_labels(path)
        if labels.shape != fields.shape or labels.min() < 0 or labels.max() > 2:
            raise DataError(
                f"{path}: expected labels 0, 1 and 2 of shape {fields.shape}, "
                f"found {labels.min()} to {labels.max()} of shape {labels.shape}; paint on the field itself"
            )
        for label, pool in enumerate(found):
            at = np.argwhere(labels == label + 1)
            pool.append(np.concatenate([np.full((len(at), 1), number), at], 1))
    counts = [sum(map(len, pool)) for pool in found]
    if not all(counts):
        raise DataError(
            f"{folder}: expected strokes of 1 in the background and of 2 in objects, "
            f"found {counts[0]} and {counts[1]} voxels; paint both"
        )
    return np.concatenate(found[0]), np.concatenate(found[1])


def _columns(fields: Fields) -> tuple[str, ...]:
    return ("field", *AXES[-len(fields.shape) :], "label")


def _names(fields: Fields) -> dict[str, int]:
    """Return the number of each field by its id and, where only one has it, by its file without the ending."""
    stems = [Path(one).stem for one in fields.ids]
    short = {stem: number for number, stem in enumerate(stems) if stems.count(stem) == 1}
    return {**short, **{one: number for number, one in enumerate(fields.ids)}}


def _placed(row: dict[str, str], where: str, fields: Fields, names: dict[str, int]) -> tuple[tuple[int, ...], int]:
    """Return field and voxel, and the class, of a row of a table."""
    number = _trained_on(names.get(row["field"]), fields, where, row["field"])
    try:
        *at, label = (int(row[name]) for name in _columns(fields)[1:])
    except (TypeError, ValueError):
        raise DataError(
            f"{where}: expected whole numbers, found {list(row.values())}; write indices of voxels"
        ) from None
    if label not in (0, 1) or any(not 0 <= one < size for one, size in zip(at, fields.shape, strict=True)):
        raise DataError(
            f"{where}: expected a voxel of {fields.shape} and the label 0 or 1, found {at} and {label}; correct it"
        )
    return (number, *at), label


def _trained_on(number: int | None, fields: Fields, where: str, name: str) -> int:
    if number is None:
        raise DataError(f"{where}: expected the name of a field, such as '{fields.ids[0]}'; found '{name}'")
    if split := int(fields.splits[number]):
        raise DataError(f"{where}: expected a field for training, found '{name}' in '{SPLITS[split]}'; click elsewhere")
    return number
