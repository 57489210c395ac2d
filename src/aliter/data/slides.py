"""Slides: images larger than what a network takes, with boxes, read part by part."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from aliter.core.errors import DataError
from aliter.data import layout
from aliter.data.boxes import Boxes
from aliter.data.images import Images, is_store, write_images
from aliter.data.simulate.header import header_of
from aliter.data.simulate.tissue import KINDS, Tissue

Read = Callable[[slice, slice], UInt8[np.ndarray, "3 h w"]]
"""Rows and columns to the pixels there."""
ReadKinds = Callable[[slice, slice], UInt8[np.ndarray, "h w"]]


@dataclass(frozen=True)
class Slide:
    """One slide: what is known of it, and how its pixels are read."""

    id: str
    height: int
    width: int
    split: int
    """0 to train, 1 to validate, 2 to test."""
    corners: Float32[np.ndarray, "N 4"]
    """Left, top, right, bottom of each box."""
    label: UInt8[np.ndarray, " N"]
    kind: UInt8[np.ndarray, " N"]
    read: Read
    kinds: ReadKinds | None = None
    """What each pixel belongs to, where it is known."""


def drawn_slides(tissue: Tissue) -> list[Slide]:
    """Return simulated slides; each is drawn when its pixels are first asked for."""
    draw = lru_cache(maxsize=2)(tissue.draw)

    def one(index: int, split: int) -> Slide:
        made = draw(index)
        return Slide(
            id=f"slides/{index:06d}",
            height=tissue.size,
            width=tissue.size,
            split=split,
            corners=made.boxes,
            label=made.labels,
            kind=made.concepts,
            read=lambda y, x: draw(index).image[:, y, x],
            kinds=lambda y, x: draw(index).kinds[y, x],
        )

    return [one(index, split) for index, split in enumerate(tissue.splits.tolist())]


def write_slides(tissue: Tissue, path: Path) -> None:
    """Write simulated slides with their boxes and kinds as a store at ``path``."""
    slides = drawn_slides(tissue)
    header = header_of(tissue)
    every = slice(None)
    write_images(path, header, lambda _, start, stop: np.stack([one.read(every, every) for one in slides[start:stop]]))
    root = layout.open_store(path, "a")
    kinds = layout.create(root, "kinds/0", (len(slides), tissue.size, tissue.size), "uint8", ("index", "y", "x"))
    for start in range(0, len(slides), layout.ROWS):
        part = slides[start : start + layout.ROWS]
        kinds[start : start + len(part)] = np.stack([one.kinds(every, every) for one in part if one.kinds])
    boxes_of(slides).write(path)


def boxes_of(slides: Sequence[Slide]) -> Boxes:
    """Return the boxes of all slides, numbered by slide."""
    counts = [len(one.label) for one in slides]
    return Boxes(
        np.repeat(np.arange(len(slides)), counts),
        np.concatenate([one.corners for one in slides]).astype(np.float32).reshape(-1, 4),
        np.concatenate([one.label for one in slides]).astype(np.uint8),
        np.concatenate([one.kind for one in slides]).astype(np.uint8),
    )


def holds_boxes(path: Path) -> bool:
    """Return whether ``path`` is a store of images with boxes."""
    return is_store(path) and "boxes" in layout.open_store(path)


def stored_slides(path: Path) -> list[Slide]:
    """Return the slides in the store at ``path``.

    Raises
    ------
    DataError
        If it holds no boxes, or not three channels of eight bits.
    """
    images = Images(path)
    if "boxes" not in images.root or images.shape[0] != 3 or images.dtype != np.uint8:
        found = f"{images.shape[0]} of {images.dtype}" + ("" if "boxes" in images.root else " without boxes")
        raise DataError(f"{path}: expected slides of 3 channels, 8 bits each, with boxes; found {found}")
    pixels, boxes = layout.array(images.root, "images/0"), Boxes.read(path)
    kinds = layout.array(images.root, "kinds/0") if "kinds/0" in images.root else None

    def one(number: int) -> Slide:
        mine = boxes.of(number)
        return Slide(
            id=images.ids[number],
            height=images.shape[1],
            width=images.shape[2],
            split=int(images.splits[number]),
            corners=mine.corners,
            label=mine.label,
            kind=mine.kind,
            read=lambda y, x: np.asarray(pixels[number, :, y, x]),
            kinds=None if kinds is None else lambda y, x: np.asarray(kinds[number, y, x]),
        )

    return [one(number) for number in range(len(images))]


__all__ = ["KINDS", "Slide", "boxes_of", "drawn_slides", "holds_boxes", "stored_slides", "write_slides"]
