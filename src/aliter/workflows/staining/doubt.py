"""Ask how sure the networks are, whether that is right, and where they invent."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int32
from pydantic import Field, NonNegativeInt, PositiveInt

from aliter.core.spec import Spec
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.layout import IMAGE
from aliter.data.run import Figure, Run
from aliter.methods.segment.otsu import Otsu
from aliter.ops.calibration import moments
from aliter.ops.instances import matched
from aliter.workflows.staining.calibrate import ENSEMBLE, calibrated, point_of
from aliter.workflows.staining.degrade import Degrading, walks
from aliter.workflows.staining.evaluate import judged, predicted
from aliter.workflows.staining.pairs import Pairs, pairs_of
from aliter.workflows.staining.predict import METHODS, stainer

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

_Stains = Float32[np.ndarray, "S H W"]
_FLOOR = 1e-3
"""Of a deviation, as a share of what the stain spans: no network is surer."""


class Doubting(Spec):
    """How often networks are asked again, each time dropping other values."""

    draws: PositiveInt = Field(default=20, ge=2)
    """Draws of each field; the deviation that they show is known to 1 / sqrt(2 (draws - 1)) of itself."""
    shown: NonNegativeInt = 6
    """Draws that are kept of the first fields to test, to be seen."""
    error: float = Field(default=0.05, gt=0, lt=1)
    """Share of pixels that calibrated intervals may miss."""
    degrade: Degrading = Degrading()


def doubt(config: "Config", run: Run) -> None:
    """Write mean and deviation of draws, how present each object is in them, what calibration says, where it ends."""
    pairs = judged(config.evaluate, run)
    tasks = []
    for name in _sampled(config):
        stains, plane = (len(pairs.held), len(pairs.target), *pairs.shape), (len(pairs.held), *pairs.shape)
        blanks = {what: Blank(f"doubt/{name}/{what}", stains, np.float32, IMAGE) for what in ("mean", "sd")}
        for what in ("presence", "cv"):
            blanks[what] = Blank(f"doubt/{name}/{what}", plane, np.float32, ("index", "y", "x"))
        tasks.append(Task(name, blanks))
    fill(_begin, config, run, tasks)
    figures: list[Figure] = []
    for name in _sampled(config):
        if name != ENSEMBLE:
            _keep_draws(config, run, pairs, name)
        figures += calibrated(config.doubt.error, run, pairs, name)
    run.record([*figures, *walks(config, run, pairs)])


def _sampled(config: "Config") -> tuple[str, ...]:
    """Return the methods whose networks drop values, and the ensemble if there is one."""
    strengths = {"regression": config.regress.net.dropout, "gan": config.translate.net.dropout}
    several = (ENSEMBLE,) if config.regress.members > 1 else ()
    return (*(name for name in METHODS if strengths[name]), *several)


def _begin(config: "Config", run: Run) -> Compute[str]:
    return partial(_doubted, config, run, pairs_of(run), float(run.load("level")[0]))


def _doubted(config: "Config", run: Run, pairs: Pairs, level: float, name: str, rows: slice) -> dict[str, np.ndarray]:
    draw = _drawer(config, run, pairs, name)
    found: dict[str, list[np.ndarray]] = {"mean": [], "sd": [], "presence": [], "cv": []}
    for row in range(rows.start, rows.stop):
        number = int(pairs.held[row])
        objects = config.evaluate.segmenter(predicted(run, pairs, point_of(name), row)[0], level)
        census = Census(config.evaluate.segmenter, level, objects, float(pairs.darkest[0]))
        told = moments(census.counted(one) for one in draw(number))
        floor = _FLOOR * pairs.data_range[:, None, None]
        found["mean"].append(told.mean.astype(np.float32))
        found["sd"].append(np.maximum(np.sqrt(told.variance), floor).astype(np.float32))
        found["presence"].append(census.presence())
        found["cv"].append(census.variation())
    return {name: np.stack(values) for name, values in found.items()}


def _drawer(config: "Config", run: Run, pairs: Pairs, name: str) -> Callable[[int], Iterator[_Stains]]:
    """Return what draws a field again and again: with values dropped, or once by each member of the ensemble."""
    if name == ENSEMBLE:
        members = [stainer(config, run, pairs, point_of(name), member) for member in range(config.regress.members)]
        return lambda number: (stain(pairs.x(number), None) for stain in members)
    stain = stainer(config, run, pairs, name)
    return lambda number: (stain(pairs.x(number), (name, number, draw)) for draw in range(config.doubt.draws))


class Census:
    """Counts, draw by draw, which of some objects are there, and how much light they give."""

    def __init__(self, segmenter: Otsu, level: float, objects: Int32[np.ndarray, "H W"], dark: float):
        self.segmenter, self.level, self.objects, self.dark = segmenter, level, objects, dark
        count = int(objects.max()) + 1
        self.draws, self.seen = 0, np.zeros(count)
        self.light, self.squares = np.zeros((2, count))

    def counted(self, stain: Float32[np.ndarray, "S H W"]) -> Float32[np.ndarray, "S H W"]:
        """Take one draw into account, and return it."""
        _, found = matched(self.segmenter(stain[0], self.level), self.objects, 0.5)
        light = np.bincount(self.objects.ravel(), (stain[0] - self.dark).ravel(), len(self.seen))
        self.draws += 1
        self.seen[found] += 1
        self.light += light
        self.squares += light**2
        return stain

    def presence(self) -> Float32[np.ndarray, "H W"]:
        """Return, where an object is, the share of draws that have it, and 0 elsewhere."""
        share = self.seen / self.draws
        share[0] = 0
        return np.asarray(share[self.objects], np.float32)

    def variation(self) -> Float32[np.ndarray, "H W"]:
        """Return, where an object is, the deviation of its light over its mean, and 0 elsewhere."""
        mean = self.light / self.draws
        variance = np.maximum(self.squares / self.draws - mean**2, 0) * self.draws / (self.draws - 1)
        share = np.sqrt(variance) / np.maximum(np.abs(mean), 1e-6)
        share[0] = 0
        return np.asarray(share[self.objects], np.float32)


def _keep_draws(config: "Config", run: Run, pairs: Pairs, name: str) -> None:
    """Keep a few draws of the first fields to test."""
    count, fields = min(config.doubt.shown, config.doubt.draws), np.flatnonzero(pairs.tested)[:4]
    if not count:
        return
    stain = stainer(config, run, pairs, name)
    numbers = pairs.held[fields].tolist()
    drawn = [[stain(pairs.x(number), (name, number, draw))[0] for draw in range(count)] for number in numbers]
    run.save(f"doubt/{name}/draws", np.array(drawn), ("index", "batch", "y", "x"))
