"""Laws of every objective: who moves, and that stopping changes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from aliter.core.batch import Batch
from aliter.core.errors import DivergenceError, Interrupted
from aliter.core.objective import Objective, Turn
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.methods.objective import examples
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Average, Fit, Pace

MakeGame = Callable[[Objective], Game]
MakeRun = Callable[[str], Run]
each = pytest.mark.parametrize("objective", examples(), ids=lambda one: f"{one.kind}-{len(one.turns)}")


def plan(objective: Objective, precision: str = "32") -> Fit:
    moved = objective.turns[-1].moves
    return Fit.model_validate(
        {
            "steps": 7,
            "size": 4,
            "rate": 1e-3,
            "decay": 1e-4,
            "networks": {moved[0]: Pace(rate=2e-3, betas=(0.0, 0.99))},
            "ema": Average(nets=moved, decay=0.9),
            "precision": precision,
            "channels_last": precision == "bf16",
            "threads": 1,
            "save_every": 2,
            "judge_every": 3,
            "log_every": 1,
            "best": ("norm",),
        }
    )


def tensors(run: Run, name: str) -> Mapping[str, Tensor]:
    state = run.kept(name)
    assert state is not None
    return state.tensors


def metrics(run: Run) -> bytes:
    return (run.folder / "metrics.jsonl").read_bytes()


@each
@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_a_stopped_and_resumed_fit_equals_one_that_never_stopped(
    objective: Objective, precision: str, game: MakeGame, run_at: MakeRun
) -> None:
    whole, parts = run_at("whole"), run_at("parts")
    fit(game(objective), plan(objective, precision), whole, "net")
    rng = chance(0, "stops", objective.kind, len(objective.turns), precision)
    for stop in sorted(rng.choice(np.arange(1, 7), 2, replace=False)):
        with pytest.raises((Interrupted, Halt)):
            halting = game(objective)
            fit(replace(halting, draw=_halt(halting.draw, int(stop))), plan(objective, precision), parts, "net")
    fit(game(objective), plan(objective, precision), parts, "net")
    for name in ("net", "net-best"):
        a, b = tensors(whole, name), tensors(parts, name)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[key], b[key]) for key in a)
    assert metrics(whole) == metrics(parts)
    assert any(key.startswith("optimizer/") for key in tensors(whole, "net"))


class Halt(Exception):
    pass


def _halt(draw: Callable[[int, int, int], Batch], stop: int) -> Callable[[int, int, int], Batch]:
    """Return draws that break off at a step: nothing is saved then."""

    def broken(seed: int, step: int, size: int) -> Batch:
        if step == stop:
            raise Halt
        return draw(seed, step, size)

    return broken


@each
def test_a_request_to_stop_is_kept_and_resumed(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    whole, stopped = run_at("whole"), run_at("stopped")
    fit(game(objective), plan(objective), whole, "net")
    stopped.stopping.set()
    with pytest.raises(Interrupted, match="stopped at step 1 of 7") as caught:
        fit(game(objective), plan(objective), stopped, "net")
    assert caught.value.code == 5
    stopped.stopping.clear()
    fit(game(objective), plan(objective), stopped, "net")
    a, b = tensors(whole, "net"), tensors(stopped, "net")
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert metrics(whole) == metrics(stopped)


def test_a_second_fit_in_a_stage_keeps_its_rows_when_the_first_is_asked_again(game: MakeGame, run_at: MakeRun) -> None:
    objective = examples()[0]
    whole, parts = run_at("whole"), run_at("parts")
    for name in ("first", "second"):
        fit(game(objective), plan(objective), whole, name)
    fit(game(objective), plan(objective), parts, "first")
    halting = game(objective)
    with pytest.raises(Halt):
        fit(replace(halting, draw=_halt(halting.draw, 5)), plan(objective), parts, "second")
    for name in ("first", "second"):
        fit(game(objective), plan(objective), parts, name)
    assert metrics(whole) == metrics(parts)


@each
def test_only_the_movers_of_a_turn_move(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    made = game(objective)
    start = {name: {key: value.clone() for key, value in net.state_dict().items()} for name, net in made.nets.items()}
    for turn in objective.turns:
        fresh = game(objective)
        fit(
            replace(fresh, objective=_Only(objective, turn)),
            plan(objective).model_copy(update={"ema": None}),
            run_at(turn.name),
            "net",
        )
        for name, net in fresh.nets.items():
            moved = any(not torch.equal(start[name][key], value) for key, value in net.state_dict().items())
            assert moved == (name in turn.moves), (turn.name, name)


class _Only:
    """An objective of which one turn is played."""

    def __init__(self, objective: Objective, turn: Turn):
        self.kind, self.turns, self._objective = objective.kind, (turn,), objective

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        return self._objective.losses(turn, nets, batch)


@each
def test_same_seed_same_result_other_seed_another(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    runs = [run_at(name) for name in ("a", "b", "c")]
    for run, seed in zip(runs, (0, 0, 1), strict=True):
        fit(game(objective), plan(objective).model_copy(update={"seed": seed}), run, "net")
    a, b, c = (tensors(run, "net") for run in runs)
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert any(not torch.equal(a[key], c[key]) for key in a)


@each
def test_raising_the_steps_continues(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    whole, parts = run_at("whole"), run_at("parts")
    fit(game(objective), plan(objective), whole, "net")
    short = plan(objective).model_copy(update={"steps": 4, "judge_every": 100})
    fit(game(objective), short, parts, "net")
    fit(game(objective), plan(objective), parts, "net")
    a, b = tensors(whole, "net"), tensors(parts, "net")
    assert all(torch.equal(a[key], b[key]) for key in a)


@each
def test_a_loss_that_is_not_finite_stops_and_spoils_nothing(
    objective: Objective, game: MakeGame, run_at: MakeRun
) -> None:
    run, made = run_at("nan"), game(objective)

    def poisoned(seed: int, step: int, size: int) -> Batch:
        batch = made.draw(seed, step, size)
        bad = {"x": torch.full_like(batch["x"], float("nan"))} if step == 5 else {}
        return replace(batch, tensors={**batch.tensors, **bad})

    with pytest.raises(
        DivergenceError, match=r"step 5: the loss .*/.* is not finite on image 5.0, image 5.1"
    ) as caught:
        fit(replace(made, draw=poisoned), plan(objective), run, "net")
    assert caught.value.code == 4
    assert all(value.isfinite().all() for value in tensors(run, "net").values())
    state = run.kept("net")
    assert state is not None
    assert state.step == 4


@each
def test_a_weight_that_is_not_finite_is_never_kept(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    run, made = run_at("nan"), game(objective)
    mover = objective.turns[-1].moves[-1]

    def poisoned(seed: int, step: int, size: int) -> Batch:
        if step == 6:
            # Batches are drawn while others are learned: 'data' is not watched by a backward pass under way.
            next(made.nets[mover].parameters()).data.view(-1)[0] = float("inf")
        return made.draw(seed, step, size)

    with pytest.raises(DivergenceError):
        fit(replace(made, draw=poisoned), plan(objective), run, "net")
    assert all(value.isfinite().all() for value in tensors(run, "net").values())


@each
def test_the_averages_are_recalled_where_they_exist(objective: Objective, game: MakeGame, run_at: MakeRun) -> None:
    run = run_at("recall")
    fit(game(objective), plan(objective), run, "net")
    fresh = game(objective).nets
    recall(fresh, run, "net")
    best = tensors(run, "net-best")
    for name, net in fresh.items():
        prefix = "ema" if name in objective.turns[-1].moves else "net"
        assert all(torch.equal(best[f"{prefix}/{name}/{key}"], value) for key, value in net.state_dict().items())
        assert not net.training


@pytest.mark.parametrize("objective", examples(), ids=lambda one: f"{one.kind}-{len(one.turns)}")
def test_every_objective_survives_yaml(objective: Spec, tmp_path: Path) -> None:
    objective.write(tmp_path / "objective.yaml")
    assert type(objective).read(tmp_path / "objective.yaml") == objective
