"""What tests of faults share: the micro run of the end-to-end tests, and a fit that takes milliseconds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import finish, micro, start
from tests.laws.conftest import Settings, run_at
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.rng import chance
from aliter.train.fit import Game

__all__ = ["Settings", "finish", "game", "micro", "run_at", "start"]


@dataclass(frozen=True)
class Square:
    """The squared error of ``net``, an objective whose terms are means over images."""

    kind: str = "square"
    turns: tuple[Turn, ...] = (Turn("fit", ("net",)),)

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the squared error."""
        return {"square": (nets["net"](batch["x"]) - batch["y"]).square().mean()}


def _draw(seed: int, step: int, size: int) -> Batch:
    rng = chance(seed, "draw", step)
    tensors = {"x": rng.standard_normal((size, 3), np.float32), "y": rng.standard_normal((size, 2), np.float32)}
    ids = tuple(f"image {step}.{row}" for row in range(size))
    return Batch(step, ids, seed, {name: torch.from_numpy(value) for name, value in tensors.items()})


@pytest.fixture
def game() -> Callable[[], Game]:
    """Return a function that makes the same small game anew."""

    def make() -> Game:
        torch.manual_seed(0)
        return Game(Square(), {"net": nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))}, _draw)

    return make
