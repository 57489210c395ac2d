"""Train the detector; judge it on slides that it never saw, every place once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int
from pydantic import PositiveFloat, Tag
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import RequestError
from aliter.core.progress import progress
from aliter.core.rng import chance
from aliter.core.spec import Spec, kind_or
from aliter.data.boxes import FIGURE, LOOK_ALIKE
from aliter.data.run import Figure, Run
from aliter.data.splits import SPLITS
from aliter.data.tiles import Tiles
from aliter.methods.objective.classify import Classify
from aliter.methods.objective.detect import Detect
from aliter.nets.detections import Detector
from aliter.nets.detector import FasterRCNN
from aliter.nets.frozen import Frozen
from aliter.nets.whole import Whole, WholeImage
from aliter.ops.classification import wilson
from aliter.ops.detection import average_precision, best_threshold, counted, distinct, froc, iou, matched, nearness
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.classifier import examine, judge, labelled
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.words import words_of

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_BATCH = 8
_PERIOD_SHARE = 0.5
"""Of the tiles in a batch: those with a box; the rest is drawn from all."""
SAME = 0.5
"""Intersection over union from which on two boxes are of one object."""


Net = Annotated[
    Annotated[FasterRCNN, Tag("faster_rcnn")] | Annotated[WholeImage, Tag("classifier")], kind_or("faster_rcnn")
]
"""What is explained: a detector, or a classifier asked about one of its classes."""


class Detecting(Spec):
    """The detector and how it learns."""

    net: Net = FasterRCNN()
    objective: Detect = Detect()
    """Of a detector; a classifier learns by cross-entropy."""
    fit: Fit | None = Fit(steps=400, size=4, rate=1e-3, judge_every=100, save_every=100, keep=1, best=("f1",))
    """None takes the detector as its weights are: one that was trained before; so does a classifier of one's own."""
    reach_px: PositiveFloat = 8.0
    """Distance of two centres, in pixels of the tile, up to which they are of one object."""

    @property
    def learns(self) -> bool:
        """Whether it is trained here."""
        return self.fit is not None and not (isinstance(self.net, WholeImage) and self.net.learned)


@dataclass(frozen=True)
class Found:
    """What was found in some tiles, each place of a slide once."""

    tile: Int[np.ndarray, " N"]
    corners: Float32[np.ndarray, "N 4"]
    scores: Float32[np.ndarray, " N"]
    boxes: Float32[np.ndarray, "N 4"]
    """The proposals behind them: where the score of each was read."""

    def where(self, chosen: Bool[np.ndarray, " N"] | Int[np.ndarray, " M"]) -> "Found":
        """Return those that are ``chosen``."""
        return Found(self.tile[chosen], self.corners[chosen], self.scores[chosen], self.boxes[chosen])


@dataclass(frozen=True)
class Judged:
    """What was found, against what is there."""

    found: Found
    near: Int[np.ndarray, " N"]
    """Row of the figure that each stands for by distance, in the boxes of all tiles; -1 for none."""
    overlapping: Bool[np.ndarray, " N"]
    """Whether each covers a figure by half of the area of both."""
    there: int
    """Figures."""
    tiles: int


def detect(config: "Config", run: Run) -> None:
    """Fit the detector; choose its threshold on ``val``; save what it finds, score it on ``test``."""
    choice, tiles = config.detect, tiles_of(run)
    if choice.learns:
        assert choice.fit is not None
        fit(_game(choice, tiles, run.device), choice.fit, run, "detector")
    elif isinstance(choice.net, FasterRCNN) and choice.net.weights is None:
        raise RequestError("detect.fit: expected weights where nothing is learned, found none; set detect.net.weights")
    net = detector_of(config, run)
    seen = {name: judged(net, tiles, tiles.split(name), choice.reach_px, run.device) for name in SPLITS}
    val, test = seen["val"], seen["test"]
    threshold, _ = best_threshold(val.found.scores, val.near >= 0, val.there)
    for name, one in seen.items():
        _save(run, name, one)
    run.describe({"threshold": threshold})
    curve = froc(test.found.scores, test.near >= 0, test.there, test.tiles)
    run.save("froc", curve, ("threshold", "false_alarms_recall"))
    whole = examine(Frozen(net.backbone), tiles, "test", run) if isinstance(net, Whole) else []
    run.record([*whole, *_figures(tiles, test, threshold)])


def detector_of(config: "Config", run: Run) -> Detector:
    """Return the detector that ``detect`` trained, still."""
    net = fresh_detector(config.detect, tiles_of(run))
    if config.detect.learns:
        recall(learning(net), run, "detector")
    return net.to(run.device).eval().requires_grad_(False)


def fresh_detector(choice: Detecting, tiles: Tiles, more: int = 0) -> Detector:
    """Return the detector before it learns; ``more`` is added to its seed.

    Raises
    ------
    RequestError
        If it is a classifier and no class of ``tiles`` is asked about, or the other way round.
    """
    seed, figure = (choice.fit.seed if choice.fit else 0) + more, tiles.figure
    if isinstance(choice.net, FasterRCNN):
        if figure is not None:
            raise RequestError("tiles.figure: expected none for a detector, found one; set detect.net.kind: classifier")
        return choice.net.build(2, seed)
    if figure is None:
        raise RequestError("tiles.figure: expected the class that a classifier is asked about, found none; name one")
    return choice.net.build(tiles.shape, tiles.classes, figure, seed)


def learning(net: Detector) -> dict[str, nn.Module]:
    """Return what of a net learns, by name."""
    return {"classifier": net.backbone} if isinstance(net, Whole) else {"detector": net}


def _game(choice: Detecting, tiles: Tiles, device: str) -> Game:
    nets = learning(fresh_detector(choice, tiles))
    if "classifier" in nets:
        return Game(Classify(), nets, labelled(tiles), judge(tiles))
    return Game(choice.objective, nets, _draws(tiles), _judge(tiles, choice, device))


def found_of(run: Run, split: str, threshold: float = 0.0) -> Found:
    """Return what the detector found in a split, with at least this score."""
    found = Found(*(run.load(f"found/{split}/{name}") for name in ("tile", "corners", "scores", "boxes")))
    return found.where(found.scores >= threshold)


def _save(run: Run, split: str, one: Judged) -> None:
    found, start = one.found, f"found/{split}"
    run.save(f"{start}/tile", found.tile, ("detection",))
    run.save(f"{start}/corners", found.corners, ("detection", "side"))
    run.save(f"{start}/scores", found.scores, ("detection",))
    run.save(f"{start}/boxes", found.boxes, ("detection", "side"))
    run.save(f"{start}/near", one.near, ("detection",))


def _draws(tiles: Tiles) -> Draw:
    """Return draws of training tiles, half of which hold a box at least, with their figures."""
    train = tiles.split("train")
    boxes = tiles.boxes.where(tiles.boxes.label == FIGURE)
    with_any = np.intersect1d(train, tiles.boxes.image)
    per_tile = {number: boxes.of(number).corners for number in train.tolist()}
    most = max((len(one) for one in per_tile.values()), default=0)

    def draw(seed: int, step: int, size: int) -> Batch:
        rng = chance(seed, "step", step, "tiles")
        some = with_any if len(with_any) else train
        numbers = np.where(rng.random(size) < _PERIOD_SHARE, rng.choice(some, size), rng.choice(train, size))
        corners = np.zeros((size, most, 4), np.float32)
        for row, number in enumerate(numbers.tolist()):
            corners[row, : len(per_tile[number])] = per_tile[number]
        tensors = {
            "x": torch.from_numpy(tiles.signed(numbers)),
            "corners": torch.from_numpy(corners),
            "count": torch.tensor([len(per_tile[number]) for number in numbers.tolist()]),
        }
        return Batch(step, tuple(tiles.ids[number] for number in numbers), seed, tensors)

    return draw


def _judge(tiles: Tiles, choice: Detecting, device: str) -> Judge:
    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        net = nets["detector"]
        assert isinstance(net, Detector)
        one = judged(net, tiles, tiles.split("val"), choice.reach_px, device)
        threshold, f1 = best_threshold(one.found.scores, one.near >= 0, one.there)
        ap = average_precision(one.found.scores, one.overlapping, one.there)
        return {"f1": f1, "AP50": ap, "threshold": threshold}

    return figures


def judged(net: Detector, tiles: Tiles, numbers: Int[np.ndarray, " N"], reach_px: float, device: str) -> Judged:
    """Return what ``net`` finds in these tiles, against the figures there, slide by slide: every place counts once.

    Of what two tiles find within ``reach_px``, about the border between what they answer for, the surer one stays.
    """
    found = _found_in(net, tiles, numbers, reach_px, device)
    places, boxes = tiles.places, tiles.boxes
    rows = np.flatnonzero(np.isin(boxes.image, numbers) & (boxes.label == FIGURE))
    rows = rows[[bool(tiles.answers(int(boxes.image[row]), boxes.corners[row : row + 1])[0]) for row in rows]]
    kept: list[np.ndarray] = []
    near: list[np.ndarray] = []
    overlapping: list[np.ndarray] = []
    for slide in np.unique(places[numbers, 0]):
        mine = np.flatnonzero(places[found.tile, 0] == slide)
        seen = _on_slide(tiles, found.tile[mine], found.corners[mine])
        single = distinct(seen, found.scores[mine], found.tile[mine], reach_px)
        mine, seen = mine[single], seen[single]
        truth = rows[places[boxes.image[rows], 0] == slide]
        there = _on_slide(tiles, boxes.image[truth], boxes.corners[truth])
        match = matched(nearness(seen, there), found.scores[mine], -reach_px)
        kept.append(mine)
        near.append(np.where(match >= 0, truth[match] if len(truth) else -1, -1))
        overlapping.append(matched(iou(seen, there), found.scores[mine], SAME) >= 0)
    return Judged(
        found.where(np.concatenate(kept)), np.concatenate(near), np.concatenate(overlapping), len(rows), len(numbers)
    )


def _on_slide(
    tiles: Tiles, tile: Int[np.ndarray, " N"], corners: Float32[np.ndarray, "N 4"]
) -> Float32[np.ndarray, "N 4"]:
    """Return boxes of tiles in pixels of their slide."""
    return np.asarray(corners + np.tile(tiles.places[tile][:, [2, 1]], 2).astype(np.float32))


def _found_in(net: Detector, tiles: Tiles, numbers: Int[np.ndarray, " N"], reach_px: float, device: str) -> Found:
    """Return what is found in these tiles, in or near the part that each answers for."""
    parts: list[Found] = []
    with progress("look", len(numbers)) as advance:
        for start in range(0, len(numbers), _BATCH):
            batch = numbers[start : start + _BATCH]
            x = torch.from_numpy(tiles.signed(batch)).to(device)
            for number, one in zip(batch.tolist(), net.detect(x), strict=True):
                corners, scores, boxes = (value.cpu().numpy() for value in (one.corners, one.scores, one.boxes))
                whole = Found(np.full(len(scores), number), corners, scores, boxes)
                parts.append(whole.where(tiles.answers(number, corners, reach_px / 2)))
            advance(len(batch), "")
    names = ("tile", "corners", "scores", "boxes")
    return Found(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))


def _figures(tiles: Tiles, one: Judged, threshold: float) -> list[Figure]:
    """Return how good the detector is on the tiles for testing, at the threshold that was chosen on others."""
    words, whole = words_of(tiles), tiles.figure is not None
    loud = one.found.scores >= threshold
    counts = counted(one.near[loud], one.there)
    area = "area under precision over recall"
    note = f"{'' if whole else 'centre distance; '}threshold {threshold:.3f} chosen on val"
    low, high = wilson(counts.recall, one.there) if one.there else (None, None)
    ap = average_precision(one.found.scores, one.overlapping, one.there)
    fooled, alike = _fooled(tiles, one, loud)
    figures = [
        Figure("F1", counts.f1, one.tiles, note=note),
        Figure("precision", counts.precision, one.tiles, note=note),
        Figure("recall", counts.recall, one.tiles, low, high, f"of {one.there} {words.figures}"),
        Figure("average precision" if whole else "AP50", ap, one.tiles, note=f"{area}{'' if whole else ' at IoU 0.5'}"),
    ]
    if alike:
        name = f"{words.look_alikes} taken for {words.figures}"
        figures.append(Figure(name, fooled / alike, one.tiles, note=f"of {alike}"))
    return figures


def _fooled(tiles: Tiles, one: Judged, loud: Bool[np.ndarray, " N"]) -> tuple[int, int]:
    """Return how many look-alikes something invented lies on, and how many there are."""
    wrong = one.found.where(loud & (one.near < 0))
    fooled = alike = 0
    for number in np.unique(tiles.split("test")).tolist():
        others = tiles.boxes.of(number, LOOK_ALIKE).corners
        mine = wrong.where(wrong.tile == number)
        fooled += int((matched(nearness(mine.corners, others), mine.scores, -8.0) >= 0).sum())
        alike += int(tiles.answers(number, others).sum())
    return fooled, alike
