"""Blocks: the same bytes by one worker, by two, and after every kind of death."""

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pytest
import torch
import zarr

from aliter.core.errors import AliterError, DataError, Interrupted, ResourceError
from aliter.core.spec import Spec
from aliter.data import blocks, layout
from aliter.data.blocks import Blank, Compute, Task, fill, write
from aliter.data.ledger import Key
from aliter.data.run import Run

COUNT = 3 * layout.ROWS + 5


class Settings(Spec):
    workflow: str = "none"


class Fate(NamedTuple):
    """What happens to whoever computes, and where it is written down."""

    folder: Path
    at: str = ""
    """The block at which it happens."""
    what: str = ""
    often: int = 1


def begin(fate: Fate, run: Run) -> Compute[int]:
    """Sharpen the images that an earlier stage saved: the sum of many floats, so that threads could matter."""
    kernel = torch.linspace(-1, 1, 9).reshape(1, 1, 3, 3)

    def compute(of: int, rows: slice) -> Mapping[str, np.ndarray]:
        here = f"{of}:{rows.start}"
        with (fate.folder / "calls").open("a") as file:
            file.write(f"{os.getpid()} {here}\n")
        while fate.what == "wait" and not (fate.folder / "go").is_file():
            time.sleep(0.001)
        if here == fate.at and calls(fate.folder)[here] <= fate.often:
            suffer(fate.what)
        x = torch.from_numpy(np.asarray(run.array("images")[rows]))
        sharp = torch.nn.functional.conv2d(x, kernel, padding=1) * of
        return {"sharp": sharp.numpy(), "sum": sharp.sum(dim=(1, 2, 3)).numpy()}

    return compute


def suffer(what: str) -> None:
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "sleep":
        time.sleep(60)
    if what == "broken":
        raise DataError("image 7 is broken; replace it")


def calls(folder: Path) -> Counter[str]:
    path = folder / "calls"
    return Counter(line.split()[1] for line in path.read_text().splitlines()) if path.is_file() else Counter()


def tasks() -> list[Task[int]]:
    return [
        Task(
            of,
            {
                "sharp": Blank(f"sharp/{of}", (COUNT, 1, 6, 5), np.float32, layout.IMAGE),
                "sum": Blank(f"sum/{of}", (COUNT,), np.float32, ("index",), {"unit": "one"}),
            },
        )
        for of in (1, 2)
    ]


def work(run: Run, fate: Fate, workers: int = 1) -> None:
    run.workers = workers
    with run.stage("sharpen", Key("a")):
        fill(begin, fate, run, tasks())


def store(run: Run) -> dict[str, str]:
    files = sorted(path for path in (run.path / "store.zarr").rglob("*") if path.is_file())
    return {path.relative_to(run.path).as_posix(): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    with made(tmp_path / "run").working() as found:
        yield found


def made(path: Path) -> Run:
    """Return a run that has images."""
    run = Run(path, Settings())
    with run.working(), run.stage("gather", Key("i")):
        images = np.random.default_rng(0).standard_normal((COUNT, 1, 6, 5), np.float32)
        run.save("images", images, layout.IMAGE)
    return run


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the hashes of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("clean")
    with made(folder / "run").working() as run:
        work(run, Fate(folder))
    assert set(calls(folder).values()) == {1}
    assert len(calls(folder)) == 8
    return store(run)


def test_every_row_is_what_a_plain_loop_makes_of_it(run: Run, tmp_path: Path) -> None:
    work(run, Fate(tmp_path))
    kernel = np.linspace(-1, 1, 9).reshape(3, 3)
    for row in (0, layout.ROWS - 1, layout.ROWS, COUNT - 1):
        padded = np.pad(run["images"][row, 0], 1)
        expected = [[(padded[y : y + 3, x : x + 3] * kernel).sum() * 2 for x in range(5)] for y in range(6)]
        np.testing.assert_allclose(run["sharp/2"][row, 0], expected, atol=1e-5)
        np.testing.assert_allclose(run["sum/2"][row], np.sum(expected), atol=1e-4)
    assert run.array("sum/2").attrs["unit"] == "one"
    assert run.array("sum/2").attrs["stage"] == "sharpen"


def test_two_workers_give_the_same_bytes_and_share_the_work(run: Run, tmp_path: Path, clean: dict[str, str]) -> None:
    torch.set_num_threads(2)
    try:
        work(run, Fate(tmp_path), workers=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert store(run) == clean
    workers = {line.split()[0] for line in (tmp_path / "calls").read_text().splitlines()}
    assert 1 <= len(workers - {str(os.getpid())}) <= 2
    assert str(os.getpid()) not in workers


def test_marks_do_not_become_part_of_the_result(run: Run, tmp_path: Path) -> None:
    work(run, Fate(tmp_path))
    assert not list(run.path.rglob("*.done"))
    assert "blocks" not in (run.path / "stages.json").read_text()


def test_a_killed_worker_costs_one_block_and_is_named(
    run: Run, tmp_path: Path, clean: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "aliter.data.blocks"):
        work(run, Fate(tmp_path, "1:64", "killed"), workers=2)
    assert caplog.messages == [
        "rows 64 to 128 of sharp/1: the worker was killed by signal 9 (Killed); doing them again"
    ]
    assert calls(tmp_path) == {**dict.fromkeys(calls(tmp_path), 1), "1:64": 2}
    assert len(calls(tmp_path)) == 8
    assert store(run) == clean


def test_a_block_that_kills_twice_ends_the_stage_and_is_named(run: Run, tmp_path: Path, clean: dict[str, str]) -> None:
    with pytest.raises(ResourceError, match=r"rows 128 to 192 of sharp/2.* killed by signal 9 \(Killed\); .*memory"):
        work(run, Fate(tmp_path, "2:128", "killed", 2), workers=2)
    before = calls(tmp_path)
    assert before["2:128"] == 2
    work(run, Fate(tmp_path))
    done = sum(before.values()) - 2
    assert (calls(tmp_path) - before).total() <= 8 - done + 1
    assert store(run) == clean


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_block_arrives_as_itself(run: Run, tmp_path: Path, workers: int) -> None:
    with pytest.raises(DataError, match="image 7 is broken; replace it"):
        work(run, Fate(tmp_path, "1:0", "broken"), workers)


def test_a_process_killed_between_blocks_redoes_only_what_was_open(tmp_path: Path, clean: dict[str, str]) -> None:
    run = made(tmp_path / "run")
    child = start(run, Fate(tmp_path, "2:0", "killed"), 1)
    assert child.wait() == -signal.SIGKILL
    assert (run.path / "beside" / "sharpen").is_dir()
    with run.working():
        work(run, Fate(tmp_path))
    assert calls(tmp_path) == {**dict.fromkeys(calls(tmp_path), 1), "2:0": 2}
    assert store(run) == clean


def test_workers_do_not_outlive_the_process_that_started_them(tmp_path: Path, clean: dict[str, str]) -> None:
    run = made(tmp_path / "run")
    child = start(run, Fate(tmp_path, "1:128", "sleep"), 2)
    while calls(tmp_path)["1:128"] == 0:
        assert child.poll() is None
        time.sleep(0.05)
    pids = {int(line.split()[0]) for line in (tmp_path / "calls").read_text().splitlines()}
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    until = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.05)
    with run.working():
        work(run, Fate(tmp_path))
    assert store(run) == clean


def start(run: Run, fate: Fate, workers: int) -> "subprocess.Popen[bytes]":
    """Start a process that does the work."""
    code = (
        "import sys; from pathlib import Path; from tests.data.test_blocks import *\n"
        "run = Run(Path(sys.argv[1]), Settings())\n"
        "with run.working(): work(run, Fate(Path(sys.argv[2]), sys.argv[3], sys.argv[4]), int(sys.argv[5]))"
    )
    arguments = [str(run.path), str(fate.folder), fate.at, fate.what, str(workers)]
    return subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=Path(__file__).parents[2])


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("workers", [1, 2])
def test_a_stop_that_is_asked_for_ends_after_the_blocks_at_work(
    run: Run, tmp_path: Path, clean: dict[str, str], workers: int
) -> None:
    def ask() -> None:
        while not calls(tmp_path):
            time.sleep(0.001)
        run.stopping.set()
        (tmp_path / "go").touch()

    threading.Thread(target=ask).start()
    with pytest.raises(Interrupted, match=r"sharpen stopped with [67] of 8 blocks to do") as caught:
        work(run, Fate(tmp_path, what="wait"), workers)
    assert caught.value.code == 5
    assert calls(tmp_path).total() <= workers
    run.stopping.clear()
    work(run, Fate(tmp_path))
    assert calls(tmp_path) == dict.fromkeys(calls(tmp_path), 1)
    assert len(calls(tmp_path)) == 8
    assert store(run) == clean


def test_a_full_disk_is_no_done_block(
    run: Run, tmp_path: Path, clean: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = 0

    def full(array: zarr.Array[Any], rows: slice, values: np.ndarray) -> None:
        nonlocal written
        written += 1
        if written == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(array, rows, values)

    with monkeypatch.context() as patch, pytest.raises(ResourceError, match="the disk is full"):
        patch.setattr(blocks, "write", full)
        work(run, Fate(tmp_path))
    work(run, Fate(tmp_path))
    assert calls(tmp_path)["1:0"] == 1
    assert calls(tmp_path)["1:64"] == 2
    assert store(run) == clean


@pytest.mark.parametrize("rows", [slice(1, 64), slice(0, 63), slice(0, 65), slice(64, 64), slice(128, 256)])
def test_rows_that_are_not_whole_shards_are_refused(run: Run, rows: slice) -> None:
    with run.stage("sharpen", Key("a")):
        for blank in tasks()[0].blanks.values():
            array = run.create(blank.name, (150, *blank.shape[1:]), blank.dtype, blank.axes)
            with pytest.raises(AliterError, match="in whole blocks of 64, found"):
                write(array, rows, np.zeros((rows.stop - rows.start, *blank.shape[1:]), np.float32))
            write(array, slice(128, 150), np.ones((22, *blank.shape[1:]), np.float32))
            assert np.nansum(array[...]) == array[128:150].size


def test_values_of_another_shape_are_refused(run: Run) -> None:
    with run.stage("sharpen", Key("a")):
        array = run.create("sum", (70,), np.float32, ("index",))
        with pytest.raises(AliterError, match=r"expected values of shape \(64,\), found \(1,\)"):
            write(array, slice(0, 64), np.zeros(1, np.float32))


def short(config: Sequence[str], run: Run) -> Compute[int]:
    return lambda of, rows: {"sharp": np.zeros((rows.stop - rows.start, 1, 6, 5), np.float32)}


def test_values_that_are_missing_are_refused(run: Run) -> None:
    with (
        pytest.raises(AliterError, match="rows 0 to 64 of sharp/1: expected sharp, sum, found sharp"),
        run.stage("sharpen", Key("a")),
    ):
        fill(short, (), run, tasks())
