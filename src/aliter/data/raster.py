"""PNG and JPEG files: their values as they are stored."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from einops import rearrange
from jaxtyping import Shaped, UInt8
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from aliter.data.picture import Picture, Unusable, picture, plain

_RGB = ("red", "green", "blue")
_PALETTE = 3
_COLOURED = (2, 3, 6)
_TAIL = 1 << 16


def describe_png(path: Path) -> Picture:
    """Return what the header of a PNG file says: one channel for grey, three for colour or a palette.

    Depths of 1, 2 and 4 bits are scaled to 8, as the format defines it; an alpha channel is not counted.

    Raises
    ------
    Unusable
        If the file is cut short, moves, marks a colour as transparent, or has 16 bits in more than one channel.
    """
    header = _png_header(path)
    names = _RGB if header.colour in _COLOURED else ("intensity",)
    kind = np.uint16 if header.depth == 16 else np.uint8
    return picture((len(names), header.height, header.width), kind, names)


def read_png(path: Path) -> Shaped[np.ndarray, "C H W"]:
    """Return the values of a PNG file; of grey ones all 16 bits.

    An alpha channel is left out if it is opaque everywhere.

    Raises
    ------
    Unusable
        As ``describe_png``; also if some of it is transparent: then what is seen is not what is stored.
    """
    header = _png_header(path)
    alpha = header.colour > _PALETTE
    with path.open("rb") as file, PngImageFile(file) as image:
        alpha |= header.colour == _PALETTE and "transparency" in image.info
        shown = image.convert("RGBA" if alpha else "RGB") if header.colour == _PALETTE else image
        values = _channels_first(np.asarray(shown))
    if alpha:
        if values[-1].min() < np.iinfo(values.dtype).max:
            raise Unusable("no plain image", "it is transparent in part; save it without an alpha channel")
        values = values[:-1]
    return plain(values)


def describe_jpeg(path: Path) -> Picture:
    """Return what the header of a JPEG file says; its orientation mark is not followed.

    Raises
    ------
    Unusable
        If the file is cut short, or its colours are neither grey nor RGB.
    """
    with path.open("rb") as file:
        with JpegImageFile(file) as image:
            (width, height), mode = image.size, image.mode
        file.seek(max(0, path.stat().st_size - _TAIL))
        if b"\xff\xd9" not in file.read():
            raise Unusable("cannot be read", "the file is cut short")
    if mode not in ("L", "RGB"):
        raise Unusable("no plain image", f"its colours are {mode}; save it as grey or RGB")
    names = _RGB if mode == "RGB" else ("intensity",)
    return picture((len(names), height, width), np.uint8, names)


def read_jpeg(path: Path) -> UInt8[np.ndarray, "C H W"]:
    """Return the values of a JPEG file."""
    with path.open("rb") as file, JpegImageFile(file) as image:
        return plain(_channels_first(np.asarray(image)))


@dataclass(frozen=True)
class _PngHeader:
    width: int
    height: int
    depth: int
    """Bits of a sample."""
    colour: int
    """0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha."""


def _png_header(path: Path) -> _PngHeader:
    """Return the header of a PNG file, having stepped over all its chunks."""
    size = path.stat().st_size
    with path.open("rb") as file:
        place, name, names, header = 8, b"", set[bytes](), None
        while name != b"IEND":
            file.seek(place)
            start = file.read(8)
            length, name = struct.unpack(">I4s", start) if len(start) == 8 else (size, b"")
            place += length + 12
            if place > size:
                raise Unusable("cannot be read", "the file is cut short")
            if header is None:
                header = _PngHeader(*struct.unpack(">IIBB", file.read(10)))
            names.add(name)
    if header is None or b"IHDR" not in names:
        raise Unusable("cannot be read", "it has no PNG header")
    if b"acTL" in names:
        raise Unusable("no plain image", "it is an animation of several frames; expected one image")
    if header.depth == 16 and header.colour:
        raise Unusable("no plain image", "of its 16 bits a colour only 8 would be read; save it as TIFF")
    if b"tRNS" in names and header.colour != _PALETTE:
        raise Unusable("no plain image", "it marks a colour as transparent; save it without")
    return header


def _channels_first(values: Shaped[np.ndarray, "..."]) -> Shaped[np.ndarray, "C H W"]:
    return values[None] if values.ndim == 2 else rearrange(values, "h w c -> c h w")
