"""Push single detections, and ask the detector again at every frame."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from pydantic import NonNegativeFloat, NonNegativeInt

from aliter.core.errors import DataError
from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.data.boxes import LOOK_ALIKE
from aliter.data.run import Figure, Run
from aliter.data.tiles import Tiles
from aliter.methods.walk.latent_shift import LatentShift
from aliter.nets.decoder import Encoder
from aliter.workflows.concepts.decode import decoder_of, require_agreement
from aliter.workflows.concepts.detect import detector_of, found_of
from aliter.workflows.concepts.files import plain, write_walk
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.outcome import Asked, Outcome, Subject, box_scores, judged
from aliter.workflows.concepts.push import Loom, Push, shifts_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config


class Shifting(Spec):
    """What is pushed, and how."""

    pushes: tuple[Push, ...] = (Push(), Push(within="everywhere"))
    detections: NonNegativeInt = 12
    """Detections in ``test`` that are pushed down, evenly over all."""
    look_alikes: NonNegativeInt = 4
    """Look-alikes in ``test`` that are pushed up, where they are known."""
    down: LatentShift = LatentShift(target=0.2)
    up: LatentShift = LatentShift(target=0.8)
    margin_px: NonNegativeFloat = 8.0
    """How far beyond its box a change still counts as local."""


def shift(config: "Config", run: Run) -> None:
    """Walk from each subject along each push; save frames and scores; say how local and how telling they are."""
    require_agreement(config, run)
    choice, tiles = config.shift, tiles_of(run)
    detector = detector_of(config, run)
    stage = config.decode.stage
    loom = Loom(detector, Encoder(detector, stage), decoder_of(config, run, detector), f"backbone.body.layer{stage}")
    chosen = list(subjects(config, run, tiles))
    outcomes: list[Outcome] = []
    with progress("shift", len(chosen) * len(choice.pushes)) as advance:
        for number, one in enumerate(chosen):
            for push in choice.pushes:
                outcomes += _walked(config, run, tiles, loom, number, one, push)
                advance(1, push.name)
    (run.folder / "walks.json").write_text(json.dumps([asdict(one) for one in outcomes], indent=1), encoding="utf-8")
    run.record(_figures(choice, outcomes))


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
        yield Subject(tile, _corners(found.boxes[row]), False, tuple(_corners(one) for one in others))
    boxes = tiles.boxes.where(np.isin(tiles.boxes.image, tiles.split("test")) & (tiles.boxes.label == LOOK_ALIKE))
    mine = [row for row in range(len(boxes)) if tiles.answers(int(boxes.image[row]), boxes.corners[row : row + 1])[0]]
    for row in mine[:: max(1, len(mine) // max(1, choice.look_alikes))][: choice.look_alikes]:
        tile = int(boxes.image[row])
        others = found.boxes[found.tile == tile]
        yield Subject(tile, _corners(boxes.corners[row]), True, tuple(_corners(one) for one in others))


def _corners(row: np.ndarray) -> tuple[float, float, float, float]:
    left, top, right, low = row.tolist()
    return left, top, right, low


def _walked(
    config: "Config", run: Run, tiles: Tiles, loom: Loom, number: int, one: Subject, push: Push
) -> list[Outcome]:
    """Make one walk, save it, and return how it went; nothing where there is no direction."""
    x = torch.from_numpy(tiles.signed(np.array([one.tile]))).to(run.device)
    box = torch.tensor([one.box], device=run.device)
    try:
        shifts = shifts_of(config, run, loom, x, box, push)
    except DataError:
        return []
    search = config.shift.up if one.rise else config.shift.down

    def draw(amount: float) -> Float[np.ndarray, "3 H W"]:
        return np.asarray(loom.draw(x, shifts, amount)[0].cpu().numpy())

    def score(image: Float[np.ndarray, "3 H W"]) -> Float[np.ndarray, " K"]:
        return np.asarray(box_scores(loom.detector, torch.from_numpy(image)[None].to(run.device), box)[0])

    found = search(draw, score, 1)
    start = f"walks/{push.name}/{number}"
    for name, values, axes in (
        ("setting", found.walk.setting, ("step",)),
        ("t", found.walk.t, ("step",)),
        ("score", found.walk.score, ("step", "class")),
    ):
        run.save(f"{start}/{name}", values, axes)
    assert found.walk.image is not None
    run.save(f"{start}/image", found.walk.image.astype(np.float32), ("step", "channel", "y", "x"))
    asked = Asked(number, one, tiles.ids[one.tile], push.name, search.target, config.shift.margin_px)
    outcome, matched = judged(loom.detector, asked, found, float(score(x[0].cpu().numpy())[1]))
    run.save(f"{start}/matched", matched, ("step",))
    facts = {**asdict(outcome), "settings": push.model_dump(mode="json"), "search": search.model_dump(mode="json")}
    whose = {"box": list(one.box), "encoder": run.facts["encoder"]}
    folder = run.folder / "walks" / plain(push.name) / f"{number:03}"
    write_walk(folder, found.walk, matched, {**facts, **whose})
    return [outcome]


def _figures(choice: Shifting, outcomes: list[Outcome]) -> list[Figure]:
    """Return, for each push, how often the target was reached, and how local it was."""
    figures = []
    for push in choice.pushes:
        mine = [one for one in outcomes if one.push == push.name]
        if not mine:
            continue
        allowed = [one for one in mine if one.stop == "target"]
        note = f"{len(allowed)} of {len(mine)} reach it before image or shift go too far"
        figures.append(
            Figure(f"target reached, {push.name}", float(np.mean([one.reached for one in mine])), len(mine), note=note)
        )
        for name, label in (
            ("locality", "change in and near the box"),
            ("proximity", "change of the image"),
            ("monotonicity", "monotonicity"),
            ("collateral", "largest change of another detection"),
            ("matched", "score of the whole detector at the end"),
        ):
            values = np.array([getattr(one, name) for one in mine])
            known = values[np.isfinite(values)]
            if len(known):
                figures.append(Figure(f"{label}, {push.name}", float(known.mean()), len(known), note="mean"))
    return figures
