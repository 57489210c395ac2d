"""The walks of a run as its page shows them: a gallery, and some that move by themselves."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, UInt8

from aliter.data.run import Run
from aliter.data.tiles import Tiles
from aliter.report.gallery import Gallery, Item, Look, unit
from aliter.report.pictures import Picture, Pictures, composite, gif
from aliter.workflows.concepts.outcome import Outcome, Subject, near_box
from aliter.workflows.concepts.shift import subjects, walk_of
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

IMAGE_PX = 256
"""About how high images are shown."""
_COLOURS = ("#ff0000", "#00ff00", "#0000ff")
_LEGEND = {
    "tile": "the tile as it is",
    "image": "the image as it is",
    "drawn": "what the decoder draws of it, unshifted: where the walk starts",
    "shifted": "where the walk ends",
    "locality": "share of the change that lies in the box, or where a difference was planted, and a margin",
    "box": "where the subject is: what a detection must cover to be it",
    "planted": "where the two drawings of one cell differ",
}


def gallery(config: "Config", run: Run, tiles: Tiles, outcomes: Sequence[Outcome]) -> Gallery:
    """Return all walks, to be ranked, filtered and played."""
    look = Look(tiles.channels, tiles.range, colours=_COLOURS if tiles.shape[0] == 3 else ())
    axes = ("shift, times what the layer gives", "score")
    items = _items(config, run, tiles, outcomes)
    return Gallery(items, look, ("drawn", "shifted"), _LEGEND, axes=axes, noun="walks")


def _items(config: "Config", run: Run, tiles: Tiles, outcomes: Sequence[Outcome]) -> Iterator[Item]:
    chosen, words = list(subjects(config, run, tiles)), words_of(tiles)
    for one in outcomes:
        walk, subject, way = walk_of(run, one), chosen[one.subject], "up" if one.rise else "down"
        assert walk.image is not None
        order = np.argsort(walk.setting, kind="stable")
        x = tiles.signed(np.array([subject.tile]))[0]
        own = {"class": tiles.classes[tiles.labels[subject.tile]]}
        if tiles.figure is None:
            own = {"found again at the end": f"{one.matched:.3f}"}
        numbers = {
            "locality": one.locality,
            "change of score": abs(one.end - one.drawn),
            "change of the image": one.proximity,
            "collateral": one.collateral,
        }
        yield Item(
            id=f"{one.push}/{one.subject}",
            title=one.push,
            subtitle=f"{one.drawn:.2f} to {one.end:.2f}",
            facets={"push": one.push, "goes": way, "subject": str(one.subject), "ends at": one.stop},
            numbers={name: value for name, value in numbers.items() if np.isfinite(value)},
            frames={"drawn": unit(walk.image[0]), "shifted": unit(walk.image[-1]), words.tile: unit(x)},
            outlines=_outlined(tiles, subject),
            curve=np.stack([walk.setting[order], walk.score[order, 1]], 1),
            chosen=int(np.flatnonzero(order == len(order) - 1)[0]),
            walk=unit(walk.image[order]),
            facts={
                words.tile: one.tile,
                f"score of the {words.tile}": f"{one.start:.3f}",
                **own,
                "target": "none: a published search" if one.target is None else f"{one.target:g}",
                "monotonicity": f"{one.monotonicity:.2f}",
            },
            caption=f"One of the {words.look_alikes if one.rise else words.found}, pushed {way}.",
            warnings=() if one.reached else (f"target not reached: {one.stop}",),
        )


def _outlined(tiles: Tiles, subject: Subject) -> dict[str, Bool[np.ndarray, "1 H W"]]:
    """Return where the subject is; of a whole image, where a difference was planted, if it is known."""
    planted = tiles.planted(subject.tile)
    if tiles.figure is not None:
        return {} if planted is None else {"planted": planted[None]}
    return {"box": near_box(subject.place, tiles.shape[1:], 0.0)[None]}


def moving(config: "Config", run: Run, outcomes: Sequence[Outcome]) -> Pictures:
    """Return the first walks that reach their target, each kind of push in turn, as moving pictures."""
    pushes = list(dict.fromkeys(one.push for one in outcomes))
    told = [one for one in outcomes if one.reached] or list(outcomes)
    ranked = sorted(told, key=lambda one: (one.subject, pushes.index(one.push)))
    pictures = []
    for one in ranked[: config.report.moving]:
        walk = walk_of(run, one)
        assert walk.image is not None
        frames = np.stack([enlarged(composite(frame), IMAGE_PX) for frame in walk.image])
        pictures.append(Picture(gif(frames, 4.0), one.push, f"{one.tile}: {one.drawn:.2f} to {one.end:.2f}"))
    return Pictures(pictures)


def enlarged(picture: UInt8[np.ndarray, "h w 3"], height_px: int) -> UInt8[np.ndarray, "H W 3"]:
    """Return a picture as many times as large as brings it nearest to a height."""
    times = max(1, round(height_px / len(picture)))
    return np.kron(picture, np.ones((times, times, 1), np.uint8))
