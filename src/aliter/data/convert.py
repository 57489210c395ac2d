"""Bring images of any source into a store, or a store into a folder; the values stay as they are."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import isfinite
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from jaxtyping import Shaped

from aliter.core.errors import DataError, RequestError
from aliter.core.progress import Advance, progress
from aliter.data import reader
from aliter.data.files import explained
from aliter.data.folder import Finding
from aliter.data.images import Header, Images, full_range, write_images
from aliter.data.picture import Picture, Unusable
from aliter.data.scan import Scan, scan, table
from aliter.data.splits import SPLITS
from aliter.data.tiff import write_tiff

__all__ = ["Scan", "convert", "scan", "write_folder", "write_store"]


def convert(source: Path, out: Path, declared: tuple[float, float] | None = None, seed: int = 0) -> Path:
    """Write the images in ``source`` to a store at ``out``, and return the path of the store.

    A ``source`` that is a store already is returned as it is. All else is as in ``write_store``.
    """
    found = scan(source)
    return source if found.kind == "store" else write_store(found, out, declared, seed)


def write_store(found: Scan, out: Path, declared: tuple[float, float] | None = None, seed: int = 0) -> Path:
    """Write the images that were ``found`` to a store at ``out``, block by block, and return its path.

    The store states one range for all images: ``declared``, else the full range of their integer type. Splits that
    the source does not tell are drawn from ``seed``: 80/10/10 per cent of each class, whole groups together. The
    store is written beside ``out`` and takes its name when it is complete.

    Raises
    ------
    RequestError
        If ``out`` exists, or images of floats come without a ``declared`` range.
    DataError
        If any image cannot be used: names them all, with the reasons.
    """
    header = _header(found, found.checked(), declared, seed)
    with beside(out) as part, progress("converting", sum(map(len, found.ids))) as advance:
        block = _Block(found, header, advance)
        write_images(part, header, block)
        if block.findings:
            raise DataError(table(found.source, block.findings))
    return out


def write_folder(images: Images, out: Path) -> None:
    """Write ``images`` as ``out``/split/class/name.tif, plane by plane, so that ``convert`` gives them back.

    Names are the stems of the ids; where these would clash or change the order, they begin with a number.

    Raises
    ------
    RequestError
        If ``out`` exists, or the name of a class cannot be that of a folder.
    """
    for name in images.classes:
        if name.startswith(".") or not name or set(name) & set("/\\\0") or name.endswith(".zarr"):
            raise RequestError(f"{images.path}: the class {name!r} cannot be the name of a folder; rename it")
    names = _names(images)
    with beside(out) as part, progress("writing", len(images)) as advance:
        for _, numbers in images.blocks(np.arange(len(images))):
            for number, values in zip(numbers, images.take(numbers), strict=True):
                folder = part / SPLITS[images.splits[number]] / images.classes[images.labels[number]]
                folder.mkdir(parents=True, exist_ok=True)
                write_tiff(folder / names[number], values, images.channels)
            advance(len(numbers), "")


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out``; it takes that name when the block ends well and goes when it does not.

    Raises
    ------
    RequestError
        If ``out`` exists, cannot be written, or another process is writing it.
    ResourceError
        If the disk is full.
    """
    out = out.absolute()
    part, lock = (out.with_name(f".{out.name}.{ending}") for ending in ("part", "lock"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=0):
            try:
                _refuse_taken(out)
                shutil.rmtree(part, ignore_errors=True)
                part.mkdir()
                yield part
                _sync(part)
                part.rename(out)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                lock.unlink(missing_ok=True)
    except Timeout:
        raise RequestError(f"{out} is being written by another process; wait for it or choose another name") from None
    except OSError as error:
        raise explained(error, out) from error


class _Block:
    """Reads blocks of images for the store; a file that fails is noted and left empty, so that all are named."""

    def __init__(self, scan: Scan, header: Header, advance: Advance):
        self.scan, self.header, self.advance = scan, header, advance
        self.findings: list[Finding] = []

    def __call__(self, label: int, start: int, stop: int) -> Shaped[np.ndarray, "B C *space"]:
        out = np.zeros((stop - start, *self.header.shape), self.header.dtype)
        for row, name in enumerate(self.header.ids[label][start:stop]):
            try:
                out[row] = self._read(name)
            except Unusable as error:
                self.findings.append(Finding(name, error.kind, str(error)))
            self.advance(1, "")
        return out

    def _read(self, name: str) -> Shaped[np.ndarray, "C *space"]:
        values = reader.finite(reader.guarded(lambda: self.scan.read(name)))
        if values.shape != self.header.shape or values.dtype != self.header.dtype:
            expected = f"{self.header.dtype} {self.header.shape}"
            raise Unusable("cannot be read", f"its header says {expected}, it holds {values.dtype} {values.shape}")
        return values


def _header(found: Scan, picture: Picture, declared: tuple[float, float] | None, seed: int) -> Header:
    low, high = declared or full_range(np.dtype(picture.dtype), found.source)
    if not (isfinite(low) and isfinite(high) and low < high):
        raise RequestError(f"expected a range [low, high] with low below high, found [{low:g}, {high:g}]")
    told = {"folder": "folders"}.get(found.kind, "told")
    split: dict[str, Any] = {"splits": told} if found.splits else {"splits": "drawn", "seed": seed}
    return Header(
        classes=found.classes,
        channels=picture.channels,
        range=(float(low), float(high)),
        shape=picture.shape,
        dtype=picture.dtype,
        ids=found.ids,
        splits=found.assigned(seed),
        groups=found.groups,
        pixel_um=picture.pixel_um,
        source={"kind": found.kind, "name": found.source.absolute().name, **split},
    )


def _names(images: Images) -> list[str]:
    """Return a file name for each image, such that a scan of the folder finds them in the same order."""
    stems = [PurePosixPath(one).stem for one in images.ids]
    names = [f"{stem}.tif" for stem in stems]
    for label in range(len(images.classes)):
        rows = np.flatnonzero(images.labels == label)
        keys = [(names[row], images.splits[row]) for row in rows]
        ordered = all(one < next_ for one, next_ in pairwise(keys))
        if not ordered or any(name.startswith(".") for name, _ in keys):
            for count, row in enumerate(rows):
                names[row] = f"{count:06d}_{stems[row][:40]}.tif"
    return names


def _refuse_taken(out: Path) -> None:
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise RequestError(f"{out}: expected a name that is free, found something there; choose another or remove it")


def _sync(folder: Path) -> None:
    """Let all files under ``folder`` reach the disk before it gets its name: zarr takes a lost shard for zeros."""
    for path in (*folder.rglob("*"), folder):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
