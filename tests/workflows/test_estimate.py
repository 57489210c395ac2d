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
from aliter.data import layout, ledger
from aliter.data.field_sample import census_of_fields, few_fields
from aliter.data.fields import Fields
from aliter.data.images import Header, write_images
from aliter.data.paired import convert_paired, surveyed_pairs
from aliter.data.run import Run
from aliter.data.sample import Census, census_of_header
from aliter.data.simulate import Phase
from aliter.data.simulate.pairs import MEAN
from aliter.data.simulate.store import write_simulation, written_as_folder
from aliter.methods.objective.regress import Regress
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit
from aliter.workflows import estimate
from aliter.workflows.estimate import Amount, Cost, Room
from aliter.workflows.stage import Stage, due, run_stages

ROW, HELD, COUNT = 1 << 21, 8, 12


class Toy(Spec):
    workflow: Literal["toy"] = "toy"
    count: int
    members: int = 2
    fit: Fit = Fit(steps=12, size=2, judge_every=5, save_every=3, keep=2, best=("figure",), threads=1)


def gather(config: Toy, run: Run) -> None:
    run.describe({"range": [0.0, 255.0]})
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


def test_few_fields_of_a_store_keep_all_that_is_known_of_them(tmp_path: Path) -> None:
    write_simulation(Phase(count=8, size=64), tmp_path / "all.zarr")
    found = census_of_fields(tmp_path / "all.zarr", None, lambda: header(1))
    assert (found.copied, found.counts.tolist()) == (False, [[4, 2, 2]])
    assert few_fields(tmp_path / "all.zarr", found, 1, tmp_path / "few.zarr", lambda out, ids: None).is_dir()
    every, few = Fields(tmp_path / "all.zarr"), Fields(tmp_path / "few.zarr")
    assert few.splits.tolist() == [0, 0, 1, 2]
    for place, number in enumerate((0, 1, 4, 6)):
        assert few.ids[place] == every.ids[number]
        np.testing.assert_array_equal(few.stored(place), every.stored(number))
        np.testing.assert_array_equal(few.objects(place), every.objects(number))
    known = [layout.array(layout.open_store(tmp_path / name), MEAN) for name in ("all.zarr", "few.zarr")]
    np.testing.assert_array_equal(known[1][...], np.asarray(known[0][...])[[0, 1, 4, 6]])


def test_files_are_read_only_as_far_as_they_are_asked_for(tmp_path: Path) -> None:
    write_simulation(Phase(count=4, size=64), tmp_path / "all.zarr")
    written_as_folder(tmp_path / "all.zarr", tmp_path / "files")
    said = surveyed_pairs(tmp_path / "files")
    some = Fields(convert_paired(tmp_path / "files", tmp_path / "some.zarr", only=said.ids[0][1:3]))
    assert (tuple(some.ids), some.splits.tolist()) == (said.ids[0][1:3], said.splits[0][1:3].tolist())
