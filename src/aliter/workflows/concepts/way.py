"""The way that a detection is pushed: straight, or bent wherever its direction is taken anew."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from torch import Tensor

from aliter.core.errors import DataError

Values = Mapping[str, Tensor]
"""What is inserted, by layer."""
FIRST_BEND = 0.02


@dataclass(frozen=True)
class _Leg:
    """A straight part of a way, from one shift to another."""

    start: float
    end: float
    values: Values
    """What is inserted where it starts; nothing at 0."""
    direction: Values

    def at(self, shift: float) -> Values:
        steps = {name: (shift - self.start) * one for name, one in self.direction.items()}
        return {name: self.values[name] + step if self.values else step for name, step in steps.items()}


def way(direction: Callable[[Values], Values], factor: float | None) -> Callable[[float], Values]:
    """Return what is inserted at a shift of either sign; at 0, nothing.

    ``direction`` of what is inserted gives the way on from there; a negative shift goes against it. It is asked again
    wherever the shift has grown by ``factor``, and never on a straight way, without one. Where it finds none on the
    way, the last is kept.

    Raises
    ------
    DataError
        If there is no direction at the start.
    """
    coming = {side: _legs(direction, side, factor) for side in (1, -1)}
    passed: dict[int, list[_Leg]] = {1: [], -1: []}

    def at(shift: float) -> Values:
        if not shift:
            return {}
        side = 1 if shift > 0 else -1
        while not passed[side] or passed[side][-1].end < abs(shift):
            passed[side].append(next(coming[side]))
        return next(leg for leg in passed[side] if abs(shift) <= leg.end).at(abs(shift))

    return at


def _legs(direction: Callable[[Values], Values], side: int, factor: float | None) -> Iterator[_Leg]:
    """Yield the legs of a way in their order, without end."""
    leg = _Leg(0.0, FIRST_BEND if factor else inf, {}, _times(side, direction({})))
    while True:
        yield leg
        here = leg.at(leg.end)
        try:
            on = _times(side, direction(here))
        except DataError:
            on = leg.direction
        leg = _Leg(leg.end, leg.end * (factor or 1.0), here, on)


def _times(factor: int, values: Values) -> Values:
    return {name: factor * one for name, one in values.items()}
