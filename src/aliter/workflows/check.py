"""Say what was understood of a config, and what it will take, before anything is spent."""

import json
import shutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from aliter.core.errors import ResourceError
from aliter.core.spec import Spec
from aliter.data import ledger
from aliter.data.doctor import memory_total
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.sample import Census
from aliter.workflows import WORKFLOWS, name_of, workflow
from aliter.workflows.estimate import Cost, estimate
from aliter.workflows.stage import Due, due

_LIBRARIES = 60 << 20
"""Bytes that libraries take for themselves once they work, at least: buffers, plots, caches."""
_DEPTHS = (8, 10, 12, 14, 16)


@dataclass(frozen=True)
class Planned:
    """One stage: whether it will run, and what it will take."""

    name: str
    why: str
    """Why it must run; "done" if it need not."""
    begins: int
    """Steps that an earlier run has already made."""
    cost: Cost

    @property
    def due(self) -> bool:
        """Whether it will run."""
        return self.why != "done"

    @property
    def steps(self) -> int:
        """Steps that are left."""
        return max(0, self.cost.steps - self.begins)

    @property
    def seconds(self) -> float:
        """Time that is left, roughly, at most."""
        return self.cost.seconds * (self.steps / self.cost.steps if self.cost.steps else 1)


@dataclass(frozen=True)
class Understood:
    """What was understood of a config, and what is estimated; sizes in bytes, uncompressed."""

    images: Census
    observed: tuple[float, float]
    """Lowest and highest intensity in a sample of the images."""
    sampled: int
    """Images in that sample."""
    stages: tuple[Planned, ...]
    free: int
    """Bytes free where the run will lie."""
    memory_there: int | None
    """Bytes of memory in this machine, where known."""

    @property
    def disk(self) -> int:
        """Bytes that the stages still to run will write at most; a checkpoint goes once its successor is there."""
        waiting = [one.cost for one in self.stages if one.due]
        return sum(one.disk for one in waiting) + max((one.checkpoint for one in waiting), default=0)

    @property
    def memory(self) -> int:
        """Bytes of memory at the peak."""
        waiting = [one.cost for one in self.stages if one.due]
        libraries = max(_LIBRARIES, sum(one.libraries for one in waiting))
        return libraries + max((one.memory for one in waiting), default=0)

    @property
    def seconds(self) -> float:
        """Time of all stages still to run, roughly, at most."""
        return sum(one.seconds for one in self.stages if one.due)

    @property
    def shortage(self) -> ResourceError | None:
        """What does not fit on the disk or into memory; None if all does."""
        parts: list[str] = []
        if self.disk > self.free:
            parts.append(f"expected {size(self.disk)} of disk, found {size(self.free)} free")
        if self.memory_there is not None and self.memory > self.memory_there:
            parts.append(f"expected {size(self.memory)} of memory, found {size(self.memory_there)}")
        if not parts:
            return None
        return ResourceError(f"{'; '.join(parts)}; make room, explain fewer images, or take smaller batches")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is odd in the images, in sentences."""
        return tuple(_range_warnings(self.images, self.observed))


def check(config: Spec, path: Path, device: str = "cpu", trust: bool = False) -> Understood:
    """Return what was understood of ``config``, for a run at ``path`` that may exist; nothing there is changed.

    A few steps of each fit and a few images of each stage are tried in a temporary folder, which goes again;
    ``trust`` lets a model file of the user's own, which is code, be loaded.

    Raises
    ------
    RequestError
        If the images or the run are not what the config says.
    DataError
        If files cannot be used: lists them all.
    """
    name = name_of(config)
    run, room = Run(path, config, device), import_module(f"{WORKFLOWS[name]}.estimate").ROOM
    found: Census = room.survey(config)
    waiting = {one.stage.name: one for one in due(workflow(name).STAGES, config, run)}
    with TemporaryDirectory(prefix="aliter-check-") as folder:
        sample, costs = estimate(room, config, found, Path(folder), device, trust)
        observed, sampled = _observed(sample), len(sample)
    planned = tuple(_planned(run, waiting.get(one.stage), one) for one in costs)
    return Understood(found, observed, sampled, planned, free_at(path), memory_total())


def free_at(path: Path) -> int:
    """Return the bytes that are free where ``path`` lies or will lie."""
    there = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


def size(count: int) -> str:
    """Return ``count`` bytes as people read them."""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"


def _planned(run: Run, waiting: Due | None, cost: Cost) -> Planned:
    if waiting is None:
        return Planned(cost.stage, "done", cost.steps, cost)
    return Planned(cost.stage, waiting.why, _begins(run, waiting) if cost.steps else 0, cost)


def _begins(run: Run, waiting: Due) -> int:
    """Return the step at which a fit will go on: where it was stopped, or where its finished result ends."""
    name = waiting.stage.name
    folder = ledger.beside(run.path, name)
    note = folder / "key.json"
    if note.is_file() and waiting.key.continues(ledger.Key(**json.loads(note.read_text(encoding="utf-8")))):
        return _newest([path.as_posix() for path in folder.glob("checkpoints/*.safetensors")])
    done = run.finished.get(name)
    return _newest(list(ledger.outputs(run.path, name))) if done and waiting.key.continues(done) else 0


def _newest(names: list[str]) -> int:
    """Return the latest step among the checkpoints ``names``, the best one aside."""
    kept = [Path(one).stem for one in names if one.endswith(".safetensors") and "-best-" not in one]
    return max((int(stem.rpartition("-")[2]) for stem in kept), default=0)


def _observed(images: Images) -> tuple[float, float]:
    lows, highs = [], []
    for _, numbers in images.blocks(np.arange(len(images))):
        block = images.take(numbers)
        lows.append(float(block.min()))
        highs.append(float(block.max()))
    return min(lows), max(highs)


def _range_warnings(images: Census, observed: tuple[float, float]) -> list[str]:
    (low, high), (least, most) = images.range, observed
    stated, seen = f"[{low:g}, {high:g}]", f"{least:g} to {most:g}"
    if least == most:
        return [f"every value in the sample is {least:g}; expected images that show something"]
    if least < low or most > high:
        return [f"values from {seen} leave the range {stated}; declare one that holds them"]
    fitting = [bits for bits in _DEPTHS if most < 2**bits]
    if np.issubdtype(images.dtype, np.integer) and low == 0 and fitting and 2 ** fitting[0] - 1 < high / 2:
        top = 2 ** fitting[0] - 1
        kind = f"{round(np.log2(high + 1))}-bit range" if np.log2(high + 1).is_integer() else f"range {stated}"
        return [f"{fitting[0]}-bit data in a {kind} (found {seen}): use range: [0, {top}]"]
    if most - least < (high - low) / 8:
        return [f"values from {seen} fill less than an eighth of the range {stated}; declare one that fits them closer"]
    return []
