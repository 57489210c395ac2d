"""What there is to do: so that what a run will take can be estimated."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int

from aliter.data import layout
from aliter.data.annotations import Listed, write_listed
from aliter.data.boxes import FIGURE, Boxes
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.data.simulate import Tissue
from aliter.data.slides import Slide
from aliter.data.splits import SPLITS, Split
from aliter.data.tiles import Cut, Tiles, counted, starts
from aliter.methods.concept.ace import ACE
from aliter.methods.walk.latent_shift import LatentShift
from aliter.workflows.concepts.gather import labelled_source, slides_of, tiles_of
from aliter.workflows.concepts.push import TOP
from aliter.workflows.estimate import Amount, Room

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_AREA = 128.0**2
_WINDOWS, _GROUPS = 8, 4
_USUAL_SHIFT = 1.0
"""About where walks end."""


def survey(config: "Config") -> Census:
    """Return what is known of the slides, from headers and lists alone.

    Raises
    ------
    DataError
        If a split holds none.
    """
    source, range_ = config.images, config.range or (0.0, 255.0)
    if (labelled := labelled_source(config)) is not None:
        classes = census(labelled, config.range)
        classes.require(SPLITS)
        return replace(classes, copied=False)
    if isinstance(source, Tissue):
        names, splits = tuple(f"slides/{index:06d}" for index in range(source.count)), source.splits
        shape = (3, source.size, source.size)
    else:
        slides = slides_of(source)
        names, splits = tuple(one.id for one in slides), np.array([one.split for one in slides], np.uint8)
        shape = (3, max(one.height for one in slides), max(one.width for one in slides))
    found = Census(("slides",), Tissue.channels, shape, "uint8", range_, True, (names,), (splits,), copied=False)
    found.require(SPLITS)
    return found


def small(config: "Config", found: Census, size: int, out: Path) -> "Config":
    """Return the config on corners of few slides, few tiles each, with few windows, concepts and walks."""
    choice, method = config.discover, config.discover.method
    few = {"count": min(method.count, _GROUPS * size), "most": min(method.most, 20)}
    few |= {"least": min(method.least, 3)} if isinstance(method, ACE) else {}
    windows = {name: min(getattr(choice, name), _WINDOWS * size) for name in ("images", "elsewhere")}
    pushes = tuple(
        one.model_copy(update={"concepts": {layer: {TOP: 1.0} for layer in one.concepts}})
        for one in config.shift.pushes
    )
    # A detector that learned nothing finds nothing where a detection is put: it is asked in the box, for a target that
    # is beneath any score there, so that every walk is made.
    down = config.shift.down
    if isinstance(down, LatentShift):
        down = down.model_copy(update={"target": 0.0, "largest": min(down.largest, _USUAL_SHIFT)})
    count = min(config.shift.detections, size)
    walks = {"detections": count, "look_alikes": 0, "pushes": pushes, "score": "box", "down": down}
    return config.model_copy(
        update={
            "images": _few(config, found, size, out),
            "discover": choice.model_copy(update={**windows, "method": method.model_copy(update=few)}),
            "decode": config.decode.model_copy(update={"floor": 0.0}),
            "shift": config.shift.model_copy(update=walks),
        }
    )


def amounts(config: "Config", found: Census) -> Mapping[str, Amount]:
    """Return how many tiles, windows, detections and walks there are at most."""
    tiles, figures = _tiles(config, found), _figures(config, found)
    concepts = config.discover.method.count
    walks = (min(config.shift.detections, figures) + config.shift.look_alikes) * len(config.shift.pushes)
    return {
        "gather": Amount(float(tiles.sum())),
        "detect": Amount(float(tiles.sum())),
        "discover": Amount(config.discover.images + config.discover.elsewhere),
        "score": Amount(concepts, figures + concepts, lengths={"detection": figures}),
        "decode": Amount(float(tiles[2])),
        "shift": Amount(walks),
        "report": Amount(walks),
    }


def stand_in(config: "Config", stage: str, run: Run) -> Mapping[str, int]:
    """Put detections in place, as many as there are figures or windows are asked for: on the left, or whole images."""
    if stage != "detect":
        return {}
    tiles, root = tiles_of(run), layout.open_store(run.path / "store.zarr", "a")
    root.attrs["threshold"] = 0.5
    there = _slide_figures(config) if tiles.figure is None else len(_figures_in(tiles, "test"))
    counts: dict[Split, int] = {"train": config.discover.images, "val": 1, "test": there}
    for split, count in counts.items():
        rows, corners = _placed(tiles, split, count)
        scores, near = np.linspace(0.9, 0.6, count, dtype=np.float32), np.full(count, -1)
        found = {"tile": rows, "corners": corners, "scores": scores, "boxes": corners, "near": near}
        for name, values in found.items():
            axes = ("detection", "side")[: values.ndim]
            layout.create(root, f"found/{split}/{name}", values.shape, values.dtype, axes)[...] = values
    return {}


def _placed(tiles: Tiles, split: Split, count: int) -> tuple[Int[np.ndarray, " N"], Float32[np.ndarray, "N 4"]]:
    """Return tiles, and so many boxes in them: on the left, or around whole images of the class."""
    if tiles.figure is not None:
        mine = _figures_in(tiles, split)
        chosen = np.sort(np.resize(np.arange(len(mine)), count))
        return mine.image[chosen], mine.corners[chosen]
    y = np.linspace(0.3, 0.7, count, dtype=np.float32) * tiles.shape[1]
    corners = np.stack([np.full(count, 10.0), y - 10, np.full(count, 30.0), y + 10], 1).astype(np.float32)
    return np.sort(np.resize(tiles.split(split), count)), corners


def _figures_in(tiles: Tiles, split: Split) -> Boxes:
    boxes = tiles.boxes
    return boxes.where(np.isin(boxes.image, tiles.split(split)) & (boxes.label == FIGURE))


def _few(config: "Config", found: Census, size: int, out: Path) -> Path | Tissue | Listed:
    """Return few images with classes, or few slides, as large as two tiles a side at most."""
    source, choice = config.images, config.tiles
    if (labelled := labelled_source(config)) is not None:
        return write_sample(labelled, found, out, spread=_WINDOWS * size).path
    side = 2 * choice.side - choice.overlap
    if isinstance(source, Tissue):
        return source.model_copy(update={"count": min(source.count, 4 * size), "size": min(source.size, side)})
    slides = slides_of(source)
    chosen = [[one for one in slides if one.split == place][: size * (2 if place == 0 else 1)] for place in range(3)]
    write_listed([_corner(one, side) for some in chosen for one in some], out)
    return Listed(slides=out / "slides", boxes=out / "boxes.json", figures=(FIGURE,))


def _corner(slide: Slide, side: int) -> Slide:
    """Return a part of a slide: around its first box, if it has one."""
    middle = (slide.corners[:1, :2] + slide.corners[:1, 2:]).sum(0) / 2
    left, top = (
        int(np.clip(at - side / 2, 0, max(0, length - side)))
        for at, length in zip(middle, (slide.width, slide.height), strict=True)
    )
    height, width = min(side, slide.height), min(side, slide.width)
    corners = slide.corners - np.array([left, top] * 2, np.float32)
    inside = (corners[:, :2] >= 0).all(1) & (corners[:, 2:] <= [width, height]).all(1)
    return replace(
        slide,
        height=height,
        width=width,
        corners=corners[inside],
        label=slide.label[inside],
        kind=slide.kind[inside],
        read=lambda y, x: slide.read(slice(top, top + height), slice(left, left + width))[:, y, x],
        kinds=None,
    )


def _tiles(config: "Config", found: Census) -> Int[np.ndarray, " 3"]:
    """Return the number of tiles of each split; of slides that are not drawn yet all that there may be."""
    choice, source = config.tiles, config.images
    if choice.figure is not None:
        return np.asarray(found.counts.sum(0))
    cut = Cut(choice.side, choice.overlap, choice.empty, choice.seed)
    if isinstance(source, Tissue):
        return np.bincount(source.splits, minlength=3) * len(starts(source.size, cut)) ** 2
    return counted(slides_of(source), cut)


def _figures(config: "Config", found: Census) -> int:
    """Return the number of figures to test: as many are detected, if the detector is right."""
    if config.tiles.figure is None:
        return _slide_figures(config)
    return int(found.counts[np.array(found.classes) == config.tiles.figure, 2].sum())


def _slide_figures(config: "Config") -> int:
    """Return the number of figures in slides to test: as many are detected, if the detector is right."""
    source = config.images
    if isinstance(source, Tissue):
        return max(2, round(source.figures * source.size**2 / _AREA * int((source.splits == 2).sum())))
    return max(2, sum(int((one.label == FIGURE).sum()) for one in slides_of(source) if one.split == 2))


ROOM = Room(survey, small, amounts, stand_in)
