"""Image files of every format: described by their headers, read without a change."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Shaped

from aliter.data.picture import Picture, Unusable, picture, plain, smallest
from aliter.data.raster import describe_jpeg, describe_png, read_jpeg, read_png
from aliter.data.tiff import describe_tiff, read_tiff

_Read = TypeVar("_Read")


@dataclass(frozen=True)
class Format:
    """A kind of file: how it begins and who reads it."""

    name: str
    starts: tuple[bytes, ...]
    describe: Callable[[Path], Picture]
    read: Callable[[Path], Shaped[np.ndarray, "C H W"]]


def _describe_npy(path: Path) -> Picture:
    values = np.lib.format.open_memmap(path, mode="r")
    if values.ndim == 2:
        return picture((1, *values.shape), values.dtype)
    if values.ndim != 3:
        text = " x ".join(map(str, values.shape)) or "a single value"
        raise Unusable("no plain image", f"its shape is {text}; expected y, x and at most one axis of channels")
    rest = list(values.shape)
    return picture((rest.pop(smallest(values.shape)), rest[0], rest[1]), values.dtype)


def _read_npy(path: Path) -> Shaped[np.ndarray, "C H W"]:
    values = np.lib.format.open_memmap(path, mode="r")
    return plain(np.array(values[None] if values.ndim == 2 else np.moveaxis(values, smallest(values.shape), 0)))


_PNG = Format("PNG", (b"\x89PNG\r\n\x1a\n",), describe_png, read_png)
_JPEG = Format("JPEG", (b"\xff\xd8\xff",), describe_jpeg, read_jpeg)
_TIFF = Format("TIFF", (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), describe_tiff, read_tiff)
_NPY = Format("NumPy", (b"\x93NUMPY",), _describe_npy, _read_npy)

FORMATS = {".png": _PNG, ".jpg": _JPEG, ".jpeg": _JPEG, ".tif": _TIFF, ".tiff": _TIFF, ".npy": _NPY}
"""Formats by the lower-case ending of the file's name."""


def describe(path: Path) -> Picture:
    """Return what the header of an image file says; no pixel is read.

    Raises
    ------
    Unusable
        With the reason why the file cannot serve.
    """
    return _guarded(lambda: _format(path).describe(path))


def read(path: Path) -> Shaped[np.ndarray, "C H W"]:
    """Return the values of an image file exactly as they are stored.

    Raises
    ------
    Unusable
        With the reason; also for floats that are NaN or infinite.
    """
    values = _guarded(lambda: _format(path).read(path))
    if values.dtype.kind == "f" and not (finite := np.isfinite(values)).all():
        count = int(values.size - finite.sum())
        raise Unusable("not finite", f"{count:,} of its {values.size:,} values are NaN or infinite")
    return values


def _format(path: Path) -> Format:
    """Return the format that the name of the file promises, once its first bytes agree."""
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


def _guarded(call: Callable[[], _Read]) -> _Read:
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
