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
from aliter.data.run import Figure, Run
from aliter.data.simulate.tissue import Tissue
from aliter.data.slides import Slide, drawn_slides, stored_slides
from aliter.data.splits import SPLITS, straddling
from aliter.data.tiles import Cut, Tiles, whole_tiles, write_tiles
from aliter.workflows.gather import write_source

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


class Tiling(Spec):
    """How slides are cut."""

    side: Annotated[int, Field(ge=32, multiple_of=32)] = 128
    """Pixels of a tile along each axis."""
    overlap: NonNegativeInt = 32
    """Pixels that neighbours share at least: more than an object is large."""
    empty: NonNegativeInt | None = 8
    """Tiles for training without any box that are kept of each slide; all if None. Others keep all of theirs."""
    seed: int = 0
    figure: str | None = None
    """For images with classes: the class of which an image is a figure; images of all others are look-alikes. Each is a
    tile as it is, and nothing is cut. None: slides with boxes."""


def gather(config: "Config", run: Run) -> None:
    """Cut the slides, or take images as they are; prove that none stands in two splits."""
    choice = config.tiles
    if choice.figure is not None:
        _gather_whole(config, choice.figure, run)
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
    tiles = Tiles(run.folder / "tiles.zarr")
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


def _gather_whole(config: "Config", figure: str, run: Run) -> None:
    """Take images with classes as tiles, one box around each."""
    source, out = config.images, run.folder / "tiles.zarr"
    if isinstance(source, Listed | Tissue):
        raise RequestError("tiles.figure: expected images with classes, found slides with boxes; leave it out")
    if isinstance(source, Path) and is_store(source):
        shutil.copytree(source, out)
    else:
        write_source(source, out, None, run.workers)
    tiles = whole_tiles(out, figure)
    for split in SPLITS:
        if not len(tiles.split(split)):
            raise DataError(f"expected images to train, val and test, found none to {split}; split them anew")
    if tiles.groups and (torn := straddling(tiles.groups, tiles.splits)):
        raise DataError(f"expected each group in one split, found {', '.join(torn[:8])} in more; split by group")
    run.describe({"range": list(tiles.range), "source": tiles.source, "classes": list(tiles.classes)})
    mine = int((tiles.boxes.label == FIGURE).sum())
    run.record(
        [
            Figure("figures", float(mine), len(tiles), note=f"images of {figure}"),
            Figure("look-alikes", float(len(tiles) - mine), len(tiles), note="images of all other classes"),
        ]
    )


def slides_of(source: object) -> list[Slide]:
    """Return the slides that a config names.

    Raises
    ------
    RequestError
        If it names images with classes.
    """
    if not isinstance(source, Path | Listed | Tissue):
        raise RequestError("tiles.figure: expected the class that is asked about, found none; name one")
    if isinstance(source, Listed):
        return listed_slides(source)
    return drawn_slides(source) if isinstance(source, Tissue) else stored_slides(source)


def tiles_of(run: Run) -> Tiles:
    """Return the tiles of a run."""
    inside = run.folder / "tiles.zarr"
    return Tiles(inside if inside.exists() else run.path / "tiles.zarr")
