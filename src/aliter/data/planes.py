"""Which axis of an array is which, and which planes of stacks and series are taken.

Channels (c, or samples s) are all kept. A stack (z) is kept whole, or one plane of it or its maximum is taken. Of a
time series (t) one time must be chosen. Names of axes that a file gives itself are believed; where it names none, the
smallest of three axes holds the channels if it has at most eight places, and everything else is refused: it must be
named.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from aliter.data.picture import Unusable

CHANNELS = 8
"""Places that an axis without a name may have at most to be taken for the channels."""


@dataclass(frozen=True)
class Planes:
    """What of an image is taken."""

    axes: str = ""
    """Names of the axes of files that name none, such as ``ZYX``; n counts images."""
    z: Literal["keep", "middle", "max"] | int = "keep"
    """What of a stack: all of it, its middle plane, the maximum over it, or the plane of this number from 0."""
    t: int | None = None
    """Which time of a series, from 0; with None a series is refused."""


KEPT = Planes()
"""Everything is kept, and a series refused."""


@dataclass(frozen=True)
class Arrangement:
    """How one image is taken out of an array."""

    shape: tuple[int, ...]
    """Channel, z where it is kept, y, x."""
    picked: tuple[int | slice, ...]
    """What is taken along each axis of the array."""
    order: tuple[int, ...]
    """Axes of what was picked, in the order channel, z, y, x."""
    channels: bool
    """Whether one of them holds the channels."""
    highest: bool
    """Whether the maximum over z is taken."""

    def __call__(self, values: Any) -> Shaped[np.ndarray, "C *space"]:
        """Return the image in ``values``: anything that can be indexed like an array."""
        found = np.asarray(values[self.picked]).transpose(self.order)
        found = found if self.channels else found[None]
        return np.asarray(found.max(1)) if self.highest else found


def arrange(shape: tuple[int, ...], names: str, planes: Planes = KEPT, row: int = 0) -> Arrangement:
    """Return how an image is taken out of an array whose axes have these ``names``, a letter each.

    Parameters
    ----------
    row
        Along the axis n, which counts images.

    Raises
    ------
    Unusable
        If y or x is missing, an axis is none of n, t, c, s, z, y, x, or a series comes without a chosen time.
    """
    names = names.upper()
    described = _checked(shape, names)
    lengths = dict(zip(names, shape, strict=True))
    coloured = [name for name in "CS" if lengths.get(name, 1) > 1]
    if len(coloured) > 1:
        raise Unusable("no plain image", f"its axes are {described}; expected channels or samples, not both")
    deep = lengths.get("Z", 1) > 1
    whole = {"Y", "X", *coloured}
    picked = tuple(
        slice(None)
        if name in whole
        else row
        if name == "N"
        else _plane(planes.z, length)
        if name == "Z" and deep
        else _time(planes.t, length)
        if name == "T"
        else 0
        for name, length in zip(names, shape, strict=True)
    )
    left = [name for name, one in zip(names, picked, strict=True) if isinstance(one, slice)]
    ordered = [name for name in (*coloured, "Z", "Y", "X") if name in left]
    highest = deep and planes.z == "max"
    count = lengths[coloured[0]] if coloured else 1
    space = tuple(lengths[name] for name in ordered if name in "ZYX" and not (highest and name == "Z"))
    order = tuple(left.index(name) for name in ordered)
    return Arrangement((count, *space), picked, order, bool(coloured), highest)


def named(shape: tuple[int, ...], planes: Planes = KEPT) -> str:
    """Return names for the axes of one image where its file gives none.

    Raises
    ------
    Unusable
        If it cannot be told which is which and ``planes`` does not say it either.
    """
    given = planes.axes.upper().replace("N", "")
    if len(shape) == 2:
        return "YX"
    if len(given) == len(shape):
        return given
    text = " x ".join(map(str, shape)) or "a single value"
    least = min(shape, default=0)
    if len(shape) == 3 and least <= CHANNELS and shape.count(least) == 1:
        return ("CYX", "YCX", "YXC")[shape.index(least)]
    if len(shape) == 3:
        raise Unusable(
            "no plain image",
            f"its shape is {text} and nothing says which axis holds channels or planes; "
            "name them, as in 'aliter convert --axes ZYX'",
        )
    raise Unusable(
        "no plain image",
        f"its shape is {text}; expected y, x and at most one axis of channels, or names for all of them, as in "
        "'aliter convert --axes CZYX'",
    )


def _checked(shape: tuple[int, ...], names: str) -> str:
    described = " x ".join(f"{length} {name}" for length, name in zip(shape, names, strict=False))
    if len(names) != len(shape) or len(set(names)) < len(names):
        raise Unusable("no plain image", f"it has {len(shape)} axes; expected a name for each, found '{names}'")
    if not {"Y", "X"} <= set(names):
        raise Unusable("no plain image", f"its axes are {described}; expected y and x among them")
    odd = [name for name, length in zip(names, shape, strict=True) if name not in "NTCSZYX" and length > 1]
    if odd:
        raise Unusable("no plain image", f"its axes are {described}; expected no others than t, c, z, y, x")
    return described


def _plane(z: str | int, length: int) -> int | slice:
    if isinstance(z, int):
        if not 0 <= z < length:
            raise Unusable("no plain image", f"it has {length} planes; expected plane {z} among 0 to {length - 1}")
        return z
    return length // 2 if z == "middle" else slice(None)


def _time(t: int | None, length: int) -> int:
    if length > 1 and t is None:
        raise Unusable(
            "no plain image",
            f"it is a series of {length} times; take one, as in 'aliter convert --t 0', or save each as an image",
        )
    if not 0 <= (t or 0) < length:
        raise Unusable("no plain image", f"it has {length} times; expected time {t} among 0 to {length - 1}")
    return t or 0
