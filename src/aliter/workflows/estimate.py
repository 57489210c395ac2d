"""Estimate what a run will take: every stage is tried at two small sizes, and a line goes through what that took."""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, inf
from pathlib import Path
from typing import Any

import zarr

from aliter.core.spec import Spec
from aliter.data import layout, ledger
from aliter.data.images import IN_MEMORY, Images
from aliter.data.run import Run
from aliter.data.sample import Census
from aliter.workflows import name_of, workflow
from aliter.workflows.stage import Stage
from aliter.workflows.trial import ArraySize, Cost, Watched, attempted, line

_STEPS = {1: 2, 2: 5}
"""Steps of each fit at either size: the first is slower than others, and a penalty may come at every fourth."""


@dataclass(frozen=True)
class Amount:
    """How much a stage has to do."""

    items: float = 1.0
    """What its arrays, files and memory grow with: images, fields, walks."""
    work: float | None = None
    """What its time grows with, if that is something else."""
    held: float = inf
    """Items that are in memory at once, at most."""
    fits: float = 1.0
    """How often it fits each of the networks that are tried."""

    @property
    def effort(self) -> float:
        """What its time grows with."""
        return self.items if self.work is None else self.work


def _nothing(config: Any, stage: str, run: Run) -> None:
    return None


@dataclass(frozen=True)
class Room:
    """What a workflow says of itself, so that what it will take can be estimated."""

    survey: Callable[[Any], Census]
    """What is known of the images of a config, from headers alone; refuses those that cannot be used."""
    small: Callable[[Any, Census, int, Path], Spec]
    """``small(config, census, size, out)``: the config with little to do, at size 1 less than at size 2. Images that
    are read from files are first written to ``out``: a few, as a store. Fits may be left as they are."""
    amounts: Callable[[Any, Census], Mapping[str, Amount]]
    """How much each stage has to do with a config and its images; one that is not named does the same at any size."""
    stand_in: Callable[[Any, str, Run], None] = _nothing
    """``stand_in(config, stage, run)``, called after each stage: puts in place what networks would find that had
    learned for longer."""


def estimate(
    room: Room, config: Spec, found: Census, folder: Path, device: str = "cpu", trust: bool = False
) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in ``folder``; return the images it was tried on, and what each stage will take in full.

    Steps follow from the plans, checkpoints from those of the trial; arrays, files, memory and time from lines.
    """
    stages: tuple[Stage, ...] = workflow(name_of(config)).STAGES
    asked = [stage for stage in stages if stage.needed(config)]
    less, more = (_made(room, config, found, size, _Place(folder / str(size), device, trust)) for size in _STEPS)
    wanted = room.amounts(config, found)
    costs = (_cost(stage.name, less, more, wanted.get(stage.name, Amount()), found) for stage in asked)
    return more.images, tuple(costs)


@dataclass(frozen=True)
class _Place:
    folder: Path
    device: str
    trust: bool


@dataclass(frozen=True)
class _Trial:
    """A run at one size, and what was seen of it."""

    run: Run
    amounts: Mapping[str, Amount]
    watched: Mapping[str, Watched]
    sample: Path
    """Where a few images were written to, if they were."""
    copied: bool
    """Whether a run writes all of them, too."""
    sampling: float
    """Seconds that it took to write a few."""

    @property
    def images(self) -> Images:
        """Those that it was tried on."""
        inside = (path for path in sorted(self.run.path.glob("*.zarr")) if path.name != "store.zarr")
        low, high = self.run.facts["range"]
        return Images(next(inside, self.sample), (low, high))

    def amount(self, stage: str) -> Amount:
        return self.amounts.get(stage, Amount())

    def fits(self, stage: str) -> dict[str, "_Fitted"]:
        """Return what the fits of a stage took, by name: when they went on last."""
        rows = ledger.rows(self.run.path / "timings.jsonl")
        return {row["name"]: _Fitted(row) for row in rows if row["stage"] == stage and "plan" in row}

    def rest(self, stage: str) -> float:
        """Seconds of a stage beside those of its fits."""
        fitting: float = sum(one.row["seconds"] for one in self.fits(stage).values())
        return max(0.0, self.watched[stage].seconds - fitting) + (
            self.sampling if self.copied and stage == "gather" else 0.0
        )

    def files(self, stage: str) -> dict[str, int]:
        """Return the bytes of what a stage left outside of stores, by path."""
        places = (self.run.path / output for output in ledger.outputs(self.run.path, stage))
        return {path.relative_to(self.run.path).as_posix(): path.stat().st_size for path in places if path.is_file()}

    def arrays(self, stage: str) -> dict[str, list[zarr.Array[Any]]]:
        """Return the arrays that a stage wrote; those whose names differ in numbers only are together."""
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


def _made(room: Room, config: Spec, found: Census, size: int, place: _Place) -> _Trial:
    """Try every stage at one size."""
    start, sample = time.perf_counter(), place.folder / "sample.zarr"
    place.folder.mkdir(parents=True)
    small = room.small(config, found, size, sample)
    sampling = time.perf_counter() - start
    run = Run(place.folder / "run", small, place.device, trust=place.trust)
    watched: dict[str, Watched] = {}
    with run.working():
        for stage in workflow(name_of(config)).STAGES:
            if stage.needed(small):
                watched[stage.name] = attempted(stage, small, run, _STEPS[size])
                room.stand_in(small, stage.name, run)
    return _Trial(run, room.amounts(small, room.survey(small)), watched, sample, found.copied, sampling)


@dataclass(frozen=True)
class _Fitted:
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


def _cost(name: str, less: _Trial, more: _Trial, full: Amount, found: Census) -> Cost:
    """Return what one stage will take."""
    sizes = more.amount(name), less.amount(name)
    fits, before = more.fits(name).values(), less.fits(name).values()
    times = full.fits / sizes[0].fits

    def at(values: tuple[float, float], wanted: float = full.items) -> float:
        return line((sizes[0].items, sizes[1].items), values, wanted)

    steps = sum(one.plan["steps"] * one.each("step", "first") + one.saves * one.each("save") for one in fits)
    judging = at((_judging(fits), _judging(before)))
    rest = line((sizes[0].effort, sizes[1].effort), (more.rest(name), less.rest(name)), full.effort)
    files, fewer = more.files(name), less.arrays(name)
    kept = [one.kept(files) for one in fits]
    left = times * sum(one.followed(files) for one in fits)
    held = at((more.watched[name].peak, less.watched[name].peak), min(full.items, full.held))
    cache = found.bytes if found.bytes <= IN_MEMORY else 0
    return Cost(
        name,
        steps=max((one.plan["steps"] for one in fits), default=0),
        checkpoint=max((one for one, _ in kept), default=0),
        checkpoints=round(times * sum(stay for _, stay in kept)),
        arrays=tuple(_sized(form, found, fewer.get(form, []), at) for form, found in more.arrays(name).items()),
        files=round(at((_beside(files), _beside(less.files(name)))) + left),
        memory=round(held) + cache,
        libraries=less.watched[name].libraries,
        seconds=times * (steps + judging) + rest,
    )


def _judging(fits: Collection[_Fitted]) -> float:
    """Return the seconds of all judgements that plans ask for, on as many images as in the trial."""
    return sum(one.judgements * one.each("judge") for one in fits)


def _beside(files: Mapping[str, int]) -> int:
    """Return the bytes of files that no fit left."""
    return sum(size for path, size in files.items() if not path.startswith(("checkpoints/", "samples/")))


_Arrays = list[zarr.Array[Any]]


def _sized(form: str, found: _Arrays, fewer: _Arrays, at: Callable[[tuple[float, float]], float]) -> ArraySize:
    """Return how large arrays of one form will be, given those of either trial."""
    largest = max(found, key=lambda one: one.nbytes)
    before = max((one.shape for one in fewer), default=largest.shape)
    shape = tuple(round(at((float(a), float(b)))) if a != b else a for a, b in zip(largest.shape, before, strict=True))
    count = round(at((len(found), len(fewer))))
    size = round(at((sum(one.nbytes for one in found), sum(one.nbytes for one in fewer))))
    return ArraySize(form, count, str(largest.dtype), shape, size)
