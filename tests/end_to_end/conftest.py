"""A run so small that whole workflows can be repeated, killed and compared."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import aliter
from aliter.core.spec import Spec
from aliter.data import layout, ledger
from aliter.data.run import Run
from aliter.workflows import read
from aliter.workflows.check import check
from aliter.workflows.export import export

MICRO = """
workflow: counterfactual
images: {simulate: fictus, count: 30, size: 32, factors: [aggregates], seed: 0}
classify:
  net: {kind: small_cnn, width: 4}
  fit: {steps: 12, size: 8, rate: 2.0e-3, judge_every: 6, save_every: 4, log_every: 2, best: [accuracy], threads: 1}
translate:
  net: {width: 4, cap: 8, style: 4, latent: 4, mapping: 8, output: {kind: logit_residual}}
  objective: {passes: shared, r1_every: 4}
  fit:
    {steps: 12, size: 4, rate: 1.0e-3, betas: [0.0, 0.99], ema: {nets: [generator, mapping, style]}, threads: 1,
     judge_every: 6, save_every: 4, log_every: 2, best: [conversion, translation]}
  tries: 2
  judge_tries: 1
generate: {count: 2, tries: 2, pairs: [nuisance]}
attribute: {discriminative: [{kind: integrated_gradients, steps: 8}, {kind: residual}]}
evaluate: {sweep: {close_px: 5, blur_sigma_px: 1.0, steps: 10}}
"""

Taken = Callable[[Run], dict[str, dict[str, np.ndarray]]]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def config(request: pytest.FixtureRequest) -> Spec:
    """Return the config that a module of tests is about: it names the file in ``CONFIG``."""
    return read(request.module.CONFIG)


@pytest.fixture(scope="module")
def run(config: Spec, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return the finished run of that config."""
    return aliter.run(config, to=tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def figures(run: Run) -> dict[str, float]:
    """Return the values of the figures of that run, by name."""
    return values_of(run)


def values_of(run: Run) -> dict[str, float]:
    """Return the values of all figures of a run, by name."""
    return {name: one.value for name, one in run.figures_by_name().items()}


@pytest.fixture
def micro(tmp_path: Path) -> Path:
    """Return the path of a very small config."""
    path = tmp_path / "micro.yaml"
    path.write_text(MICRO, encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that starts ``aliter`` with arguments, on one thread."""

    def started(*arguments: str | Path) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", "from aliter.cli import main; main()", *map(str, arguments)]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


@pytest.fixture
def finish(start: Start) -> Callable[..., tuple[int, str, str]]:
    """Return a function that runs ``aliter`` and gives exit code, output and errors."""

    def finished(*arguments: str | Path) -> tuple[int, str, str]:
        process = start(*arguments)
        output, errors = process.communicate()
        return process.returncode, output, errors

    return finished


@pytest.fixture
def killed(start: Start, finish: Callable[..., tuple[int, str, str]], tmp_path: Path) -> Callable[..., Path]:
    """Return a function that does a run, killed at some ``rows`` of its metrics and begun again each time."""

    def done(config: Path, wanted: Sequence[int]) -> Path:
        run = tmp_path / "killed"
        for number in wanted:
            process = start("run", config, "--to", run.name)
            assert stopped_at(process, lambda: len(rows(run)), signal.SIGKILL, number), "it ended before it was killed"
        code, _, errors = finish("run", config, "--to", run.name)
        assert code == 0, errors
        return run

    return done


def stopped_at(process: "subprocess.Popen[str]", row: Callable[[], int], number: int, wanted: int) -> bool:
    """Send signal ``number`` once ``row()`` has reached ``wanted``; return whether the process was still there."""
    while process.poll() is None:
        if row() >= wanted:
            os.kill(process.pid, number)
            process.communicate()
            return process.returncode in (-signal.SIGKILL, 5)
        time.sleep(0.002)
    return False


def contents(run: Path) -> dict[str, str]:
    """Return a hash of every file of a run that is not about clocks, versions or the run's own path."""
    about_time = {"log.txt", "timings.jsonl", "environment.json", "lock", "holder"}
    files = [path for path in sorted(run.rglob("*")) if path.is_file() and path.name not in about_time]
    return {path.relative_to(run).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


def rows(run: Path) -> list[dict[str, object]]:
    """Return the metrics of a run, finished or not."""
    paths = [*run.glob("beside/*/metrics.jsonl"), run / "metrics.jsonl"]
    lines = [line for path in paths if path.is_file() for line in path.read_text().splitlines()]
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return found


@pytest.fixture
def taken(tmp_path: Path) -> Taken:
    """Return a function that takes the networks of a run elsewhere, and gives what each makes there of its example."""

    def answers(run: Run) -> dict[str, dict[str, np.ndarray]]:
        found = {}
        for name, files in export(run.path, tmp_path / "out", more=()).items():
            folder = tmp_path / "out" / name
            assert {path.name for path in folder.iterdir()} == set(files)
            described = yaml.safe_load((folder / "rdf.yaml").read_text())
            example = {one["id"]: np.load(folder / one["test_tensor"]["source"]) for one in described["inputs"]}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                net = torch.jit.load(folder / "model.pt")
            answer = net(*map(torch.from_numpy, example.values())).numpy()
            np.testing.assert_allclose(answer, np.load(folder / f"{described['outputs'][0]['id']}.npy"), atol=1e-5)
            found[name] = {**example, "answer": answer}
        return found

    return answers


def left_by(run: Run) -> dict[str, int]:
    """Return the bytes that each finished stage of a run left: arrays as they are uncompressed, and files."""
    found: dict[str, int] = {}
    for stage in run.finished:
        places = [run.path / output for output in ledger.outputs(run.path, stage)]
        found[stage] = sum(path.stat().st_size for path in places if path.is_file())
        for path in places:
            if path.is_dir():
                store = next(one for one in path.parents if one.suffix == ".zarr")
                name = path.relative_to(store).as_posix()
                found[stage] += layout.array(layout.open_store(store), name).nbytes
    return found


def assert_as_checked(config: Spec, run: Run, fits: Sequence[str], tmp_path: Path) -> None:
    """Compare what a check says of ``config`` with what its finished ``run`` took; ``fits`` are the stages that fit."""
    told = {one.name: one.cost for one in check(config, tmp_path / "run").stages}
    learned = {name: [row["step"] for row in run.metrics(name)][-1] for name in fits}
    assert not list(tmp_path.iterdir())
    assert {name: cost.steps for name, cost in told.items() if cost.steps} == learned
    sizes = left_by(run)
    assert sum(cost.disk for cost in told.values()) == pytest.approx(sum(sizes.values()), rel=0.15)
    # Pictures of noise, which is what networks draw at first, are larger than those of cells.
    page = sizes.pop("report")
    assert page <= told["report"].disk <= 2 * page
    for name, size in sizes.items():
        assert told[name].disk == pytest.approx(size, rel=0.1, abs=30_000), name
    assert all(cost.seconds > 0 and cost.memory > 0 for cost in told.values())
