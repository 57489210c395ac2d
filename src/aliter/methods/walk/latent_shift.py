"""Walk along one direction in a latent space until the answer is what was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field, PositiveFloat, PositiveInt

from aliter.core.errors import DataError
from aliter.core.spec import Spec
from aliter.core.walk import Walk

Draw = Callable[[float], Float[np.ndarray, "C *space"]]
"""The image at a shift."""
Score = Callable[[Float[np.ndarray, "C *space"]], Float[np.ndarray, " K"]]
"""The model's answer to an image."""
Stop = Literal["target", "jump", "rise", "largest change", "largest shift"]
"""``jump``: the answer passes the target without ever being near it; ``rise``: it turns back, where a published search
gives up."""


@dataclass(frozen=True)
class Shifted:
    """A walk, and why it ended where it did."""

    walk: Walk
    stop: Stop


def shifted(
    draw: Draw, score: Score, origin: Float[np.ndarray, "C *space"], settings: Float[np.ndarray, " T"], stop: Stop
) -> Shifted:
    """Return the walk of ``draw`` through these shifts, the first of them 0, at which ``origin`` was drawn."""
    images = np.stack([origin, *(draw(float(one)) for one in settings[1:])])
    scores = np.stack([score(one) for one in images])
    return Shifted(Walk(settings, np.abs(settings), scores, images[0], images), stop)


class LatentShift(Spec):
    """Shift a latent by ever more, twice as much each time, then close in on where the answer is ``target``.

    ``setting`` is the signed shift, in units of the direction; ``t`` its size. The image may not change by more than
    ``largest_change``; the shift may not exceed ``largest``. Where the answer jumps across the target, the walk ends
    behind it. Frames are evenly spaced, both ends among them.

    References
    ----------
    Cohen et al. 2021, Gifsplanation via latent shift: a simple autoencoder approach to counterfactual generation for
    chest X-rays, arXiv:2102.09475, section 2: the shift. The search is ours.
    """

    kind: Literal["latent_shift"] = "latent_shift"
    target: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Answer at which it ends."""
    tolerance: PositiveFloat = 1e-3
    """How near the answer must come to it."""
    first: PositiveFloat = 0.05
    """Shift that is tried first."""
    largest: PositiveFloat = 16.0
    """Shift beyond which it gives up."""
    largest_change: PositiveFloat = 0.5
    """Mean absolute change of the image, over that of the image about its mean, beyond which it gives up."""
    frames: Annotated[int, Field(ge=2)] = 12
    bisections: PositiveInt = 40
    """Times at most that a shift is halved in."""

    def leads(self, start: float, sign: Literal[-1, 1]) -> bool:
        """Return whether there is a way to go: whether an answer lies on the far side of the target."""
        return start < self.target if sign > 0 else start > self.target

    def __call__(self, draw: Draw, score: Score, k: int = 1, sign: Literal[-1, 0, 1] = 0) -> Shifted:
        """Return the walk of ``draw`` from shift 0 until answer ``k`` of ``score`` is the target.

        With ``sign`` 0 it goes where the first step brings the answer nearer, and if that leads nowhere, the other way.
        """
        search = _Search(self, draw, score, k)
        end, stop = search.end(sign) if sign else search.either()
        return shifted(draw, score, search.origin, np.linspace(0.0, end, self.frames), stop)


@dataclass(frozen=True)
class _Search:
    choice: LatentShift
    draw: Draw
    score: Score
    k: int

    @cached_property
    def origin(self) -> Float[np.ndarray, "C *space"]:
        return self.draw(0.0)

    def at(self, shift: float) -> tuple[float, float]:
        """Return answer and change of the image at a shift."""
        image, origin = self.draw(shift), self.origin
        spread = float(np.abs(origin - origin.mean()).mean()) or 1.0
        answer = float(self.score(image)[self.k])
        if not np.isfinite(answer):
            raise DataError(f"shift {shift:g}: expected a finite answer, found {answer}; choose a shorter shift")
        return answer, float(np.abs(image - origin).mean()) / spread

    def either(self) -> tuple[float, Stop]:
        """Return the end of the walk that reaches the target, or comes nearer to it, and why it ends there."""
        sign = self.nearer()
        first = self.end(sign)
        if first[1] in ("target", "jump"):
            return first
        return min(first, self.end(-sign), key=lambda end: (end[1] not in ("target", "jump"), self.gap(end[0])))

    def gap(self, shift: float) -> float:
        """Return how far from the target the answer is."""
        return abs(self.at(shift)[0] - self.choice.target)

    def nearer(self) -> Literal[-1, 1]:
        """Return the sign of the first step that brings the answer nearer to the target."""
        return 1 if self.gap(self.choice.first) <= self.gap(-self.choice.first) else -1

    def end(self, sign: Literal[-1, 1]) -> tuple[float, Stop]:
        """Return the shift at which a walk of this sign ends, and why."""
        choice = self.choice
        start, _ = self.at(0.0)
        if abs(start - choice.target) <= choice.tolerance:
            return 0.0, "target"
        low, size = 0.0, choice.first
        while True:
            answer, change = self.at(sign * size)
            if change > choice.largest_change:
                return self.within(sign, low, size, start)
            if (answer - choice.target) * (start - choice.target) <= 0:
                return self.crossing(sign, low, size, start)
            if size >= choice.largest:
                return sign * size, "largest shift"
            low, size = size, min(2 * size, choice.largest)

    def within(self, sign: int, low: float, high: float, start: float) -> tuple[float, Stop]:
        """Return the largest shift whose change is allowed, or where the target is reached before it."""
        choice, most = self.choice, low
        for _ in range(choice.bisections // 2):
            middle = (most + high) / 2
            answer, change = self.at(sign * middle)
            if change > choice.largest_change:
                high = middle
            elif (answer - choice.target) * (start - choice.target) <= 0:
                return self.crossing(sign, most, middle, start)
            else:
                most = middle
        return sign * most, "largest change"

    def crossing(self, sign: int, low: float, high: float, start: float) -> tuple[float, Stop]:
        """Return a shift between two, where the answer is the target, as near as is asked for; else one behind it."""
        for _ in range(self.choice.bisections):
            middle = (low + high) / 2
            answer, _ = self.at(sign * middle)
            if abs(answer - self.choice.target) <= self.choice.tolerance:
                return sign * middle, "target"
            if (answer - self.choice.target) * (start - self.choice.target) > 0:
                low = middle
            else:
                high = middle
        return sign * high, "jump"
