"""The searches for the end of a latent shift as they were published, for comparison with published figures.

They go down only, and have no target: they end where the answer has fallen by so much.
"""

from collections.abc import Iterator
from itertools import accumulate, chain, repeat
from math import floor, inf
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveFloat

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.methods.walk.latent_shift import Draw, Score, Shifted, Stop, shifted


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
        return descended(self, draw, score, k, sign)

    def candidates(self) -> Iterator[float]:
        """Yield the shifts that are tried, in their order."""
        shift = 0.0
        while True:
            yield shift
            shift = shift - self.step + floor(shift / 10)


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
    least: ClassVar[float] = -inf
    largest_change: ClassVar[float] = inf
    frames: ClassVar[int] = 11
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
        return descended(self, draw, score, k, sign)

    def candidates(self) -> Iterator[float]:
        """Yield the shifts that are tried, in their order."""
        return accumulate(chain([0.0], repeat(-self.short, 10), repeat(-self.long)))


def descended(
    search: PublishedShift | FirstShift, draw: Draw, score: Score, k: int, sign: Literal[-1, 0, 1]
) -> Shifted:
    """Return the walk of ``draw`` from 0 down to the first candidate at which one of the rules of ``search`` holds.

    Raises
    ------
    RequestError
        If it is to go up.
    """
    if sign > 0:
        raise RequestError(f"expected a search that can go up, latent_shift; found {search.kind}, which goes down only")
    origin, candidates = draw(0.0), search.candidates()
    answers: list[float] = []
    stop: Stop | None = None
    while stop is None:
        shift = next(candidates)
        image = draw(shift * search.unit)
        answers.append(float(score(image)[k]))
        change = float(np.abs(image - origin).sum() / np.abs(origin).sum())
        stop = _rule(search, shift, answers, change)
    return shifted(draw, score, origin, np.linspace(0.0, shift * search.unit, search.frames), stop)


def _rule(search: PublishedShift | FirstShift, shift: float, answers: list[float], change: float) -> Stop | None:
    """Return which rule holds at a candidate; ``answers`` are those at 0 and at all candidates up to there."""
    answer = answers[-1]
    if answer > answers[-2:][0]:
        return "rise"
    if answer < search.least or answer < answers[0] - search.fall:
        return "target"
    if shift <= -search.largest:
        return "largest shift"
    return "largest change" if change > search.largest_change else None
