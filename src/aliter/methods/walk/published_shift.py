"""The searches for the end of a latent shift as they were published, for comparison with published figures."""

from itertools import chain, repeat
from math import floor
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from aliter.core.spec import Spec
from aliter.core.walk import Walk
from aliter.methods.walk.latent_shift import Draw, Score, Shifted, Stop


class PublishedShift(Spec):
    """Shift down by ever longer steps until the answer rises or has fallen far, or shift or image go too far.

    The first candidate at which one of these holds is the end, so that it may lie beyond. It goes down only.
    ``LatentShift`` seeks a stated answer, in either direction, and keeps its bounds.

    References
    ----------
    Cohen et al. 2021, Gifsplanation via latent shift, arXiv:2102.09475: the search of its later code.
    """

    kind: Literal["published_shift"] = "published_shift"
    step: PositiveFloat = 10.0
    """Shift from one candidate to the next; a tenth of the shift so far, rounded up, is added."""
    fall: PositiveFloat = 0.8
    """Fall of the answer at which it ends."""
    least: float = 0.05
    """Answer below which it ends."""
    largest: PositiveFloat = 3000.0
    largest_change: PositiveFloat = 0.05
    """Sum of absolute changes of the image, over that of the image, beyond which it ends."""
    frames: Annotated[int, Field(ge=2)] = 10

    def __call__(self, draw: Draw, score: Score, k: int = 1) -> Shifted:
        """Return the walk of ``draw`` from shift 0 down, by answer ``k`` of ``score``: frames even, both ends there."""
        origin = draw(0.0)
        start = before = float(score(origin)[k])
        shift = 0.0
        stop = self._stop(shift, (start, before, start), 0.0)
        while stop is None:
            shift = shift - self.step + floor(shift / 10)
            image = draw(shift)
            answer = float(score(image)[k])
            change = float(np.abs(image - origin).sum() / np.abs(origin).sum())
            stop, before = self._stop(shift, (start, before, answer), change), answer
        return shifted(draw, score, np.linspace(0.0, shift, self.frames), stop)

    def _stop(self, shift: float, answers: tuple[float, float, float], change: float) -> Stop | None:
        """Return why the search ends at a candidate; ``answers`` are those at 0, at the one before, and there."""
        start, before, answer = answers
        if answer > before:
            return "rise"
        if answer < self.least or answer < start - self.fall:
            return "target"
        if shift <= -self.largest:
            return "largest shift"
        return "largest change" if change > self.largest_change else None


class FirstShift(Spec):
    """Shift down by ten short steps, then by long ones, until the answer rises or has fallen enough.

    Published frames leave out the image itself; here the walk starts with it, and they follow, nearest first.

    References
    ----------
    Cohen et al. 2021, Gifsplanation via latent shift, arXiv:2102.09475: the search of its first code.
    """

    kind: Literal["first_shift"] = "first_shift"
    short: PositiveFloat = 1.0
    long: PositiveFloat = 10.0
    fall: PositiveFloat = 0.15
    """Fall of the answer at which it ends."""
    largest: PositiveFloat = 1000.0

    def __call__(self, draw: Draw, score: Score, k: int = 1) -> Shifted:
        """Return the walk of ``draw`` from shift 0 down, by answer ``k`` of ``score``: ten frames after the first."""
        start = before = float(score(draw(0.0))[k])
        shift, steps = 0.0, chain(repeat(self.short, 10), repeat(self.long))
        stop: Stop | None = None
        while stop is None:
            shift -= next(steps)
            answer = float(score(draw(shift))[k])
            stop, before = self._stop(shift, (start, before, answer)), answer
        return shifted(draw, score, np.linspace(0.0, shift, 11), stop)

    def _stop(self, shift: float, answers: tuple[float, float, float]) -> Stop | None:
        start, before, answer = answers
        if answer > before:
            return "rise"
        if answer < start - self.fall:
            return "target"
        return "largest shift" if shift <= -self.largest else None


def shifted(draw: Draw, score: Score, settings: np.ndarray, stop: Stop) -> Shifted:
    """Return the walk through these shifts, the first of them 0."""
    images = np.stack([draw(float(one)) for one in settings])
    scores = np.stack([score(one) for one in images])
    return Shifted(Walk(settings, np.abs(settings), scores, images[0], images), stop)
