"""Networks applied to fields of any size, tile by tile, as if to the whole at once."""

from collections.abc import Callable, Iterator
from itertools import product
from math import ceil

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from aliter.nets.unet import UNetSpec, cut

Box = tuple[slice, ...]
Read = Callable[[Box], Float32[np.ndarray, "C *space"]]
"""Gives a part of a field."""
Embed = Callable[[Tensor], Tensor]


def tiles(shape: tuple[int, ...], tile: tuple[int, ...]) -> Iterator[Box]:
    """Yield the boxes that make up ``shape``, row by row; the last ones may be smaller."""
    starts = [range(0, length, size) for length, size in zip(shape, tile, strict=True)]
    for corner in product(*starts):
        yield tuple(
            slice(start, min(start + size, length)) for start, size, length in zip(corner, tile, shape, strict=True)
        )


def tile_for(spec: UNetSpec, shape: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Return the largest tile of at most ``most`` voxels along an axis that a network can be applied to."""
    periods = [extent.period for extent in spec.extents(len(shape))]
    return tuple(
        min(ceil(length / period), max(most // period, 1)) * period
        for length, period in zip(shape, periods, strict=True)
    )


def embedded(spec: UNetSpec, net: Embed, read: Read, shape: tuple[int, ...], box: Box) -> Float32[np.ndarray, "D *box"]:
    """Return what ``net`` gives for the voxels of ``box``; the field, of this ``shape``, is mirrored at its borders.

    ``box`` begins at multiples of the period of the network, so that tiles fit together without a seam.
    """
    extents, context = spec.extents(len(shape)), spec.context(len(shape))
    wanted = [part.stop - part.start for part in box]
    given = [
        max(ceil(size / extent.period) * extent.period, extent.smallest - extent.context)
        for size, extent in zip(wanted, extents, strict=True)
    ]
    low = [part.start - extra // 2 for part, extra in zip(box, context, strict=True)]
    high = [start + size + extra for start, size, extra in zip(low, given, context, strict=True)]
    x = torch.from_numpy(_mirrored(read, shape, low, high))
    with torch.no_grad():
        out = cut(net(x[None]), torch.Size(given))[0]
    return out[(slice(None), *(slice(0, size) for size in wanted))].float().cpu().numpy()


def _mirrored(read: Read, shape: tuple[int, ...], low: list[int], high: list[int]) -> Float32[np.ndarray, "C *space"]:
    """Return the voxels from ``low`` to before ``high``, those beyond the borders mirrored about the outermost."""
    part, padding, shown = [], [(0, 0)], [slice(None)]
    for start, stop, length in zip(low, high, shape, strict=True):
        below, above = max(-start, 0), max(stop - length, 0)
        # What is mirrored must be read too, even if it lies outside.
        first = max(0, min(start, length - 1 - above if above else start))
        last = min(length, max(stop, below + 1))
        part.append(slice(first, last))
        padding.append((below, above))
        shown.append(slice(start - first + below, stop - first + below))
    return np.pad(read(tuple(part)), padding, mode="reflect")[tuple(shown)]
