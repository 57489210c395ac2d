"""The searches for the end of a latent shift as they were published, for comparison with published figures.

They go down only, and have no target: they end where the answer has fallen by so much.
"""

from itertools import chain, repeat
from math import floor
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from aliter.core.errors import RequestError
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
    unit: PositiveFloat = 1.0
    """What is shifted at 1, in units of the direction: the published ones are raw gradients."""
    frames: Annotated[int, Field(ge=2)] = 10
    target: ClassVar[None] = None

    def leads(self, start: float, sign: Literal[-1, 1]) -> bool:
        """Return whether there is a way to go: down, from an answer that is not the least already."""
        return sign < 0 and start >= self.least

    def __call__(self, draw: Draw, score: Score, k: int = 1, sign: Literal[-1, 0, 1] = 0) -> Shifted:
        """Return the walk of ``draw`` from shift 0 down, by answer ``k`` of ``score``: frames even, both ends there.

        Raises
        ------
        RequestError
            If it is to go up.
        """
        refuse_up(self.kind, sign)
        origin = draw(0.0)
        start = before = float(score(origin)[k])
        shift = 0.0
        stop = self._stop(shift, (start, before, start), 0.0)
        while stop is None:
            shift = shift - self.step + floor(shift / 10)
            image = draw(shift * self.unit)
            answer = float(score(image)[k])
            change = float(np.abs(image - origin).sum() / np.abs(origin).sum())
            stop, before = self._stop(shift, (start, before, answer), change), answer
        return shifted(draw, score, np.linspace(0.0, shift * self.unit, self.frames), stop)

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
    unit: PositiveFloat = 1.0
    """What is shifted at 1, in units of the direction: the published ones are raw gradients."""
    target: ClassVar[None] = None

    def leads(self, start: float, sign: Literal[-1, 1]) -> bool:
        """Return whether there is a way to go: down, from an answer that can fall by so much."""
        return sign < 0 and start > self.fall

    def __call__(self, draw: Draw, score: Score, k: int = 1, sign: Literal[-1, 0, 1] = 0) -> Shifted:
        """Return the walk of ``draw`` from shift 0 down, by answer ``k`` of ``score``: ten frames after the first.

        Raises
        ------
        RequestError
            If it is to go up.
        """
        refuse_up(self.kind, sign)
        start = before = float(score(draw(0.0))[k])
        shift, steps = 0.0, chain(repeat(self.short, 10), repeat(self.long))
        stop: Stop | None = None
        while stop is None:
            shift -= next(steps)
            answer = float(score(draw(shift * self.unit))[k])
            stop, before = self._stop(shift, (start, before, answer)), answer
        return shifted(draw, score, np.linspace(0.0, shift * self.unit, 11), stop)

    def _stop(self, shift: float, answers: tuple[float, float, float]) -> Stop | None:
        start, before, answer = answers
        if answer > before:
            return "rise"
        if answer < start - self.fall:
            return "target"
        return "largest shift" if shift <= -self.largest else None


def refuse_up(kind: str, sign: int) -> None:
    """Refuse to go up.

    Raises
    ------
    RequestError
        If the sign is that of a rise.
    """
    if sign > 0:
        raise RequestError(f"expected a search that can go up, latent_shift; found {kind}, which goes down only")


def shifted(draw: Draw, score: Score, settings: np.ndarray, stop: Stop) -> Shifted:
    """Return the walk through these shifts, the first of them 0."""
    images = np.stack([draw(float(one)) for one in settings])
    scores = np.stack([score(one) for one in images])
    return Shifted(Walk(settings, np.abs(settings), scores, images[0], images), stop)
