"""Fill the arrays of a run block by block, in this process or in several; only what is not done yet.

A block is the rows of one shard. What a worker makes of it goes straight into the store, then a file in ``blocks``
beside says that it is done. So memory does not grow with the number of rows, and a stop of whatever kind costs the
blocks that were at work, nothing more.
"""

import logging
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
import zarr

from aliter.core.errors import AliterError, Interrupted, ResourceError
from aliter.core.progress import progress
from aliter.data import layout
from aliter.data.files import explained, write_text
from aliter.data.run import Run
from aliter.data.worker import enter

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

Compute = Callable[[_T, slice], Mapping[str, np.ndarray]]
"""``compute(of, rows)``: what these rows of each array of a task are, by its key."""
Begin = Callable[[Any, Run], Compute[_T]]
"""``begin(config, run)``: a function of a module; called once in each process, to load what all blocks need."""


@dataclass(frozen=True)
class Blank:
    """An array that is to be filled."""

    name: str
    shape: tuple[int, ...]
    dtype: Any
    axes: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Task(Generic[_T]):
    """Arrays of equally many rows that are filled together."""

    of: _T
    """What ``compute`` is told; it can be pickled."""
    blanks: Mapping[str, Blank]
    """By key; the first gives its name to the task."""

    @property
    def name(self) -> str:
        """What messages and marks call it."""
        return next(iter(self.blanks.values())).name

    def blocks(self) -> "Iterator[_Block]":
        """Yield its rows, one shard after the other."""
        count = next(iter(self.blanks.values())).shape[0]
        for start in range(0, count, layout.ROWS):
            yield _Block(self, slice(start, min(start + layout.ROWS, count)))


def fill(begin: Begin[_T], config: Any, run: Run, tasks: Sequence[Task[_T]]) -> None:
    """Fill the arrays of all ``tasks``, in ``run.workers`` processes, each on one thread.

    The bytes do not depend on the number of processes, nor on stops between. A block whose worker is killed is done
    again, once, by a fresh one.

    Raises
    ------
    Interrupted
        If ``run.stopping`` was set; blocks at work are finished first.
    ResourceError
        If a block's worker is killed twice, or the disk is full; names the block.
    """
    blocks = [block for task in tasks for block in task.blocks()]
    for task in tasks:
        if not any(block.mark(run).is_file() for block in task.blocks()):
            for blank in task.blanks.values():
                run.create(blank.name, blank.shape, blank.dtype, blank.axes, blank.facts)
    left = [block for block in blocks if not block.mark(run).is_file()]
    if len(left) < len(blocks):
        _log.info("%s: going on, %d of %d blocks are done", run.folder.name, len(blocks) - len(left), len(blocks))
    job = _Job(begin, config, run)
    with progress(run.folder.name, sum(block.count for block in blocks)) as advance:
        advance(sum(block.count for block in blocks) - sum(block.count for block in left), "")
        for block in _spread(job, left) if min(run.workers, len(left)) > 1 else _in_turn(job, left):
            advance(block.count, block.task.name)
    open_blocks = sum(not block.mark(run).is_file() for block in left)
    if open_blocks:
        raise Interrupted(
            f"{run.folder.name} stopped with {open_blocks} of {len(blocks)} blocks to do; the same command goes on"
        )


def write(array: zarr.Array[Any], rows: slice, values: np.ndarray) -> None:
    """Write ``values`` to ``rows`` of ``array``, whole shards only: two workers never touch one file.

    Raises
    ------
    AliterError
        If the rows are not whole shards, or the values have another shape.
    """
    length, count = (array.shards or array.chunks)[0], array.shape[0]
    if rows.start % length or (rows.stop % length and rows.stop != count) or not rows.start < rows.stop <= count:
        raise AliterError(
            f"{array.name}: expected rows of {count} in whole blocks of {length}, found {rows.start} to {rows.stop}"
        )
    expected = (rows.stop - rows.start, *array.shape[1:])
    if values.shape != expected:
        raise AliterError(f"{array.name}: expected values of shape {expected}, found {values.shape}")
    array[rows] = values


@dataclass(frozen=True)
class _Block:
    task: Task[Any]
    rows: slice

    @property
    def count(self) -> int:
        return int(self.rows.stop - self.rows.start)

    def mark(self, run: Run) -> Path:
        """Return the file that says that it is done."""
        return run.folder / "blocks" / self.task.name / f"{self.rows.start}-{self.rows.stop}.done"

    def __str__(self) -> str:
        return f"rows {self.rows.start} to {self.rows.stop} of {self.task.name}"


@dataclass(frozen=True)
class _Job:
    begin: Begin[Any]
    config: Any
    run: Run


def _carry_out(compute: Compute[Any], run: Run, block: _Block) -> None:
    """Compute a block, write it, and say that it is done."""
    values = compute(block.task.of, block.rows)
    if values.keys() != block.task.blanks.keys():
        raise AliterError(f"{block}: expected {', '.join(block.task.blanks)}, found {', '.join(values)}")
    try:
        root = layout.open_store(run.folder / "store.zarr", "a")
        for key, blank in block.task.blanks.items():
            write(layout.array(root, blank.name), block.rows, values[key])
    except OSError as error:
        raise explained(error, run.folder / "store.zarr" / block.task.name) from error
    write_text(block.mark(run), "")


def _in_turn(job: _Job, blocks: Sequence[_Block]) -> Iterator[_Block]:
    """Carry out ``blocks`` in this process; yield each when it is done."""
    if not blocks:
        return
    with _one_thread():
        compute = job.begin(job.config, job.run)
        for block in blocks:
            if job.run.stopping.is_set():
                return
            _carry_out(compute, job.run, block)
            yield block


def _spread(job: _Job, blocks: Sequence[_Block]) -> Iterator[_Block]:
    """Carry out ``blocks`` in several processes; yield each when it is done."""
    waiting, deaths = deque(blocks), Counter[int]()
    idle = [_Worker(job) for _ in range(min(job.run.workers, len(blocks)))]
    busy: dict[Future[None], tuple[_Worker, _Block]] = {}
    try:
        while True:
            while idle and waiting and not job.run.stopping.is_set():
                worker, block = idle.pop(), waiting.popleft()
                busy[worker.start(block)] = worker, block
            if not busy:
                return
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, block = busy.pop(future)
                try:
                    future.result()
                except BrokenProcessPool:
                    deaths[id(block)] += 1
                    _report_death(block, worker.fate(), deaths[id(block)])
                    waiting.appendleft(block)
                    idle.append(_Worker(job))
                else:
                    idle.append(worker)
                    yield block
    finally:
        for worker, _ in busy.values():
            worker.process.kill()
        for worker in (*idle, *(worker for worker, _ in busy.values())):
            worker.pool.shutdown()


class _Worker:
    """One process that does one block at a time: if it dies, one block is lost, and it is known which."""

    def __init__(self, job: _Job):
        self.job = job
        self.pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _enter)
        before = set(multiprocessing.active_children())
        self.pool.submit(os.getpid)
        self.process = (set(multiprocessing.active_children()) - before).pop()

    def start(self, block: _Block) -> "Future[None]":
        """Let it carry out ``block``; the future says so, too, if it died before it could."""
        try:
            return self.pool.submit(_work, self.job, block)
        except BrokenProcessPool as error:
            dead: Future[None] = Future()
            dead.set_exception(error)
            return dead

    def fate(self) -> str:
        """Return how it ended."""
        self.pool.shutdown()
        self.process.join()
        code = self.process.exitcode or 0
        return f"was killed by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with code {code}"


def _report_death(block: _Block, fate: str, deaths: int) -> None:
    if deaths > 1:
        raise ResourceError(
            f"{block}: expected a worker to finish them, found that a second one {fate}; "
            "most often memory ran out: ask for fewer workers, or look at these images"
        )
    _log.warning("%s: the worker %s; doing them again", block, fate)


_computing: dict[str, Compute[Any]] = {}
"""In a worker: what its job began with. A worker serves one job."""


def _enter() -> None:
    """Make this process a worker on one thread."""
    enter()
    torch.set_num_threads(1)


def _work(job: _Job, block: _Block) -> None:
    if not _computing:
        _computing["job"] = job.begin(job.config, job.run)
    _carry_out(_computing["job"], job.run, block)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
