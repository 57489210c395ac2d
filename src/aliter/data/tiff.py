"""TIFF files: their values as they are stored, and which axis is which."""

import logging
from collections.abc import Iterator
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from tifffile import TIFF, TiffFile, TiffPageSeries, imwrite

from aliter.data.ome import Said, describe_ome
from aliter.data.picture import Picture, Unusable, picture, plain
from aliter.data.planes import CHANNELS, KEPT, Arrangement, Planes, arrange, named

# Warnings about odd tags still reach whoever collects logs, but do not stand on the terminal between the findings.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PAGES = "its shape is {} and nothing says what its pages are; name them, as in 'aliter convert --axes ZYX'"
_PLAIN_COLOURS = ("MINISBLACK", "MINISWHITE", "RGB", "PALETTE")


def describe_tiff(path: Path, planes: Planes = KEPT) -> Picture:
    """Return what the tags of a TIFF file say of its image.

    Pages that nothing names are channels if there are at most ``CHANNELS`` of them. All samples are channels, also
    one marked as alpha.

    Raises
    ------
    Unusable
        If the file is cut short, holds several images or axes that nothing tells apart, or needs a codec that is
        not installed.
    """
    with TiffFile(path) as file:
        series = _only(file)
        found = _arrangement(series, planes)
        _check_parts(series)
        _check_length(series, path.stat().st_size)
        said = describe_ome(file) if file.is_ome else Said(_names(file, series))
        return picture(found.shape, series.dtype, said.channels, said.pixel_um[1 - len(found.shape) :])


def read_tiff(path: Path, planes: Planes = KEPT) -> Shaped[np.ndarray, "C *space"]:
    """Return the values of a TIFF file: channel, z where it is a stack, y, x."""
    with TiffFile(path) as file:
        series = _only(file)
        found = _arrangement(series, planes)
        shape = series.get_shape(squeeze=False)
        return plain(found(np.asarray(series.asarray()).reshape(shape)))


def write_tiff(path: Path, values: Shaped[np.ndarray, "C *space"], channels: tuple[str, ...]) -> None:
    """Write ``values`` unchanged, with the axes named and the ``channels`` noted."""
    axes = {3: "CYX", 4: "CZYX"}[values.ndim]
    imwrite(path, values, photometric="minisblack", metadata={"axes": axes, "channels": list(channels)})


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


def _arrangement(series: TiffPageSeries, planes: Planes) -> Arrangement:
    """Return how the image is taken out of the file: by the names of its axes, or by those that were declared."""
    shape, names = series.get_shape(squeeze=False), series.get_axes(squeeze=False)
    kept = [place for place, name in enumerate(names) if shape[place] > 1 or name in "YX"]
    long, short = tuple(shape[place] for place in kept), "".join(names[place] for place in kept)
    if "I" in short and not planes.axes and long[short.index("I")] <= CHANNELS:
        names = names.replace("I", "C")
    elif "I" in short or "Q" in short:
        if "I" in short and not planes.axes:
            raise Unusable("no plain image", _PAGES.format(" x ".join(map(str, long))))
        known = dict(zip(kept, named(long, planes), strict=True))
        spare = iter("ABDEFGHIJ")
        names = "".join(known.get(place) or next(spare) for place in range(len(shape)))
    return arrange(shape, names, planes)


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
