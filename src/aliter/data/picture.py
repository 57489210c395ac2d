"""One image in a file of its own: what its header says, and why a file may not serve."""

from dataclasses import dataclass
from math import isfinite, prod
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from aliter.core.errors import DataError

LIMIT = 1 << 28
"""Values of the largest image that is read; a header that claims more is refused before memory is taken."""

Kind = Literal[
    "cannot be read",
    "larger than the limit",
    "no plain image",
    "unlike most others",
    "not finite",
    "not where an image belongs",
]
"""Heading under which a finding is listed."""


class Unusable(DataError):
    """A file that cannot serve as an image: its message is the reason."""

    def __init__(self, kind: Kind, reason: str):
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Picture:
    """What the header of an image file says."""

    shape: tuple[int, ...]
    """Channel, z where it is a stack, y, x."""
    dtype: str
    """NumPy's name of the type in which the values are stored, in this machine's byte order."""
    channels: tuple[str, ...]
    """Names of the channels."""
    pixel_um: tuple[float, ...] = ()
    """Distance of neighbours along each axis of space, where it is known."""


def picture(
    shape: tuple[int, ...], dtype: Any, channels: tuple[str, ...] = (), pixel_um: tuple[float, ...] = ()
) -> Picture:
    """Return the picture of ``shape`` (channel, then space) and ``dtype``; channels without names are counted.

    Raises
    ------
    Unusable
        If it holds no values, more than ``LIMIT``, or values that are no plain numbers.
    """
    count, space = shape[0], shape[1:]
    pixels = "x".join(map(str, space))
    if min(shape) < 1:
        raise Unusable("no plain image", f"it has {count} channels of {pixels} pixels, so nothing to see")
    if prod(shape) > LIMIT:
        raise Unusable(
            "larger than the limit",
            f"its header claims {' x '.join(map(str, shape))} values, more than the {LIMIT:,} of "
            "aliter.data.picture.LIMIT; cut it into tiles or raise that limit",
        )
    counted = ("intensity",) if count == 1 else tuple(f"channel {index}" for index in range(count))
    sizes = pixel_um if len(pixel_um) == len(space) and all(isfinite(one) and one > 0 for one in pixel_um) else ()
    names = channels if len(channels) == count else counted
    return Picture(shape, _plain_type(np.dtype(dtype)).name, names, sizes)


def plain(values: Shaped[np.ndarray, "*shape"]) -> Shaped[np.ndarray, "*shape"]:
    """Return ``values`` in this machine's byte order; false and true become 0 and 255."""
    if values.dtype.kind == "b":
        return values.astype(np.uint8) * np.uint8(255)
    return np.ascontiguousarray(values, _plain_type(values.dtype))


def _plain_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise Unusable("no plain image", f"its values are of type {dtype}; expected integers or floats up to 64 bits")
    return dtype.newbyteorder("=")
