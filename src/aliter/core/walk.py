"""Every explanation is a walk: one knob turns; the image and the answer change."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Walk:
    """How a model's answer changes as one knob turns.

    A walk starts at its ``origin``: ``score[0]`` are the scores of ``origin`` and
    ``image[0]``, if there are frames, equals it.
    """

    setting: Float[np.ndarray, " T"]
    """What was turned."""
    t: Float[np.ndarray, " T"]
    """How far that is, ascending from 0."""
    score: Float[np.ndarray, "T K"]
    """The model's answer at each position."""
    origin: Float[np.ndarray, "C *space"]
    """Where the walk starts: the query or its reconstruction."""
    image: Float[np.ndarray, "T C *space"] | None = None
    """The frames; made only for what is shown."""

    def change(self, k: int) -> Float[np.ndarray, " T"]:
        """Return how far the score of ``k`` has moved since the start."""
        change: np.ndarray = self.score[:, k] - self.score[0, k]
        return change

    def area(self, k: int) -> float:
        """Return the exact area under ``change(k)`` over ``t``, by trapezoids."""
        return float(np.trapezoid(self.change(k), self.t))

    def crossing(self, k: int, level: float = 0.5) -> float:
        """Return the first ``t`` at which the score of ``k`` reaches ``level``, linearly interpolated.

        NaN if it never does.
        """
        score = self.score[:, k]
        reached = np.flatnonzero(score >= level)
        if not reached.size:
            return float("nan")
        last = int(reached[0])
        if last == 0:
            return float(self.t[0])
        part = (level - score[last - 1]) / (score[last] - score[last - 1])
        return float(self.t[last - 1] + part * (self.t[last] - self.t[last - 1]))
