"""Push single detections, and ask the detector again at every frame."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt, model_validator

from aliter.core.errors import DataError
from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.data.boxes import LOOK_ALIKE
from aliter.data.run import Figure, Run
from aliter.data.tiles import Tiles
from aliter.methods.walk import Shift
from aliter.methods.walk.latent_shift import LatentShift
from aliter.nets.decoder import Encoder
from aliter.workflows.concepts.decode import decoder_of, require_agreement
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.files import plain, write_walk
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.outcome import (
    Asked,
    Corners,
    Outcome,
    Subject,
    Twice,
    judged,
    matched_scores,
)
from aliter.workflows.concepts.push import Loom, Push
from aliter.workflows.concepts.sitter import Sitter
from aliter.workflows.concepts.way import FIRST_BEND, way

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


_BOXED = {
    "locality": "change in and near the box",
    "area": "share of the image that this is about",
    "proximity": "change of the image",
    "monotonicity": "monotonicity",
    "collateral": "largest change of another detection",
    "matched": "score of the whole detector at the end",
    "box": "score in the box at the end",
}
"""Means over walks: field of an outcome, and what it is called."""
_WHOLE = {
    "locality": "change where it was planted",
    "area": "share of the image that this is about",
    "proximity": "change of the image",
    "monotonicity": "monotonicity",
}
"""The same of a classifier."""


class Shifting(Spec):
    """What is pushed, and how."""

    numbers: ClassVar[int] = 2

    pushes: tuple[Push, ...] = (Push(), Push(within="everywhere"))
    detections: NonNegativeInt = 12
    """Detections in ``test`` that are pushed down, evenly over all."""
    look_alikes: NonNegativeInt = 4
    """Look-alikes in ``test`` that are pushed up, where they are known."""
    score: Literal["matched", "box"] = "matched"
    """What is to reach the target: the score of the detection that covers the subject, wherever it is read, 0 if there
    is none; or the score in its proposal, which may fall while the detector finds it from another."""
    down: Shift = LatentShift(target=0.2, first=0.02, bisections=20)
    """How far detections go down; a published search has no target: it has reached what it asks for where it ends with
    the fall that it asks for."""
    up: Shift = LatentShift(target=0.8, first=0.02, bisections=20)
    """How far look-alikes go up, by a search that can."""
    margin_px: NonNegativeFloat = 8.0
    """How far beyond its box a change still counts as local."""

    @model_validator(mode="after")
    def _sound(self) -> "Shifting":
        if not isinstance(self.up, LatentShift):
            found = f"{self.up.kind}, which goes down only"
            raise ValueError(f"up: expected a search that can go up, latent_shift; found {found}")
        names = [push.name for push in self.pushes]
        if twice := [name for place, name in enumerate(names) if name in names[:place]]:
            raise ValueError(f"expected pushes of different names, found '{twice[0]}' twice; give one a label")
        return self


def shift(config: "Config", run: Run) -> None:
    """Walk from each subject along each push; save frames and scores; say how local and how telling they are."""
    require_agreement(config, run)
    choice, tiles = config.shift, tiles_of(run)
    detector = detector_of(config, run)
    at = config.decode.at
    loom = Loom(detector, Encoder(detector, at), decoder_of(config, run, detector), detector.layer_at(at))
    chosen = list(subjects(config, run, tiles))
    outcomes: list[Outcome] = []
    allowed = 0
    with progress("shift", len(chosen) * len(choice.pushes)) as advance:
        for number, one in enumerate(chosen):
            sitter = Sitter(config, run, tiles, loom, number, one)
            allowed += sitter.allows
            for push in choice.pushes:
                outcomes += _walked(sitter, push) if sitter.allows else []
                advance(1, push.name)
    (run.folder / "walks.json").write_text(json.dumps([asdict(one) for one in outcomes], indent=1), encoding="utf-8")
    note = "share of subjects whose drawing, unshifted, scores on the far side of the target; no others are walked"
    share = [Figure("can be walked", allowed / len(chosen), len(chosen), note=note)] if chosen else []
    run.record([*share, *_figures(choice, outcomes, allowed, tiles.figure is not None)])


def outcomes_of(run: Run) -> list[Outcome]:
    """Return what ``shift`` came to."""
    return [Outcome(**row) for row in json.loads((run.path / "walks.json").read_text(encoding="utf-8"))]


def walk_of(run: Run, one: Outcome) -> Walk:
    """Return a walk that ``shift`` saved."""
    start = f"walks/{one.push}/{one.subject}"
    setting, t, score, image = (run.load(f"{start}/{name}") for name in ("setting", "t", "score", "image"))
    return Walk(setting, t, score, image[0], image)


def subjects(config: "Config", run: Run, tiles: Tiles) -> Iterator[Subject]:
    """Yield the detections and look-alikes that are pushed."""
    choice = config.shift
    found = found_of(run, "test", run.facts["threshold"])
    rows = np.unique(np.linspace(0, len(found.tile) - 1, min(choice.detections, len(found.tile))).round().astype(int))
    for row in rows.tolist():
        tile = int(found.tile[row])
        others = found.boxes[(found.tile == tile) & (np.arange(len(found.tile)) != row)]
        place, box = _corners(found.corners[row]), _corners(found.boxes[row])
        yield Subject(tile, place, box, False, tuple(_corners(one) for one in others))
    boxes = tiles.boxes.where(np.isin(tiles.boxes.image, tiles.split("test")) & (tiles.boxes.label == LOOK_ALIKE))
    mine = [row for row in range(len(boxes)) if tiles.answers(int(boxes.image[row]), boxes.corners[row : row + 1])[0]]
    for row in mine[:: max(1, len(mine) // max(1, choice.look_alikes))][: choice.look_alikes]:
        tile = int(boxes.image[row])
        others = found.boxes[(found.tile == tile) & (tiles.figure is None)]
        place = _corners(boxes.corners[row])
        yield Subject(tile, place, place, True, tuple(_corners(one) for one in others))


def _corners(row: np.ndarray) -> Corners:
    left, top, right, low = row.tolist()
    return left, top, right, low


def _walked(sitter: Sitter, push: Push) -> list[Outcome]:
    """Make one walk, save it, and return how it went; nothing where there is no direction."""
    at = way(partial(sitter.onward, push=push), push.bends)

    try:
        at(-FIRST_BEND)
    except DataError:
        return []

    def draw(amount: float) -> Float[np.ndarray, "C H W"]:
        return np.asarray(sitter.frame(at(amount), push)[0].cpu().numpy())

    found = sitter.search(draw, sitter.score, 1, push.sign(sitter.subject.rise))
    images = found.walk.image
    assert images is not None
    box = np.array([sitter.in_box(one)[1] for one in images])
    scores = Twice(box, matched_scores(sitter.loom.detector, images, sitter.subject.place))
    asked = Asked(
        sitter.number,
        sitter.subject,
        sitter.tiles.ids[sitter.subject.tile],
        push.name,
        sitter.search.target,
        sitter.near,
        sitter.planted is not None,
    )
    start = float(sitter.score(sitter.x[0].cpu().numpy())[1])
    outcome = judged(sitter.loom.detector, asked, found, start, scores)
    _save(sitter, push, found.walk, scores, outcome)
    return [outcome]


def _save(sitter: Sitter, push: Push, walk: Walk, scores: Twice, outcome: Outcome) -> None:
    """Save a walk as arrays, and as files that need no tool of ours."""
    run, start = sitter.run, f"walks/{push.name}/{sitter.number}"
    assert walk.image is not None
    for name, values, axes in (
        ("setting", walk.setting, ("step",)),
        ("t", walk.t, ("step",)),
        ("score", walk.score, ("step", "class")),
        ("box", scores.box, ("step",)),
        ("matched", scores.matched, ("step",)),
        ("image", walk.image.astype(np.float32), ("step", "channel", "y", "x")),
    ):
        run.save(f"{start}/{name}", values, axes)
    said = {"settings": push.model_dump(mode="json"), "search": sitter.search.model_dump(mode="json")}
    whose = {"place": list(sitter.subject.place), "encoder": run.facts["encoder"]}
    folder = run.folder / "walks" / plain(push.name) / f"{sitter.number:03}"
    write_walk(folder, walk, scores, {**asdict(outcome), **said, **whose})


def _figures(choice: Shifting, outcomes: list[Outcome], allowed: int, whole: bool) -> list[Figure]:
    """Return, for each push, how often the target was reached, and how local it was; ``whole`` images are one box."""
    figures = []
    for push in choice.pushes:
        mine = [one for one in outcomes if one.push == push.name]
        if not mine:
            continue
        crossed = sum(one.stop in ("target", "jump") for one in mine)
        note = f"of {allowed} that can be walked; the score crosses it within the bounds for {crossed}"
        if choice.down.target is None:
            note += "; down, the search has no target: it is reached where the score has fallen as far as is asked for"
        reached = sum(one.reached for one in mine) / allowed
        figures.append(Figure(f"target reached, {push.name}", reached, allowed, note=note))
        for name, label in (_WHOLE if whole else _BOXED).items():
            values = np.array([getattr(one, name) for one in mine])
            known = values[np.isfinite(values)]
            if len(known):
                figures.append(Figure(f"{label}, {push.name}", float(known.mean()), len(known), note="mean"))
    return figures
