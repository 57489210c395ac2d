"""Stages tried in small: how long each takes, how much memory it holds, and what it leaves."""

import ctypes
import gc
import re
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import zarr
from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from aliter.core.spec import Spec
from aliter.data import layout, ledger
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.workflows.stage import Stage, View

_LIBRARY = 16
"""Modules that count as a library."""

Arrays = Mapping[str, Sequence[zarr.Array[Any]]]
"""By form: those whose names differ in classes, pairs or other numbers only are together."""


@dataclass(frozen=True)
class Watched:
    """What a stage took when it was tried."""

    seconds: float
    peak: int
    """Bytes of tensors and other objects alive at once, at most."""
    libraries: int = 0
    """Bytes of what it was the first to load."""


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` wrote down of itself."""

    row: Mapping[str, Any]

    @property
    def plan(self) -> Mapping[str, int]:
        """What it was asked for, not only in the trial."""
        return {name: int(value) for name, value in self.row["plan"].items()}

    @property
    def judgements(self) -> int:
        """Of its plan."""
        return ceil(self.plan["steps"] / self.plan["judge_every"]) if "judge" in self.row else 0

    @property
    def saves(self) -> int:
        """Of its plan."""
        return ceil(self.plan["steps"] / self.plan["save_every"])

    def each(self, *parts: str) -> float:
        """Seconds of the first of ``parts`` that was done at all, each time."""
        known = next((self.row[part] for part in parts if part in self.row), {"times": 1, "seconds": 0.0})
        return float(known["seconds"] / known["times"])

    def kept(self, files: Mapping[str, int]) -> tuple[int, int]:
        """Bytes of one full checkpoint, and of all that stay."""
        name, keep = re.escape(self.row["name"]), self.plan["keep"]
        mine, best = (
            [size for path, size in files.items() if re.fullmatch(rf"checkpoints/{name}{which}-\d+\.safetensors", path)]
            for which in ("", "-best")
        )
        full, first = max(mine, default=0), min(mine, default=0)
        return full, full * min(keep, self.saves) + (first if keep > self.saves else 0) + sum(best)

    def followed(self, files: Mapping[str, int]) -> int:
        """Bytes of what is left by all judgements: pictures, and weights after each where an epoch ends there."""
        name, most = re.escape(self.row["name"]), 0
        for form in (rf"samples/.*/{name}-\d+\.png", rf"checkpoints/{name}-epoch\d+-\d+\.safetensors"):
            most += max((size for path, size in files.items() if re.fullmatch(form, path)), default=0)
        return most * (self.judgements + 1)


@dataclass(frozen=True)
class Trial:
    """A run at one size, and what was seen of it."""

    run: Run
    sample: Path
    """Where a few images were written to, if they were."""
    copied: bool
    """Whether a run writes all of them, too."""
    sampling: float
    """Seconds that it took to write a few."""
    watched: dict[str, Watched] = field(default_factory=dict)
    """By stage."""
    arrays: dict[str, Arrays] = field(default_factory=dict)
    """By stage: what it wrote."""
    alike: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """By stage: for how many alike an array that it wrote stands, by what comes first in its name."""

    def go_through(
        self, stages: Sequence[Stage], config: Spec, steps: int, stand_in: Callable[[Any, str, Run], Mapping[str, int]]
    ) -> None:
        """Try the ``stages`` that ``config`` needs and watch them; each fit makes so many ``steps``.

        ``stand_in`` is called after each stage; see ``Room``.
        """
        alike: Mapping[str, int] = {}
        try:
            with self.run.working():
                for stage in stages:
                    if stage.needed(config):
                        self.watched[stage.name] = watched(stage, config, self.run, steps)
                        self.arrays[stage.name], self.alike[stage.name] = self._arrays(stage.name), alike
                        alike = {**alike, **stand_in(config, stage.name, self.run)}
        finally:
            gc.unfreeze()

    @property
    def images(self) -> Images:
        """Those that it was tried on."""
        inside = (path for path in sorted(self.run.path.glob("*.zarr")) if path.name != "store.zarr")
        low, high = self.run.facts["range"]
        return Images(next(inside, self.sample), (low, high))

    def fits(self, stage: str) -> list[Fitted]:
        """Return what the fits of a stage took when they went on last."""
        rows = ledger.rows(self.run.path / "timings.jsonl")
        return list({row["name"]: Fitted(row) for row in rows if row["stage"] == stage and "plan" in row}.values())

    def judging(self, stage: str) -> float:
        """Seconds of all judgements that the plans of a stage ask for, on as many images as here."""
        return sum(one.judgements * one.each("judge") for one in self.fits(stage))

    def rest(self, stage: str) -> float:
        """Seconds of a stage beside those of its fits."""
        fitting: float = sum(one.row["seconds"] for one in self.fits(stage))
        return max(0.0, self.watched[stage].seconds - fitting) + (
            self.sampling if self.copied and stage == "gather" else 0.0
        )

    def files(self, stage: str) -> dict[str, int]:
        """Return the bytes of what a stage left outside of stores, by path."""
        places = (self.run.path / output for output in ledger.outputs(self.run.path, stage))
        return {path.relative_to(self.run.path).as_posix(): path.stat().st_size for path in places if path.is_file()}

    def beside(self, stage: str) -> int:
        """Bytes of the files of a stage that no fit left."""
        files = self.files(stage).items()
        return sum(size for path, size in files if not path.startswith(("checkpoints/", "samples/")))

    def stands(self, stage: str, form: str) -> int:
        """Return for how many alike an array of this form stands."""
        return self.alike[stage].get(form.partition("/")[0], 1)

    def _arrays(self, stage: str) -> Arrays:
        found: dict[str, list[zarr.Array[Any]]] = {}
        for store, name in self._names(stage):
            form = re.sub(r"(?<![^/])\d+(?![^/])", "{number}", re.sub(r"(?<![^/])\d+_\d+(?![^/])", "{pair}", name))
            found.setdefault(form, []).append(layout.array(layout.open_store(store), name))
        return found

    def _names(self, stage: str) -> Iterator[tuple[Path, str]]:
        for output in ledger.outputs(self.run.path, stage):
            store, inside, name = output.partition(".zarr/")
            if inside:
                yield self.run.path / f"{store}.zarr", name
        if self.copied and stage == "gather" and self.sample.is_dir():
            yield from ((self.sample, name) for name in ledger.arrays(self.sample))


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


def watched(stage: Stage, config: Spec, run: Run, steps: int) -> Watched:
    """Run ``stage`` in the trial ``run`` and watch it; fits in it make so many ``steps``.

    One that loads libraries is run again, its fits going on for as many: loading is no part of what it takes. The peak
    is the one of this process beyond what it held, where the system tells that; elsewhere tensors alone are counted.
    """
    run.most, known, libraries, before = 0, -_LIBRARY, 0, _begin_peak()
    while len(sys.modules) >= known + _LIBRARY:
        known, run.most, start = len(sys.modules), run.most + steps, time.perf_counter()
        tensors, key = LiveTensors(), ledger.Key("trial", {"steps": run.most})
        with run.stage(stage.name, key), tensors if before is None else nullcontext():
            stage.function(View(config, stage), run)
        seconds = time.perf_counter() - start
        if before is None:
            return Watched(seconds, tensors.peak)
        peak, now = (_resident("VmHWM") or before) - before, _begin_peak()
        found, libraries, before = Watched(seconds, peak, libraries), libraries + max(0, (now or before) - before), now
    return found


def _begin_peak() -> int | None:
    """Let the peak of this process begin anew; return the bytes that it holds now, None if no peak can be known."""
    gc.collect()
    gc.freeze()  # What libraries hold need not be gone through each time.
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
