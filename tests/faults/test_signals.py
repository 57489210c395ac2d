"""Signals (5): the first is obeyed when the step is done, the second at once."""

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from aliter.cli import _stoppable
from aliter.core.batch import Batch
from aliter.core.errors import Interrupted
from aliter.core.objective import Objective, Turn
from aliter.core.stops import STOPS
from aliter.data.run import Run
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit

MakeGame = Callable[[], Game]
MakeRun = Callable[[str], Run]


@dataclass(frozen=True)
class Signalled:
    """An objective during whose second step signals arrive."""

    objective: Objective
    numbers: tuple[int, ...]

    @property
    def kind(self) -> str:
        return self.objective.kind

    @property
    def turns(self) -> tuple[Turn, ...]:
        return self.objective.turns

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        for number in self.numbers if batch.step == 1 else ():
            signal.raise_signal(number)
        return self.objective.losses(turn, nets, batch)


@pytest.mark.parametrize(
    ("numbers", "words", "step"),
    [
        ((signal.SIGINT,), "stopped at step 2 of 5; the same command goes on", 2),
        ((signal.SIGTERM,), "stopped at step 2 of 5; the same command goes on", 2),
        ((signal.SIGUSR1,), "stopped at step 2 of 5; the same command goes on", 2),
        ((signal.SIGINT, signal.SIGINT), "stopped at once; the same command goes on", 0),
        ((signal.SIGTERM, signal.SIGINT), "stopped at once; the same command goes on", 0),
    ],
    ids=["SIGINT", "SIGTERM", "SIGUSR1", "SIGINT twice", "SIGTERM, SIGINT"],
)
def test_one_signal_ends_the_step_and_two_end_it_all(
    numbers: tuple[int, ...],
    words: str,
    step: int,
    game: MakeGame,
    run_at: MakeRun,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, stopped, plan = run_at("whole"), run_at("stopped"), Fit(steps=5, size=4, threads=1)
    fit(game(), plan, whole, "net")
    made = game()
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with pytest.raises(Interrupted, match=words) as caught, _stoppable(stopped):
        fit(replace(made, objective=Signalled(made.objective, numbers)), plan, stopped, "net")
    assert caught.value.code == 5
    assert "stopping after this step; press again to stop at once" in capsys.readouterr().err
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before
    state = stopped.kept("net")
    assert state is not None
    assert state.step == step
    stopped.stopping.clear()
    fit(game(), plan, stopped, "net")
    a, b = whole.kept("net"), stopped.kept("net")
    assert a is not None
    assert b is not None
    assert all(torch.equal(value, b.tensors[name]) for name, value in a.tensors.items())


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_a_worker_leaves_signals_to_the_process_that_leads_it(number: signal.Signals) -> None:
    code = f"import signal; from aliter.data.worker import enter; enter(); signal.raise_signal({int(number)})"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
