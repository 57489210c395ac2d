"""Stages tried on a handful of images, watched: how long they take and how much memory their tensors hold."""

import ctypes
import gc
import re
import sys
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, UntypedStorage, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aliter.core.batch import Batch
from aliter.core.objective import Objective, Turn
from aliter.core.spec import Spec
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.workflows.stage import Stage, View

_LIBRARY = 16
"""Modules that count as a library."""


@dataclass(frozen=True)
class ArraySize:
    """Arrays of one kind that a stage will write."""

    name: str
    """Their names; ``{class}`` and ``{pair}`` stand for what they differ in."""
    arrays: int
    """How many there are."""
    dtype: str
    shape: tuple[int, ...]
    """Of the largest."""
    bytes: int
    """Of all together, uncompressed."""


@dataclass(frozen=True)
class Cost:
    """What one stage will take."""

    stage: str
    steps: int = 0
    """Steps of its fit at most, from the first; 0 for a stage that fits nothing."""
    checkpoint: int = 0
    """Bytes of one full checkpoint."""
    checkpoints: int = 0
    """Bytes of all checkpoints that stay."""
    arrays: tuple[ArraySize, ...] = ()
    files: int = 0
    """Bytes of other files, roughly."""
    memory: int = 0
    """Bytes that tensors and cached images hold at the peak, roughly."""
    libraries: int = 0
    """Bytes of libraries that it is the first to load."""
    seconds: float = 0.0
    """Roughly, at most."""

    @property
    def disk(self) -> int:
        """Bytes that stay, uncompressed."""
        return self.checkpoints + sum(one.bytes for one in self.arrays) + self.files


@dataclass(frozen=True)
class Watched:
    """What a stage took when it was tried."""

    seconds: float
    peak: int
    """Bytes of tensors and other objects alive at once, at most."""
    libraries: int = 0
    """Bytes of what it was the first to load."""


class LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of all tensors that operations make while it is entered, for as long as they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._sizes: dict[weakref.ref[UntypedStorage], int] = {}
        self._known: dict[int, weakref.ref[UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Let an operation run, and count what it gives."""
        found = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(found):
            if isinstance(leaf, Tensor):
                self._add(leaf.untyped_storage())
        return found

    def _add(self, storage: UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return

        def drop(reference: "weakref.ref[UntypedStorage]") -> None:
            self.live -= self._sizes.pop(reference, 0)
            if self._known.get(key) is reference:
                del self._known[key]

        reference = weakref.ref(storage, drop)
        self._known[key], self._sizes[reference] = reference, size
        self.live += size
        self.peak = max(self.peak, self.live)


@dataclass(frozen=True)
class Clocked:
    """An objective that notes when each step begins; ``fit`` plays it as the one inside."""

    inside: Objective
    begun: list[float] = field(default_factory=list)
    """Seconds of a clock."""

    @property
    def kind(self) -> str:
        """Name of the one inside."""
        return self.inside.kind

    @property
    def turns(self) -> tuple[Turn, ...]:
        """Turns of the one inside."""
        return self.inside.turns

    def losses(self, turn: Turn, nets: Mapping[str, nn.Module], batch: Batch) -> dict[str, Tensor]:
        """Return the terms of the one inside."""
        if turn.name == self.turns[0].name:
            self.begun.append(time.perf_counter())
        return self.inside.losses(turn, nets, batch)

    @property
    def seconds(self) -> float:
        """The mean time from the start of one step to the start of the next."""
        return (self.begun[-1] - self.begun[0]) / (len(self.begun) - 1)


def tried(stage: Stage, config: Spec, run: Run, steps: int = 0) -> Watched:
    """Run ``stage`` in the trial ``run`` and watch it; a fit of more ``steps`` than before goes on."""
    start = time.perf_counter()
    with run.stage(stage.name, Key("trial", {"steps": steps})), LiveTensors() as memory:
        stage.function(View(config, stage), run)
    return Watched(time.perf_counter() - start, memory.peak)


def attempted(stage: Stage, config: Spec, run: Run, steps: int) -> Watched:
    """Run ``stage`` in the trial ``run`` and watch it; fits in it make so many ``steps``.

    One that loads libraries is run again, its fits going on for as many: loading is no part of what it takes. The peak
    is the one of this process beyond what it held, where the system tells that; elsewhere tensors alone are counted.
    """
    run.most, known, libraries, before = 0, -_LIBRARY, 0, _begin_peak()
    while len(sys.modules) >= known + _LIBRARY:
        known, run.most = len(sys.modules), run.most + steps
        if before is None:
            return tried(stage, config, run, run.most)
        seconds = timed(stage, config, run, run.most)
        peak, now = (_resident("VmHWM") or before) - before, _begin_peak()
        found, libraries, before = Watched(seconds, peak, libraries), libraries + max(0, (now or before) - before), now
    return found


def _begin_peak() -> int | None:
    """Let the peak of this process begin anew; return the bytes that it holds now, None if no peak can be known."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except (OSError, AttributeError):
        return None
    return _resident("VmRSS")


def _resident(name: str) -> int | None:
    """Return a number of bytes that Linux knows of this process."""
    status = Path("/proc/self/status")
    found = re.search(rf"{name}:\s+(\d+) kB", status.read_text(encoding="ascii")) if status.is_file() else None
    return int(found[1]) * 1024 if found else None


def timed(stage: Stage, config: Spec, run: Run, steps: int = 0) -> float:
    """Run ``stage`` in the trial ``run`` as it will be run; return the seconds."""
    start = time.perf_counter()
    with run.stage(stage.name, Key("trial", {"steps": steps})):
        stage.function(View(config, stage), run)
    return time.perf_counter() - start


def line(at: tuple[float, float], found: tuple[float, float], wanted: float) -> float:
    """Return at ``wanted`` the line through two points, more and less: never falling, never below nothing.

    With one point, ``at`` twice the same, the value is taken to grow in proportion.
    """
    (more, less), (high, low) = at, found
    if more == less:
        return high * wanted / more
    slope = max(0.0, (high - low) / (more - less))
    return max(0.0, high + slope * (wanted - more))
