"""Cut the slides into tiles of one size, with their boxes, split by slide."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, NonNegativeInt

from aliter.core.errors import DataError, RequestError
from aliter.core.spec import Spec
from aliter.data.annotations import Listed, listed_slides
from aliter.data.boxes import FIGURE
from aliter.data.images import is_store
from aliter.data.labelled import Labelled
from aliter.data.run import Figure, Run
from aliter.data.simulate import Simulation
from aliter.data.simulate.tissue import Tissue
from aliter.data.slides import Slide, drawn_slides, holds_boxes, stored_slides
from aliter.data.splits import SPLITS, straddling
from aliter.data.tiles import Cut, Tiles, whole_tiles, write_tiles
from aliter.workflows.concepts.words import words_of
from aliter.workflows.gather import write_source

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


class Tiling(Spec):
    """How slides are cut, or which class is asked about."""

    figure: str | None = None
    """Of images with classes: the one that is asked about. Each image is then a tile as it is, nothing is cut: one of
    this class is a figure, one that is taken for it a detection, one of any other class a look-alike. None: slides."""
    side: Annotated[int, Field(ge=32, multiple_of=32)] = 128
    """Pixels of a tile along each axis."""
    overlap: NonNegativeInt = 32
    """Pixels that neighbours share at least: more than an object is large."""
    empty: NonNegativeInt | None = 8
    """Tiles for training without any box that are kept of each slide; all if None. Others keep all of theirs."""
    seed: int = 0


def gather(config: "Config", run: Run) -> None:
    """Cut the slides, or take images as they are; prove that none stands in two splits."""
    choice, labelled = config.tiles, labelled_source(config)
    if labelled is not None and choice.figure is not None:
        _gather_whole(config, labelled, choice.figure, run)
        return
    if choice.overlap >= choice.side:
        raise RequestError(f"tiles.overlap: expected less than {choice.side}, found {choice.overlap}; lower it")
    slides = slides_of(config.images)
    if empty := [name for place, name in enumerate(SPLITS) if all(one.split != place for one in slides)]:
        raise DataError(f"expected slides to train, val and test, found none to {empty[0]}; split by slide anew")
    source: dict[str, object] = (
        config.images.model_dump(mode="json") if isinstance(config.images, Spec) else {"path": str(config.images)}
    )
    cut = Cut(choice.side, choice.overlap, choice.empty, choice.seed)
    write_tiles(slides, cut, run.folder / "tiles.zarr", source)
    tiles = Tiles(run.folder / "tiles.zarr", config.range)
    if torn := straddling(tiles.groups, tiles.splits):
        raise DataError(f"expected each slide in one split, found {', '.join(torn[:8])} in more; split by slide")
    run.describe({"range": list(tiles.range), "source": source, "slides": [one.id for one in slides]})
    figures = sum(int((one.label == FIGURE).sum()) for one in slides)
    others = sum(int((one.label != FIGURE).sum()) for one in slides)
    run.record(
        [
            Figure("slides", float(len(slides)), len(tiles), note="none in more than one split"),
            Figure("figures", float(figures), len(tiles)),
            Figure("look-alikes", float(others), len(tiles), note="kept in their tiles, without a box to find"),
        ]
    )


def _gather_whole(config: "Config", source: Path | Labelled | Simulation, figure: str, run: Run) -> None:
    """Take images with classes as tiles, one box around each."""
    out = run.folder / "tiles.zarr"
    if isinstance(source, Path) and is_store(source):
        shutil.copytree(source, out)
    else:
        write_source(source, out, config.range, run.workers)
    whole_tiles(out, figure)
    tiles = Tiles(out, config.range)
    for split in SPLITS:
        if not len(tiles.split(split)):
            raise DataError(f"expected images to train, val and test, found none to {split}; split them anew")
    if tiles.groups and (torn := straddling(tiles.groups, tiles.splits)):
        raise DataError(f"expected each group in one split, found {', '.join(torn[:8])} in more; split by group")
    run.describe({"range": list(tiles.range), "source": tiles.source, "classes": list(tiles.classes)})
    mine, words = int((tiles.boxes.label == FIGURE).sum()), words_of(tiles)
    run.record(
        [
            Figure(words.figures, float(mine), len(tiles)),
            Figure(words.look_alikes, float(len(tiles) - mine), len(tiles)),
        ]
    )


def labelled_source(config: "Config") -> Path | Labelled | Simulation | None:
    """Return where images with classes are from, if a class is asked about.

    Raises
    ------
    RequestError
        If one is, and the images are slides.
    """
    if config.tiles.figure is None:
        return None
    if isinstance(config.images, Listed | Tissue):
        raise RequestError("tiles.figure: expected images with classes, found slides with boxes; leave it out")
    return config.images


def slides_of(source: object) -> list[Slide]:
    """Return the slides that a config names.

    Raises
    ------
    RequestError
        If it names images with classes.
    """
    if isinstance(source, Listed):
        return listed_slides(source)
    if isinstance(source, Tissue):
        return drawn_slides(source)
    if not isinstance(source, Path) or (source.exists() and not holds_boxes(source)):
        raise RequestError(
            "tiles.figure: expected the class that is asked about where images have no boxes, found none; name one, or "
            "the list of boxes (images: {slides, boxes})"
        )
    return stored_slides(source)


def tiles_of(run: Run) -> Tiles:
    """Return the tiles of a run."""
    inside, (low, high) = run.folder / "tiles.zarr", run.facts["range"]
    return Tiles(inside if inside.exists() else run.path / "tiles.zarr", (low, high))
