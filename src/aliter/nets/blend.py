"""Networks applied to images of any size, tile by tile, blended where tiles overlap."""

from collections.abc import Callable
from itertools import product
from math import ceil

import numpy as np
from jaxtyping import Float, Float32, Float64

from aliter.core.errors import RequestError

Apply = Callable[[Float32[np.ndarray, "C h w"], int], Float32[np.ndarray, "S h w"]]
"""What a network makes of a tile, and the number of that tile: what it draws by chance depends on it."""


def blended(
    apply: Apply, x: Float32[np.ndarray, "C H W"], tile_px: int, overlap_px: int, period: int
) -> Float32[np.ndarray, "S H W"]:
    """Return what ``apply`` makes of ``x``, as large as ``x``; tiles fade into each other where they overlap.

    Tiles are square, their sides multiples of ``period``; an image that is smaller is mirrored at its borders, and cut
    afterwards. Nothing is resized: what returns its tile returns the image, exactly.

    Raises
    ------
    RequestError
        If tiles overlap by half or more.
    """
    tile = ceil(tile_px / period) * period
    if not 0 <= overlap_px < tile / 2:
        raise RequestError(f"expected an overlap below half of a tile of {tile} pixels, found {overlap_px}; lower it")
    height, width = x.shape[1:]
    sides = (min(tile, ceil(side / period) * period) for side in (height, width))
    boxes = [_steps(side, part, overlap_px) for side, part in zip((height, width), sides, strict=True)]
    padded = mirrored(x, max(boxes[0][-1][1], height), max(boxes[1][-1][1], width))
    total: Float64[np.ndarray, "S H W"] | None = None
    weights = np.zeros(padded.shape[1:])
    for number, ((top, bottom), (left, right)) in enumerate(product(*boxes)):
        out = apply(padded[:, top:bottom, left:right], number)
        weight = _ramp(bottom - top, overlap_px)[:, None] * _ramp(right - left, overlap_px)[None, :]
        if total is None:
            total = np.zeros((len(out), *padded.shape[1:]))
        total[:, top:bottom, left:right] += weight * out
        weights[top:bottom, left:right] += weight
    assert total is not None
    # Sums are in double precision, so that their quotient rounds to what went in.
    return (total / weights)[:, :height, :width].astype(np.float32)


def mirrored(x: Float32[np.ndarray, "C h w"], height: int, width: int) -> Float32[np.ndarray, "C H W"]:
    """Return ``x`` with rows and columns added at its far ends, mirrored about the outermost, again and again."""
    beyond = [(0, 0), (0, height - x.shape[1]), (0, width - x.shape[2])]
    return np.pad(x, beyond, mode="reflect" if min(x.shape[1:]) > 1 else "edge")


def _steps(side: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Return where tiles begin and end along an axis: one if it holds all, else the last ends with the image."""
    if tile >= side:
        return [(0, tile)]
    starts = [*range(0, side - tile, tile - overlap), side - tile]
    return [(start, start + tile) for start in starts]


def _ramp(length: int, overlap: int) -> Float[np.ndarray, " N"]:
    """Return weights that rise over the overlap, stay, and fall again; never 0."""
    rise = (np.arange(length) + 1) / (overlap + 1)
    return np.minimum(1.0, np.minimum(rise, rise[::-1]))
