"""One real section with two dyes in one image, parted: what is predicted of one dye from the other is measured."""

from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import UInt8, UInt16
from pydantic import field_validator

from aliter.core.spec import Spec
from aliter.data.images import Header, write_images

_SIDE, _SMALLEST = 512, 32
_UNITS = 1e4
"""Stored numbers to a unit of optical density."""


class Ihc(Spec):
    """Tiles of an immunohistochemistry section of colon, haematoxylin and DAB separated by their colours.

    The left half is to learn from, the third quarter to calibrate, the right quarter to test: columns of tiles are
    fields, no pixel is in two splits. All of them are of one section of one patient, on one slide, under one camera:
    figures say whether a network can learn the pair, nothing of other slides. The dyes mix in the camera's colours, so
    what is separated of one is not free of the other.

    References
    ----------
    Ruifrok and Johnston 2001, Quantification of histochemical staining by color deconvolution, Anal. Quant. Cytol.
    Histol. 23:291.
    """

    stain: Literal["ihc"] = "ihc"
    size: int = 128
    """Pixels a side of a tile; divides a quarter of the image, which has 512."""

    channels: ClassVar[tuple[str, ...]] = ("haematoxylin", "dab")
    range: ClassVar[tuple[float, float]] = (0.0, 16383.0)

    @field_validator("size")
    @classmethod
    def _divides(cls, size: int) -> int:
        if size < _SMALLEST or (_SIDE // 4) % size:
            raise ValueError(f"expected {_SMALLEST}, {2 * _SMALLEST} or {4 * _SMALLEST} pixels, found {size}")
        return size

    def load(self) -> UInt16[np.ndarray, "N 2 H W"]:
        """Return the tiles, column by column: optical density, in ten thousandths of rgb2hed's unit."""
        count = _SIDE // self.size
        tiles = _separated().reshape(2, count, self.size, count, self.size)
        return np.ascontiguousarray(tiles.transpose(3, 1, 0, 2, 4).reshape(-1, 2, self.size, self.size))

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Column and row of each tile."""
        count = _SIDE // self.size
        return tuple((number // count, number % count) for number in range(count * count))

    @property
    def splits(self) -> UInt8[np.ndarray, " N"]:
        """The split of each tile, by its column."""
        quarter = _SIDE // 4 // self.size
        return np.array([(0, 0, 1, 2)[column // quarter] for column, _ in self.places], np.uint8)


def surveyed_ihc(source: Ihc) -> Header:
    """Return what ``write_ihc`` will say of the tiles of ``source``."""
    return Header(
        classes=("fields",),
        channels=source.channels,
        range=source.range,
        shape=(len(source.channels), source.size, source.size),
        dtype="uint16",
        ids=(tuple(f"column{column}/row{row}" for column, row in source.places),),
        splits=(source.splits,),
        groups=(tuple(f"column{column}" for column, _ in source.places),),
        source=source.model_dump(mode="json"),
    )


def write_ihc(source: Ihc, path: Path, only: Collection[str] | None = None) -> None:
    """Write the tiles of ``source``, or those of some ids, as a store of fields at ``path``."""
    tiles, header = source.load(), surveyed_ihc(source)
    if only is not None:
        tiles, header = tiles[[name in only for name in header.ids[0]]], header.only(only)
    write_images(path, header, lambda label, start, stop: tiles[start:stop])


@cache
def _separated() -> UInt16[np.ndarray, "2 H W"]:
    from skimage.color import rgb2hed
    from skimage.data import immunohistochemistry

    density = rgb2hed(immunohistochemistry())  # type: ignore[no-untyped-call]
    return np.asarray(np.clip(np.rint(_UNITS * density[..., [0, 2]]), 0, Ihc.range[1]), np.uint16).transpose(2, 0, 1)
