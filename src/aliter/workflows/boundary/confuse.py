"""Step 2: teach the generator to draw what a classifier cannot decide, and keep every epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt
from torch import nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.methods.objective.ambiguous import Ambiguous
from aliter.ops.ambiguity import confusion_distance
from aliter.train.fit import Game, Judge, fit
from aliter.train.plan import Fit
from aliter.workflows.boundary.classify import Classifying, between_of, in_band, members_of
from aliter.workflows.boundary.measure import Realism, realism_of
from aliter.workflows.boundary.pair import drawn, latents, pair_of, probability
from aliter.workflows.boundary.pretrain import (
    epoch_figures,
    epochs_of,
    gan_of,
    keep_epoch,
    real_and_latent,
    recall_epoch,
)

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

Weight = NonNegativeFloat | Literal["mgda", "mgda_norm"]
MEASURED = ("distance", "confusion", "in_band")
"""What is known of every epoch, in order."""


class Guard(Spec):
    """What a classifier must be before it is put under stress: one that is unsure of everything has no boundary."""

    accuracy: NonNegativeFloat = 0.95
    """Least share of test images that it gets right."""
    confusion: NonNegativeFloat = 0.40
    """Least mean confusion distance on real images held out."""


class Confusing(Spec):
    """Which classifiers are confused, from which epochs of step 1, with which weights: all combinations.

    Every attempt begins with fresh optimisers; an epoch is ``judge_every`` steps.
    """

    classifiers: tuple[str, ...] = ()
    """Names such as ``cnn-0``, or ``cnn-all`` for those of all seeds at once; none: each net, with the first seed."""
    starts: tuple[NonNegativeInt | Literal["last"], ...] = ("last",)
    """Epochs of step 1 to begin at; 0 is untrained."""
    weights: tuple[Weight, ...] = (25.0,)
    """Of the confusion; 0 is the control."""
    objective: Ambiguous = Ambiguous()
    """The game; its weight is set by ``weights``."""
    guard: Guard = Guard()
    fit: Fit = Fit(steps=288, size=64, rate=2e-4, betas=(0.5, 0.999), judge_every=12, save_every=96)


@dataclass(frozen=True)
class Attempt:
    """One training of step 2."""

    classifier: str
    start: int
    """Epoch of step 1 that it begins at."""
    weight: Weight

    @property
    def name(self) -> str:
        """Its name in figures, metrics and arrays."""
        weight = self.weight if isinstance(self.weight, str) else f"{self.weight:g}"
        return f"{self.classifier}-from{self.start}-{weight}"


def confuse(config: "Config", run: Run) -> None:
    """Fit every attempt; record where it began and where it ended."""
    _guarded(config, run)
    choice, images, realism = config.confuse, pair_of(config, run), realism_of(config, run)
    figures: list[Figure] = []
    for attempt in attempts_of(config):
        nets = gan_of(config, images)
        recall_epoch(nets, run, "pretrain", attempt.start)
        between = between_of(config, run, attempt.classifier)
        judge = _judge(config, run, attempt, between, realism)
        objective = choice.objective.model_copy(update={"weight": attempt.weight})
        draw = real_and_latent(images, config.pretrain.net.latent)
        begin = _measured(config, run, nets["generator"].to(run.device).eval(), between, realism)
        fit(Game(objective, {**nets, "classifier": between}, draw, judge), choice.fit, run, attempt.name)
        rows = [begin, *epoch_figures(run, attempt.name, choice.fit)]
        table = np.array([[row[key] for key in MEASURED] for row in rows])
        run.save(f"epochs/{attempt.name}", table, ("epoch", "figure"))
        figures += _figures(attempt, table, config.measure.count)
    run.record(figures)


def attempts_of(config: "Config") -> list[Attempt]:
    """Return all attempts, in order."""
    choice, last = config.confuse, epochs_of(config.pretrain.fit)
    names = confused_by(config.classify, choice)
    starts = [last if start == "last" else int(start) for start in choice.starts]
    return [Attempt(*one) for one in product(names, starts, choice.weights)]


def confused_by(classify: Classifying, choice: Confusing) -> tuple[str, ...]:
    """Return the names of the classifiers that are put under stress."""
    return choice.classifiers or tuple(f"{net}-{classify.seeds[0]}" for net in classify.nets)


def _guarded(config: "Config", run: Run) -> None:
    """Refuse to confuse a classifier that is wrong or unsure by itself."""
    guard = config.confuse.guard
    found = run.figures_by_name("classify")
    asked = (members_of(config.classify, name) for name in confused_by(config.classify, config.confuse))
    for name in dict.fromkeys(chain.from_iterable(asked)):
        accuracy, sure = (found[one].value for one in (f"accuracy, {name}, test", f"confusion distance, {name}, real"))
        if accuracy < guard.accuracy or sure < guard.confusion:
            raise RequestError(
                f"{name}: expected an accuracy of at least {guard.accuracy:g} and a confusion distance on real images "
                f"of at least {guard.confusion:g}, found {accuracy:.3f} and {sure:.3f}: it is unsure by itself; "
                "train it longer, or lower confuse.guard"
            )


def _measured(
    config: "Config", run: Run, generator: nn.Module, between: nn.Module, realism: Realism
) -> dict[str, float]:
    z = latents(config.measure.seed, "test", range(config.measure.count), config.pretrain.net.latent)
    x = drawn(generator, z, run.device)
    p = probability(between, x, run.device)
    return {
        "distance": realism.frechet(realism.features(x)),
        "confusion": float(confusion_distance(p).mean()),
        "in_band": float(in_band(p).mean()),
    }


def _judge(config: "Config", run: Run, attempt: Attempt, between: nn.Module, realism: Realism) -> Judge:
    def judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        found = _measured(config, run, nets["generator"], between, realism)
        epoch = -(-step // config.confuse.fit.judge_every)
        keep_epoch(run, attempt.name, epoch, step, {"generator": nets["generator"]}, found)
        return found

    return judge


def _figures(attempt: Attempt, table: np.ndarray, count: int) -> list[Figure]:
    labels = ("Frechet distance", "confusion distance", "share in band")
    notes = [f"at first {first:.4g}" for first in table[0]]
    return [
        Figure(f"{label}, {attempt.name}", float(value), count, note=note)
        for label, value, note in zip(labels, table[-1], notes, strict=True)
    ]
