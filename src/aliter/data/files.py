"""Files that are either whole or not there."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aliter.core.errors import RequestError, ResourceError


def write_whole(path: Path, write: Callable[[Path], object], needed: int | None = None) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, then rename it to ``path``.

    A reader, or a run that resumes after a crash, sees the old file or the new one, never a part.

    Raises
    ------
    ResourceError
        If the disk is full; names the bytes ``needed``, if they are known. The old file is untouched.
    RequestError
        If the folder may not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        write(temporary)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise explained(error, path, needed) from error


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the system says of a full or read-only disk inside the block into a sentence about ``path``.

    Errors that are about files elsewhere are left as they are.
    """
    try:
        yield
    except OSError as error:
        here = path.absolute()
        about = here if error.filename is None else Path(os.fsdecode(error.filename)).absolute()
        if not (here.is_relative_to(about) or about.is_relative_to(here)):
            raise
        raise explained(error, path) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def explained(error: OSError, path: Path, needed: int | None = None) -> Exception:
    """Return the error that says what ``error`` means for the one who asked, or ``error`` if it means neither.

    ``needed`` are the bytes that were to be written to ``path``, if they are known.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = "disk is full" if error.errno == errno.ENOSPC else "quota is used up"
        found = f"{_free(path):,} bytes are free" + ("" if needed is None else f" and {needed:,} are needed")
        return ResourceError(f"{path}: the {what}, {found}; make room and run the same command")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR):
        return RequestError(f"{path}: expected a folder that can be written, found {error.strerror}; choose another")
    return error


def _free(path: Path) -> int:
    """Return the bytes that are free where ``path`` is, or would be."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
