"""TIFF files: their values as they are stored, and which axis holds the channels."""

import logging
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from tifffile import TIFF, TiffFile, TiffPageSeries, imwrite

from aliter.data.picture import Picture, Unusable, picture, plain, smallest

# Warnings about odd tags still reach whoever collects logs, but do not stand on the terminal between the findings.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PLAIN_COLOURS = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE")


def describe_tiff(path: Path) -> Picture:
    """Return what the tags of a TIFF file say.

    The channels are the axis that is named C or S (samples); else the pages; else, if the file names no axis, the
    smallest. All samples are channels, also one marked as alpha.

    Raises
    ------
    Unusable
        If the file is cut short, holds stacks or several images, or needs a codec that is not installed.
    """
    with TiffFile(path) as file:
        series = _only(file)
        shape, _, channel = _axes(series)
        found = picture(_first(shape, channel), series.dtype, _names(file, series))
        _check_parts(series)
        _check_length(series, path.stat().st_size)
        return found


def read_tiff(path: Path) -> Shaped[np.ndarray, "C H W"]:
    """Return the values of a TIFF file."""
    with TiffFile(path) as file:
        series = _only(file)
        shape, _, channel = _axes(series)
        values = np.asarray(series.asarray()).reshape(shape)
    return plain(values[None] if channel is None else np.moveaxis(values, channel, 0))


def write_tiff(path: Path, values: Shaped[np.ndarray, "C H W"], channels: tuple[str, ...]) -> None:
    """Write ``values`` unchanged, one page a channel, with the axes named and the ``channels`` noted."""
    imwrite(path, values, photometric="minisblack", metadata={"axes": "CYX", "channels": list(channels)})


def _only(file: TiffFile) -> TiffPageSeries:
    """Return the one image of the file."""
    if not file.series:
        raise Unusable("cannot be read", "it holds no image")
    if len(file.series) != 1:
        raise Unusable("no plain image", f"it holds {len(file.series)} images of different kinds; expected one")
    series = file.series[0]
    if series.is_multifile:
        raise Unusable("no plain image", "its pixels lie in several files; expected one file an image")
    colours = _colours(series)
    indexed = colours == "PALETTE" and not file.is_imagej
    if colours not in _PLAIN_COLOURS or indexed:
        what = "indices into a palette" if indexed else colours
        raise Unusable("no plain image", f"its values are {what}; save it as grey or RGB")
    return series


def _axes(series: TiffPageSeries) -> tuple[tuple[int, ...], str, int | None]:
    """Return lengths and names of the axes longer than one, y, x and channels always kept, and the channel axis."""
    pairs = [
        (length, name)
        for length, name in zip(series.get_shape(squeeze=False), series.get_axes(squeeze=False), strict=True)
        if length != 1 or name in "YX"
    ]
    shape, names = tuple(length for length, _ in pairs), "".join(name for _, name in pairs)
    if names == "YX":
        return shape, names, None
    beside = names.replace("Y", "").replace("X", "")
    if len(names) != 3 or len(beside) != 1 or beside not in "CSIQ":
        text = " x ".join(f"{length} {name}" for length, name in pairs)
        raise Unusable(
            "no plain image", f"its axes are {text}; expected y, x and channels (name them CYX, or save each plane)"
        )
    return shape, names, smallest(shape) if beside == "Q" else names.index(beside)


def _first(shape: tuple[int, ...], channel: int | None) -> tuple[int, int, int]:
    if channel is None:
        return 1, shape[0], shape[1]
    height, width = (length for axis, length in enumerate(shape) if axis != channel)
    return shape[channel], height, width


def _names(file: TiffFile, series: TiffPageSeries) -> tuple[str, ...]:
    """Return the names of the channels, if the file tells them."""
    noted = (file.shaped_metadata or ({},))[0].get("channels")
    if isinstance(noted, list):
        return tuple(str(name) for name in noted)
    return ("red", "green", "blue") if _colours(series) == "RGB" else ()


def _colours(series: TiffPageSeries) -> str:
    found = series.keyframe.photometric
    return str(getattr(found, "name", found))


def _check_parts(series: TiffPageSeries) -> None:
    """Raise if the strips or tiles that the image is stored in cannot be decoded or are too large."""
    picture((1, 1, prod(series.keyframe.chunks)), series.dtype)
    codec = series.keyframe.compression
    if codec not in TIFF.DECOMPRESSORS:
        raise Unusable(
            "cannot be read",
            f"it is compressed with {getattr(codec, 'name', codec)}, which needs the package imagecodecs; "
            "install it or save the file uncompressed",
        )


def _check_length(series: TiffPageSeries, size: int) -> None:
    """Raise if pixels lie beyond the end of the file."""
    if series.dataoffset is not None:
        ends = [series.dataoffset + prod(series.shape) * series.dtype.itemsize]
    else:
        ends = list(_ends(series))
    if not ends or max(ends) > size:
        raise Unusable("cannot be read", "the file is cut short")


def _ends(series: TiffPageSeries) -> Iterator[int]:
    for page in series.pages:
        if page is None:
            raise Unusable("cannot be read", "pages are missing")
        for offset, length in zip(page.dataoffsets, page.databytecounts, strict=True):
            if not length:
                raise Unusable("cannot be read", "parts of its pixels are missing")
            yield offset + length
