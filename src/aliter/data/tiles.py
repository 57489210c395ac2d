"""Tiles: slides cut up with overlap into images of one size, so that every place is judged once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from aliter.core.errors import DataError, RequestError
from aliter.core.progress import progress
from aliter.core.rng import chance
from aliter.data import layout
from aliter.data.boxes import FIGURE, LOOK_ALIKE, Boxes
from aliter.data.images import Header, Images, write_images
from aliter.data.slides import Slide


@dataclass(frozen=True)
class Cut:
    """How slides are cut."""

    side: int
    """Pixels of a tile along each axis."""
    overlap: int
    """Pixels that neighbours share at least."""
    empty: int | None
    """Tiles for training without any box that are kept of each slide; all if None."""
    seed: int = 0


def starts(length: int, cut: Cut) -> list[int]:
    """Return where tiles begin along an axis: evenly, the last one at the end.

    Raises
    ------
    DataError
        If the slide is smaller than a tile.
    """
    if length < cut.side:
        raise DataError(f"expected slides of at least {cut.side} pixels a side, found {length}; choose smaller tiles")
    return [*range(0, length - cut.side, cut.side - cut.overlap), length - cut.side]


def owned(length: int, cut: Cut) -> list[tuple[int, int]]:
    """Return for each tile along an axis the pixels, first and after the last, that it alone answers for."""
    begin = starts(length, cut)
    borders = [0, *((a + b + cut.side) // 2 for a, b in pairwise(begin)), length]
    return list(pairwise(borders))


@dataclass(frozen=True)
class _Place:
    slide: int
    y: int
    x: int
    core: tuple[int, int, int, int]
    """Left, top, right, bottom of the part that it answers for, in pixels of the slide."""


def write_tiles(slides: Sequence[Slide], cut: Cut, path: Path, source: dict[str, object]) -> None:
    """Write the tiles of ``slides`` as a store of images at ``path``; a slide is a group.

    ``boxes/`` has the boxes whose centre is in the tile, cut off at its border; ``places`` has for each tile its slide,
    where it begins (y, x), and the part of the slide that it answers for (left, top, right, bottom).
    """
    places = [place for number in range(len(slides)) for place in _places(slides, number, cut)]
    ids = tuple(f"{slides[one.slide].id}/{one.y}_{one.x}" for one in places)
    header = Header(
        classes=("tiles",),
        channels=("red", "green", "blue"),
        range=(0.0, 255.0),
        shape=(3, cut.side, cut.side),
        dtype="uint8",
        ids=(ids,),
        splits=(np.array([slides[one.slide].split for one in places], np.uint8),),
        groups=(tuple(slides[one.slide].id for one in places),),
        source=dict(source),
    )
    with progress("tiles", len(places)) as advance:

        def block(label: int, start: int, stop: int) -> UInt8[np.ndarray, "B 3 H W"]:
            advance(stop - start, "")
            return np.stack([slides[one.slide].read(*_window(one, cut)) for one in places[start:stop]])

        write_images(path, header, block)
    root = layout.open_store(path, "a")
    table = np.array([(one.slide, one.y, one.x, *one.core) for one in places], np.int64)
    layout.create(root, "places", table.shape, table.dtype, ("index", "field"))[...] = table
    _tile_boxes(slides, places, cut).write(path)
    if all(one.kinds for one in slides):
        shape = (len(places), cut.side, cut.side)
        made = layout.create(root, "kinds/0", shape, "uint8", ("index", "y", "x"))
        for start in range(0, len(places), layout.ROWS):
            part = places[start : start + layout.ROWS]
            made[start : start + len(part)] = np.stack(
                [read(*_window(one, cut)) for one in part if (read := slides[one.slide].kinds)]
            )


def whole_tiles(path: Path, figure: str) -> "Tiles":
    """Make tiles of the images with classes in the store at ``path``: each as it is, with one box around all of it.

    It is a figure if it is of the class ``figure``, else a look-alike.

    Raises
    ------
    RequestError
        If there is no such class, or the images are not flat and square.
    """
    images = Images(path)
    if figure not in images.classes:
        raise RequestError(f"tiles.figure: expected a class, one of {', '.join(images.classes)}; found '{figure}'")
    if len(images.shape) != 3 or images.shape[1] != images.shape[2]:
        found = " x ".join(map(str, images.shape[1:]))
        raise RequestError(f"{path.name}: expected flat images as high as they are wide, found {found}; crop them")
    root, number, whole = layout.open_store(path, "a"), np.arange(len(images)), (0, 0, *images.shape[:0:-1])
    table = np.column_stack([number, np.zeros((len(images), 2), np.int64), np.tile(whole, (len(images), 1))])
    layout.create(root, "places", table.shape, table.dtype, ("index", "field"))[...] = table
    label = np.where(images.labels == images.classes.index(figure), FIGURE, LOOK_ALIKE).astype(np.uint8)
    corners = np.tile(np.array(whole, np.float32), (len(images), 1))
    Boxes(number, corners, label, np.zeros(len(images), np.uint8)).write(path)
    root.attrs["figure"] = figure
    return Tiles(path)


def counted(slides: Sequence[Slide], cut: Cut) -> Int[np.ndarray, " 3"]:
    """Return how many tiles of ``slides`` there will be to train, to validate and to test."""
    splits = [slides[place.slide].split for number in range(len(slides)) for place in _places(slides, number, cut)]
    return np.bincount(splits, minlength=3)


def _window(one: _Place, cut: Cut) -> tuple[slice, slice]:
    return slice(one.y, one.y + cut.side), slice(one.x, one.x + cut.side)


def _places(slides: Sequence[Slide], number: int, cut: Cut) -> Iterator[_Place]:
    """Yield the tiles of a slide; of those for training without a box only a few, drawn at random."""
    slide = slides[number]
    rows = list(zip(starts(slide.height, cut), owned(slide.height, cut), strict=True))
    columns = list(zip(starts(slide.width, cut), owned(slide.width, cut), strict=True))
    found = [_Place(number, y, x, (left, top, right, low)) for y, (top, low) in rows for x, (left, right) in columns]
    if slide.split == 0 and cut.empty is not None:
        bare = [one for one in found if not _inside(slide.corners, one, cut).any()]
        rng = chance(cut.seed, "empty", slide.id)
        kept = {id(bare[place]) for place in rng.permutation(len(bare))[: cut.empty]}
        found = [one for one in found if id(one) in kept or _inside(slide.corners, one, cut).any()]
    yield from found


def _inside(corners: Float32[np.ndarray, "N 4"], one: _Place, cut: Cut) -> Bool[np.ndarray, " N"]:
    x, y = ((corners[:, :2] + corners[:, 2:]) / 2).T
    found: np.ndarray = (x >= one.x) & (x < one.x + cut.side) & (y >= one.y) & (y < one.y + cut.side)
    return found


def _tile_boxes(slides: Sequence[Slide], places: Sequence[_Place], cut: Cut) -> Boxes:
    rows: list[tuple[int, np.ndarray, int, int]] = []
    for number, one in enumerate(places):
        slide = slides[one.slide]
        for row in np.flatnonzero(_inside(slide.corners, one, cut)).tolist():
            corners = np.clip(slide.corners[row] - [one.x, one.y, one.x, one.y], 0, cut.side)
            rows.append((number, corners, int(slide.label[row]), int(slide.kind[row])))
    return Boxes(
        np.array([row[0] for row in rows], np.int64),
        np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
        np.array([row[2] for row in rows], np.uint8),
        np.array([row[3] for row in rows], np.uint8),
    )


class Tiles(Images):
    """The tiles of one store, with their boxes and places."""

    @cached_property
    def boxes(self) -> Boxes:
        """Their boxes, in pixels of the tile; one in an overlap is in several tiles."""
        return Boxes.read(self.path)

    @cached_property
    def places(self) -> Int[np.ndarray, "N 7"]:
        """Of each: slide, y, x, and left, top, right, bottom of what it answers for."""
        return np.asarray(layout.array(self.root, "places")[...])

    @property
    def figure(self) -> str | None:
        """The class whose images are figures, where images are tiles as they are."""
        found = self.root.attrs.get("figure")
        return None if found is None else str(found)

    def planted(self, number: int) -> Bool[np.ndarray, "H W"] | None:
        """Return where an image differs from its pair of the other class; None where that is not known.

        It is known of images for testing that were drawn by rule, in two classes.
        """
        label = int(self.labels[number])
        name = f"truth/{label}_{1 - label}"
        if self.figure is None or len(self.classes) != 2 or name not in self.root:
            return None
        row = np.flatnonzero(self.split("test", label) == number)
        if not len(row):
            return None
        return np.asarray(np.asarray(layout.array(self.root, name)[int(row[0])]).any(axis=0))

    @cached_property
    def kinds(self) -> UInt8[np.ndarray, "N H W"] | None:
        """What each pixel belongs to, where that is known."""
        return np.asarray(layout.array(self.root, "kinds/0")[...]) if "kinds/0" in self.root else None

    def answers(
        self, number: int, corners: Float32[np.ndarray, "N 4"], margin_px: float = 0.0
    ) -> Bool[np.ndarray, " N"]:
        """Return which boxes of a tile it answers for: those whose centre is in its part, or in a margin around."""
        _, y, x, left, top, right, low = self.places[number].tolist()
        across, down = ((corners[:, :2] + corners[:, 2:]) / 2 + np.array([x, y], np.float32)).T
        found: np.ndarray = (
            (across >= left - margin_px)
            & (across < right + margin_px)
            & (down >= top - margin_px)
            & (down < low + margin_px)
        )
        return found
