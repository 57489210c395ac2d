"""Files that are either whole or not there."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from aliter.core.errors import RequestError, ResourceError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, sync it, then rename it to ``path``.

    A reader, or a run that resumes after a crash, sees the old file or the new one, never a part.

    Raises
    ------
    ResourceError
        If the disk is full; the old file is untouched.
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
        raise explained(error, path) from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``, whole or not at all."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def explained(error: OSError, path: Path) -> Exception:
    """Return the error that says what ``error`` means for the one who asked."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free
        return ResourceError(f"{path}: the disk is full, {free:,} bytes are free; make room and run the same command")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return RequestError(f"{path}: expected a folder that can be written, found {error.strerror}; choose another")
    return error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
