"""What is learned, as moves of a game."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import Tensor, nn

from aliter.core.batch import Batch

Combine = Callable[[Mapping[str, Tensor], Sequence[nn.Parameter]], Tensor]
"""Makes one scalar of the terms of a turn, given the parameters that it moves."""


def total(losses: Mapping[str, Tensor], parameters: Sequence[nn.Parameter]) -> Tensor:
    """Return the sum of the terms."""
    return sum(losses.values(), start=next(iter(losses.values())).new_zeros(()))


@dataclass(frozen=True)
class Turn:
    """One move of the game: whose weights it changes, how often, and how its terms combine."""

    name: str
    moves: tuple[str, ...]
    """Names of the networks that an optimiser steps in this turn."""
    every: int = 1
    """Played at steps that are multiples of this."""
    combine: Combine = total


@runtime_checkable
class Objective(Protocol):
    """What is learned: a frozen value whose turns ``fit`` plays in order, each step."""

    @property
    def kind(self) -> str:
        """Name in a config."""
        ...

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns of one step, in order."""
        ...

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of ``turn``, scalars; schedules are functions of ``batch.step``."""
        ...
