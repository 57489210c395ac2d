"""What things are called: a detector finds figures in tiles of slides, a classifier takes images for a class."""

from dataclasses import dataclass

from aliter.data.tiles import Tiles


@dataclass(frozen=True)
class Words:
    """Names for the same things, as a reader knows them; all but ``model`` and ``tile`` are of many."""

    model: str
    tile: str
    figures: str
    look_alikes: str
    found: str
    """What is pushed down, and what concepts are looked for in."""
    again: str
    """Of what was found: the share that is found in what was drawn, too."""
    score: str
    """What a concept raises."""
    unseen: str
    """What a model is judged on."""


_SLIDES = Words(
    model="detector",
    tile="tile",
    figures="figures",
    look_alikes="look-alikes",
    found="detections",
    again="detections found again",
    score="the score of a detection",
    unseen="slides that it never saw, every place counted once",
)


def words_of(tiles: Tiles) -> Words:
    """Return what things are called where these tiles are looked at."""
    if tiles.figure is None:
        return _SLIDES
    figure = f"'{tiles.figure}'"
    return Words(
        model="classifier",
        tile="image",
        figures=f"images of {figure}",
        look_alikes="images of other classes",
        found=f"images taken for {figure}",
        again=f"still taken for {figure} when drawn",
        score=f"the probability of {figure}",
        unseen="images that it never saw",
    )
