"""What tests of faults share: the micro run of the end-to-end tests, and a fit that takes milliseconds."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import finish, micro, start
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.objective import Turn
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.train.fit import Game

__all__ = ["finish", "game", "micro", "run_at", "start"]


class Settings(Spec):
    """A config of nothing."""

    workflow: str = "none"


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


@pytest.fixture
def run_at(tmp_path: Path) -> Iterator[Callable[[str], Run]]:
    """Return a run of this name, at work on one stage for as long as the test lasts."""
    with ExitStack() as stack:

        def make(name: str) -> Run:
            run = Run(tmp_path / name, Settings())
            run.path.mkdir(exist_ok=True)
            stack.enter_context(run.stage("fit", Key("a")))
            return run

        yield make
