"""A toy room, estimated at two small sizes and then run in full."""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import left_by
from torch import nn

from aliter.core.batch import Batch
from aliter.core.spec import Spec
from aliter.data import ledger
from aliter.data.images import Header, write_images
from aliter.data.run import Run
from aliter.data.sample import Census, census_of_header
from aliter.methods.objective.regress import Regress
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit
from aliter.workflows import estimate
from aliter.workflows.estimate import Amount, Room
from aliter.workflows.stage import Stage, due, run_stages
from aliter.workflows.trial import Cost

ROW, HELD, COUNT = 1 << 21, 8, 12


class Toy(Spec):
    workflow: Literal["toy"] = "toy"
    count: int
    members: int = 2
    fit: Fit = Fit(steps=12, size=2, judge_every=5, save_every=3, keep=2, best=("figure",), threads=1)


def gather(config: Toy, run: Run) -> None:
    write_images(run.folder / "images.zarr", header(config.count), lambda _, start, stop: images(stop - start))


def learn(config: Toy, run: Run) -> None:
    def draw(seed: int, step: int, size: int) -> Batch:
        return Batch(step, ("one",) * size, seed, {"x": torch.ones(size, 1, 4, 4), "stain": torch.ones(size, 1, 4, 4)})

    def judge(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        run.show("net", step, np.zeros((8, 8), np.uint8))
        return {"figure": float(step)}

    for member in range(config.members):
        nets = {"regressor": nn.Conv2d(1, 1, 3, padding=1)}
        fit(Game(Regress(loss="mse"), nets, draw, judge), config.fit, run, f"net-{member}" if member else "net")


def describe(config: Toy, run: Run) -> None:
    run.save("constant", np.zeros(100), ("index",))
    for row in range(config.count):
        run.save(f"walks/{row}/image", np.zeros((3, 5), np.float32), ("step", "index"))
    (run.folder / "table.csv").write_text("x" * (1000 + 10 * config.count))
    assert np.ones((config.count, ROW), np.uint8).all()


STAGES = (
    Stage(gather, reads=("count",)),
    Stage(learn, reads=("fit", "members"), after=("gather",)),
    Stage(describe, reads=("count",), after=("learn",)),
)


def images(count: int) -> np.ndarray:
    return np.zeros((count, 1, 4, 4), np.uint8)


def header(count: int) -> Header:
    ids = tuple(f"{row:06d}" for row in range(count))
    return Header(("a",), ("one",), (0.0, 255.0), (1, 4, 4), "uint8", (ids,), (np.zeros(count, np.uint8),))


def survey(config: Toy) -> Census:
    return census_of_header(header(config.count))


def small(config: Toy, found: Census, size: int, out: Path) -> Toy:
    return config.model_copy(update={"count": 2 * size, "members": 1})


def amounts(config: Toy, found: Census) -> Mapping[str, Amount]:
    return {
        "gather": Amount(config.count),
        "learn": Amount(fits=config.members),
        "describe": Amount(config.count, held=HELD),
    }


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Cost], Run]:
    config = Toy(count=COUNT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "workflow", lambda name: SimpleNamespace(STAGES=STAGES))
        room, found = Room(survey, small, amounts), survey(config)
        _, costs = estimate.estimate(room, config, found, tmp_path_factory.mktemp("trial"))
    run = Run(tmp_path_factory.mktemp("runs") / "toy", config)
    with run.working():
        run_stages(due(STAGES, config, run), config, run, say=lambda text: None)
    return {one.stage: one for one in costs}, run


def test_arrays_and_files_lie_on_a_line(told: tuple[dict[str, Cost], Run]) -> None:
    costs, run = told
    sizes = left_by(run)
    assert costs["gather"].disk == sizes["gather"]
    arrays = {one.name: one for one in costs["describe"].arrays}
    assert (arrays["constant"].arrays, arrays["constant"].bytes) == (1, 800)
    assert arrays["walks/{number}/image"].arrays == COUNT
    assert arrays["walks/{number}/image"].shape == (3, 5)
    assert costs["describe"].files == (run.path / "table.csv").stat().st_size


def test_what_fits_leave_follows_from_their_plans(told: tuple[dict[str, Cost], Run]) -> None:
    costs, run = told
    cost = costs["learn"]
    assert cost.steps == 12
    assert cost.disk == pytest.approx(left_by(run)["learn"], rel=0.1)
    assert len(list(run.path.glob("checkpoints/*"))) == 2 * 3


def test_memory_grows_with_what_is_held(told: tuple[dict[str, Cost], Run]) -> None:
    # What is done for the first time in the smaller trial flattens the line a little.
    assert 0.9 * HELD * ROW <= told[0]["describe"].memory <= 2 * HELD * ROW


def test_time_grows_with_steps_and_networks(told: tuple[dict[str, Cost], Run]) -> None:
    costs, run = told
    assert all(one.seconds > 0 for one in costs.values())
    rows = [row for row in ledger.rows(run.path / "timings.jsonl") if "plan" in row]
    assert [(row["steps"], row["step"]["times"], row["judge"]["times"], row["save"]["times"]) for row in rows] == [
        (12, 11, 3, 4)
    ] * 2
    assert rows[0]["plan"] == {"steps": 12, "judge_every": 5, "save_every": 3, "keep": 2}
