"""Learn to tell objects from background, from a few clicks, in several ways; predict fields not clicked in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float32
from pydantic import PositiveInt, model_validator

from aliter.core.spec import Spec
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.clicks import AXES
from aliter.data.fields import Fields
from aliter.data.run import Run
from aliter.methods.segment.forest import Answer, Forest
from aliter.workflows.embeddings.fitted import fit_affinities, fit_head, fit_net, recalled_head, recalled_net
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.learners import (
    LEARNERS,
    AffinityLearner,
    ForestLearner,
    HeadLearner,
    Learner,
    NetLearner,
    told_everything,
)
from aliter.workflows.embeddings.points import clicks_of
from aliter.workflows.embeddings.rows import Describe, remembered, rows_of

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

Predict = Callable[[int], Float32[np.ndarray, "..."]]
"""Gives the probability of an object at each voxel of a field (*space), or affinities (n, *space)."""


class Segmenting(Spec):
    """Who learns, and from how many clicks."""

    learners: tuple[Learner, ...] = LEARNERS
    clicks: tuple[PositiveInt, ...] = (8, 16, 32, 64, 128)

    @model_validator(mode="after")
    def _distinct(self) -> "Segmenting":
        names = [one.name for one in self.learners]
        if len(set(names)) < len(names):
            raise ValueError(f"expected each learner once, found {', '.join(names)}; use one run per setting")
        return self


@dataclass(frozen=True)
class Case:
    """One learner, told so many of one set of clicks."""

    learner: Learner
    clicks: int
    """0 where it is told everything."""
    repeat: int

    @property
    def name(self) -> str:
        """Where its results are."""
        return f"{self.learner.name}/{self.clicks}/{self.repeat}"

    @property
    def predicted(self) -> str:
        """The array of what it says: affinities, or the probability of an object."""
        return f"{'affinities' if isinstance(self.learner, AffinityLearner) else 'foreground'}/{self.name}"

    @property
    def stem(self) -> str:
        """What its checkpoints are called."""
        return self.name.replace("/", "-").replace(", ", "-").replace(" ", "-")


def cases_of(choice: Segmenting, repeats: int) -> list[Case]:
    """Return all that is learned: for each learner each number of clicks and each set."""
    found = []
    for learner in choice.learners:
        told = (0,) if told_everything(learner) else choice.clicks
        sets = 1 if told == (0,) else repeats
        found += [Case(learner, count, repeat) for count in told for repeat in range(sets)]
    return found


def evaluated(fields: Fields) -> np.ndarray:
    """Return the numbers of the fields that are predicted: those to validate, then those to test."""
    return np.concatenate([fields.split("val"), fields.split("test")])


def segment(config: "Config", run: Run) -> None:
    """Fit every learner on every number of clicks, then write what each says of the fields not learned from."""
    fields, choice = fields_of(run), config.segment
    cases = cases_of(choice, config.points.repeats)
    for case in cases:
        start = time.process_time()
        _learn(case, config, run, fields)
        run.time({"name": case.name, "seconds": time.process_time() - start})
    numbers = evaluated(fields)
    run.save("segmented/field", numbers, ("index",))
    fill(_begin, config, run, [_task(case, fields, len(numbers)) for case in cases])


def _task(case: Case, fields: Fields, count: int) -> Task[Case]:
    space = AXES[-len(fields.shape) :]
    towards = isinstance(case.learner, AffinityLearner)
    shape = (count, len(space), *fields.shape) if towards else (count, *fields.shape)
    axes = ("index", "axis", *space) if towards else ("index", *space)
    return Task(case, {"predicted": Blank(case.predicted, shape, np.float16, axes, {"range": [0.0, 1.0]})})


def _learn(case: Case, config: "Config", run: Run, fields: Fields) -> None:
    """Fit a learner; a forest is not kept, since it grows as quickly as it could be read."""
    learner = case.learner
    if isinstance(learner, HeadLearner):
        fit_head(learner, rows_of(run, learner.features, clicks_of(run, case.repeat, case.clicks)), run, case.stem)
    elif isinstance(learner, AffinityLearner):
        fit_affinities(learner, fields, config.embed.tile_px, run, case.stem)
    elif isinstance(learner, NetLearner):
        clicks = clicks_of(run, case.repeat, case.clicks) if case.clicks else None
        fit_net(learner, config.contrast, fields, clicks, run, case.stem)
    else:
        _grown(case, run)


def _begin(config: "Config", run: Run) -> Compute[Case]:
    fields = fields_of(run)
    numbers = evaluated(fields)
    # The cases of a learner follow one another, so all but the first find what they read in memory.
    describe = remembered(run, config.embed.features, len(numbers))
    return partial(_foreground, partial(predictor, config, run, fields, describe), numbers)


def _foreground(told: Callable[[Case], Predict], numbers: np.ndarray, case: Case, rows: slice) -> dict[str, np.ndarray]:
    predict = told(case)
    return {"predicted": np.stack([predict(int(number)) for number in numbers[rows]]).astype(np.float16)}


def predictor(config: "Config", run: Run, fields: Fields, describe: Describe, case: Case) -> Predict:
    """Return what a learner says of a field."""
    learner = case.learner
    if isinstance(learner, NetLearner):
        return recalled_net(learner, config.contrast, fields, run, case.stem)
    if isinstance(learner, AffinityLearner):
        joint = recalled_head(learner, len(fields.shape), run, case.stem)
        return lambda number: joint(describe(learner.features, number)).sigmoid().numpy()
    if isinstance(learner, HeadLearner):
        head = recalled_head(learner, 2, run, case.stem)
        return lambda number: torch.softmax(head(describe(learner.features, number)), 0)[1].numpy()
    grown = _grown(case, run)

    def said(number: int) -> Float32[np.ndarray, "*space"]:
        maps = describe(learner.features, number)
        rows = np.moveaxis(maps, 0, -1).reshape(-1, len(maps))
        return grown(rows).reshape(maps.shape[1:])

    return said


def _grown(case: Case, run: Run) -> Answer:
    """Return the forest of a case."""
    learner = case.learner
    assert isinstance(learner, ForestLearner)
    known = rows_of(run, learner.features, clicks_of(run, case.repeat, case.clicks))
    return Forest(trees=learner.trees, seed=learner.seed)(known.x, known.y)
