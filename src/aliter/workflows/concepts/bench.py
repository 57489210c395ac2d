"""How concepts are tested in one layer of one network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float32
from pydantic import Field, PositiveFloat, PositiveInt

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.run import Figure
from aliter.methods.concept.cav import Kind
from aliter.methods.concept.significance import (
    Scores,
    drawn_sets,
    held_out,
    score_table,
    significance,
    standing,
)
from aliter.workflows.concepts.answer import Answer
from aliter.workflows.concepts.discover import Named

SHUFFLED, BLANK = "shuffled members", "random weights"
"""The controls."""


class Scoring(Spec):
    """How concepts are tested."""

    numbers: ClassVar[int] = 2

    kind: Kind = "mean_difference"
    """How a direction is found; the first two are slower by far."""
    steer: Kind = "pattern"
    """How the stored directions are found, along which detections are shifted."""
    answer: Answer = "margin"
    sets: PositiveInt = 20
    """Sets of other segments that each concept is compared with."""
    nulls: PositiveInt = 2000
    """Sets that are no concept, among which a concept is ranked."""
    checks: PositiveInt = 1000
    """More of them, treated as concepts: how often each test errs."""
    alpha: PositiveFloat = 0.05
    planted: bool = True
    """Whether what was planted is tested too, where it is known."""
    controls: bool = True
    """Whether all is done again with detectors that learned nothing, and with concepts of shuffled members."""
    blanks: Annotated[int, Field(ge=2)] = 10
    """Detectors that learned nothing."""
    seed: int = 0


@dataclass(frozen=True)
class Row:
    """One concept, tested."""

    layer: str
    name: str
    size: int
    score: float
    """Mean share of the detections whose answer rises along it."""
    low: float
    """Lowest over the sets."""
    high: float
    lean: float
    """Mean cosine between the gradients of the answers and the concept."""
    rank_p: float
    effect: float
    accuracy: float = float("nan")
    accuracy_low: float = float("nan")
    accuracy_high: float = float("nan")
    t_p: float = float("nan")
    flip_p: float = float("nan")
    control: str = ""
    """Empty for a concept; else which control it is of."""
    adjusted: float = 1.0
    """``rank_p`` after Benjamini and Hochberg, over all of its kind."""
    family: float = 1.0
    """``rank_p`` after Bonferroni."""
    network: int = 0
    """Which of the detectors that learned nothing it was tested in; 0 for the one that did."""
    learned_p: float = float("nan")
    """p of ``lean`` among those in detectors that learned nothing, all others but its own; NaN where there are none."""
    learned: float = float("nan")
    """``learned_p`` after Benjamini and Hochberg, over all of its kind."""

    @property
    def key(self) -> str:
        """Layer and name: unique in a run."""
        return f"{self.layer}/{self.name}"


@dataclass(frozen=True)
class Bench:
    """All that the concepts of one layer are tested against."""

    choice: Scoring
    gradients: Float32[np.ndarray, "N D"]
    own: Float32[np.ndarray, "P D"]
    """Activations of segments around detections."""
    pool: Float32[np.ndarray, "Q D"]
    """Of those elsewhere."""
    layer: str

    def __hash__(self) -> int:
        return id(self)

    @cache  # noqa: B019
    def against(self, size: int) -> tuple[list[np.ndarray], Scores]:
        """Return the sets that concepts of a size are compared with, and the scores of sets that are none.

        The two are drawn from different halves of the segments.
        """
        rng = chance(self.choice.seed, "sets", self.layer, size)
        order = rng.permutation(len(self.pool))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        negatives = [self.pool[rows] for rows in drawn_sets(self.choice.sets, size, first, rng)]
        count = self.choice.nulls + self.choice.checks
        nulls = [self.pool[rows] for rows in drawn_sets(count, size, second, rng)]
        return negatives, score_table(self.gradients, nulls, negatives, self.choice.kind)

    def row(self, one: Named, control: str = "") -> Row:
        """Return a concept, tested in all ways."""
        scores, null = self._scores(one)
        paired = significance(scores, null)
        negatives, _ = self.against(len(one.members))
        held = held_out(self.own[one.members], negatives, self.choice.kind, chance(self.choice.seed, "held", one.key))
        return replace(
            _row(one, scores, null),
            control=control,
            accuracy=held.share,
            accuracy_low=held.low,
            accuracy_high=held.high,
            t_p=paired.t_p,
            flip_p=paired.flip_p,
        )

    def brief(self, one: Named, network: int) -> Row:
        """Return a concept, tested by rank alone, in a network that learned nothing."""
        return replace(_row(one, *self._scores(one)), control=BLANK, network=network)

    def _scores(self, one: Named) -> tuple[Scores, Scores]:
        """Return what a concept comes to, and what sets that are none come to."""
        members = self.own[one.members]
        negatives, null = self.against(len(members))
        return score_table(self.gradients, [members], negatives, self.choice.kind), null[: self.choice.nulls]

    def shuffled(self, concepts: Sequence[Named]) -> list[Named]:
        """Return sets of the same sizes, drawn from the members of all concepts together."""
        rng = chance(self.choice.seed, "shuffled", self.layer)
        whole = np.unique(np.concatenate([one.members for one in concepts])) if concepts else np.zeros(0, int)
        return [Named(self.layer, one.name, rng.choice(whole, len(one.members), replace=False)) for one in concepts]

    def errors(self) -> list[Figure]:
        """Return how often each test takes a set that is no concept for one."""
        size = min(40, len(self.own), len(self.pool) // 2)
        _, null = self.against(size)
        known = null[: self.choice.nulls]
        places = range(self.choice.nulls, self.choice.nulls + self.choice.checks)
        results = [significance(null[place : place + 1], known) for place in places]
        short = self.layer.rpartition(".")[2]
        note = f"share of {len(results)} sets that are no concept with p < {self.choice.alpha:g}"
        return [
            Figure(
                f"false positives, {name}, {short}",
                float(np.mean([getattr(one, field) < self.choice.alpha for one in results])),
                len(results),
                note=note,
            )
            for name, field in (("rank", "rank_p"), ("paired t", "t_p"), ("sign flips", "flip_p"))
        ]


def _row(one: Named, scores: Scores, null: Scores) -> Row:
    """Return a concept, tested by rank."""
    found = standing(scores, null)
    return Row(
        layer=one.layer,
        name=one.name,
        size=len(one.members),
        score=found.share,
        low=float(scores.share.min()),
        high=float(scores.share.max()),
        lean=found.lean,
        rank_p=found.rank_p,
        effect=found.effect,
    )
