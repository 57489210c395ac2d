"""Image files of every format: described by their headers, read without a change."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Shaped

from aliter.data.ngff import describe_zarr, read_zarr
from aliter.data.picture import Picture, Unusable, picture, plain
from aliter.data.planes import KEPT, Planes, arrange, named
from aliter.data.raster import describe_jpeg, describe_png, read_jpeg, read_png
from aliter.data.tiff import describe_tiff, read_tiff

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Format:
    """A kind of file: how it begins and who reads it."""

    name: str
    starts: tuple[bytes, ...]
    describe: Callable[[Path, Planes], Picture]
    read: Callable[[Path, Planes], Shaped[np.ndarray, "C *space"]]


def _describe_npy(path: Path, planes: Planes) -> Picture:
    values = np.lib.format.open_memmap(path, mode="r")
    return picture(arrange(values.shape, named(values.shape, planes), planes).shape, values.dtype)


def _read_npy(path: Path, planes: Planes) -> Shaped[np.ndarray, "C *space"]:
    values = np.lib.format.open_memmap(path, mode="r")
    return plain(np.array(arrange(values.shape, named(values.shape, planes), planes)(values)))


def _flat(call: Callable[[Path], _Read]) -> Callable[[Path, Planes], _Read]:
    """Return ``call`` for formats that hold no stacks."""
    return lambda path, planes: call(path)


_PNG = Format("PNG", (b"\x89PNG\r\n\x1a\n",), _flat(describe_png), _flat(read_png))
_JPEG = Format("JPEG", (b"\xff\xd8\xff",), _flat(describe_jpeg), _flat(read_jpeg))
_TIFF = Format("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), describe_tiff, read_tiff)
_NPY = Format("NumPy", (b"\x93NUMPY",), _describe_npy, _read_npy)
_ZARR = Format("Zarr", (), describe_zarr, read_zarr)

FORMATS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".tif": _TIFF, ".tiff": _TIFF, ".npy": _NPY}
"""Formats by the lower-case ending of the file's name."""


def describe(path: Path, planes: Planes = KEPT) -> Picture:
    """Return what the header of an image says, a file or a Zarr folder; no pixel is read.

    Raises
    ------
    Unusable
        With the reason why the file cannot serve.
    """
    return guarded(lambda: _format(path).describe(path, planes))


def read(path: Path, planes: Planes = KEPT) -> Shaped[np.ndarray, "C *space"]:
    """Return the values of an image exactly as they are stored: channel, z where it is a stack, y, x.

    Raises
    ------
    Unusable
        With the reason; also for floats that are NaN or infinite.
    """
    return finite(guarded(lambda: _format(path).read(path, planes)))


def finite(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Return ``values`` if they are numbers.

    Raises
    ------
    Unusable
        If any is NaN or infinite.
    """
    if values.dtype.kind == "f" and not (sound := np.isfinite(values)).all():
        count = int(values.size - sound.sum())
        raise Unusable("not finite", f"{count:,} of its {values.size:,} values are NaN or infinite")
    return values


def _format(path: Path) -> Format:
    """Return the format that the name of the file promises, once its first bytes agree."""
    if path.is_dir():
        return _ZARR
    format_ = FORMATS[path.suffix.lower()]
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise Unusable("cannot be read", "the file is empty")
    if not start.startswith(format_.starts):
        others = (other.name for other in FORMATS.values() if start.startswith(other.starts))
        looks = next((f" but like a {name} file" for name in others), "")
        raise Unusable("cannot be read", f"it does not begin like a {format_.name} file{looks}")
    return format_


def guarded(call: Callable[[], _Read]) -> _Read:
    """Return what ``call`` returns: a decoder may raise anything on a file that is not sound."""
    try:
        return call()
    except (Unusable, MemoryError):
        raise
    except OSError as error:
        raise Unusable("cannot be read", error.strerror or f"its content is damaged ({_one_line(error)})") from error
    except Exception as error:
        what = f"{type(error).__name__}: {_one_line(error)}"
        raise Unusable("cannot be read", f"its content is damaged ({what})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
