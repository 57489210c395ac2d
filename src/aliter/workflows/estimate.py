"""Estimate what a run will take: every stage is tried at two small sizes, and a line goes through what that took."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, prod
from pathlib import Path
from statistics import fmean
from typing import Any

import zarr

from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.images import IN_MEMORY, Images
from aliter.data.run import Run
from aliter.data.sample import Census
from aliter.workflows import name_of, workflow
from aliter.workflows.stage import Stage
from aliter.workflows.trial import Trial

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
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Of axes that a trial cuts short, by their names."""

    @property
    def effort(self) -> float:
        """What its time grows with."""
        return self.items if self.work is None else self.work


def _nothing(config: Any, stage: str, run: Run) -> Mapping[str, int]:
    return {}


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
    stand_in: Callable[[Any, str, Run], Mapping[str, int]] = _nothing
    """``stand_in(config, stage, run)``, called after each stage: puts in place what the next are tried on, where that
    is not what it left: what networks would find that had learned for longer, or one array for many alike. Returns
    for how many one stands, by what comes first in their names."""


@dataclass(frozen=True)
class ArraySize:
    """Arrays of one kind that a stage will write."""

    name: str
    """Their names; ``{number}`` and ``{pair}`` stand for what they differ in."""
    arrays: int
    """How many there are."""
    dtype: str
    shape: tuple[int, ...]
    """Of one, on average."""
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


def estimate(
    room: Room, config: Spec, found: Census, folder: Path, device: str = "cpu", trust: bool = False
) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in ``folder``; return the images it was tried on, and what each stage will take in full.

    Steps follow from the plans, checkpoints from those of the trial; arrays, files, memory and time from lines.
    """
    stages: tuple[Stage, ...] = workflow(name_of(config)).STAGES
    trials, amounts = list[Trial](), [room.amounts(config, found)]
    for size, steps in _STEPS.items():
        start, place = time.perf_counter(), folder / str(size)
        place.mkdir(parents=True)
        small = room.small(config, found, size, place / "sample.zarr")
        sampling, run = time.perf_counter() - start, Run(place / "run", small, device, trust=trust)
        trial = Trial(run, place / "sample.zarr", found.copied, sampling)
        trial.go_through(stages, small, steps, room.stand_in)
        trials.insert(0, trial)
        amounts.insert(0, room.amounts(small, room.survey(small)))
    cache = found.bytes if found.bytes <= IN_MEMORY else 0
    asked = [stage.name for stage in stages if stage.needed(config)]
    twice = (_Twice(name, trials, [one.get(name, Amount()) for one in amounts]) for name in asked)
    return trials[0].images, tuple(one.cost(cache) for one in twice)


def line(at: tuple[float, float], found: tuple[float, float], wanted: float) -> float:
    """Return at ``wanted`` the line through two points, more and less: never falling, never below nothing.

    With one point, ``at`` twice the same, the value is taken to grow in proportion.
    """
    (more, less), (high, low) = at, found
    if more == less:
        return high * wanted / more
    slope = max(0.0, (high - low) / (more - less))
    return max(0.0, high + slope * (wanted - more))


@dataclass(frozen=True)
class _Twice:
    """A stage that was tried at two sizes."""

    name: str
    trials: Sequence[Trial]
    """At more, at less."""
    amounts: Sequence[Amount]
    """In these, and in full."""

    def cost(self, cache: int) -> Cost:
        """Return what it will take in full; ``cache`` bytes of images are held in memory."""
        (more, less), name, (much, little, full) = self.trials, self.name, self.amounts
        fits, files, times = more.fits(name), more.files(name), full.fits / much.fits
        kept, followed = [one.kept(files) for one in fits], [one.followed(files) for one in fits]
        learning = sum(one.plan["steps"] * one.each("step", "first") + one.saves * one.each("save") for one in fits)
        judging = self._at(one.judging(name) for one in self.trials)
        rest = line((much.effort, little.effort), (more.rest(name), less.rest(name)), full.effort)
        alike = fmean([more.stands(name, form) for form in more.arrays[name]] or [1])
        return Cost(
            name,
            steps=max((one.plan["steps"] for one in fits), default=0),
            checkpoint=max((one for one, _ in kept), default=0),
            checkpoints=round(times * sum(stay for _, stay in kept)),
            arrays=tuple(self._sized(form) for form in more.arrays[name]),
            files=round(self._at(one.beside(name) for one in self.trials) + times * sum(followed)),
            memory=round(self._at((one.watched[name].peak for one in self.trials), full.held)) + cache,
            libraries=less.watched[name].libraries,
            seconds=times * (learning + judging) + alike * rest,
        )

    def _at(self, found: Iterable[float], most: float = inf) -> float:
        """Return in full what was ``found`` in the trials, for ``most`` items at most."""
        (more, less), (much, little, full) = found, self.amounts
        return line((much.items, little.items), (more, less), min(full.items, most))

    def _sized(self, form: str) -> ArraySize:
        """Return how large the arrays of one form will be."""
        found = [one.arrays[self.name].get(form, ()) for one in self.trials]
        one, other = (max(some or found[0], key=_bytes) for some in found)
        axes, lengths = list(zip(layout.axes_of(one), one.shape, other.shape, strict=True)), self.amounts[-1].lengths
        cut = prod(lengths[axis] / length for axis, length, _ in axes if axis in lengths)
        stands = self.trials[0].stands(self.name, form)
        count = stands * max(1, round(self._at(map(len, found))))
        size = round(stands * cut * self._at(sum(map(_bytes, some)) for some in found))
        rest = [lengths.get(axis, a if a == b else round(self._at((a, b)))) for axis, a, b in axes][1:]
        rows = size / max(1, count * prod(rest) * one.dtype.itemsize)
        return ArraySize(form, count, str(one.dtype), (round(rows), *rest)[: one.ndim], size)


def _bytes(array: zarr.Array[Any]) -> int:
    return array.nbytes
