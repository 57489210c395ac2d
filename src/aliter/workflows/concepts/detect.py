"""Train the detector; judge it on slides that it never saw, every place once."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import PositiveFloat, Tag
from torch import nn

from aliter.core.batch import Batch, Draw
from aliter.core.errors import RequestError
from aliter.core.rng import chance
from aliter.core.spec import Spec, kind_or
from aliter.data.boxes import FIGURE
from aliter.data.run import Run
from aliter.data.splits import SPLITS
from aliter.data.tiles import Tiles
from aliter.methods.objective.classify import Classify
from aliter.methods.objective.detect import Detect
from aliter.nets.detections import Detector
from aliter.nets.detector import FasterRCNN
from aliter.nets.frozen import Frozen
from aliter.nets.whole import Whole, WholeImage
from aliter.ops.detection import average_precision, best_threshold, froc
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.classifier import examine, judge, labelled
from aliter.workflows.concepts.gather import tiles_of
from aliter.workflows.concepts.judge import Found, Judged, figures_of, judged

if TYPE_CHECKING:
    from aliter.workflows.concepts import Config

_PERIOD_SHARE = 0.5
"""Of the tiles in a batch: those with a box; the rest is drawn from all."""


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
    run.record([*whole, *figures_of(tiles, test, threshold)])


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
