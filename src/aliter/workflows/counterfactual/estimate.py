"""Estimate what a run will take, by trying every stage on a handful of the images."""

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zarr

from aliter.data import layout, ledger
from aliter.data.images import SPLITS, Images, Split
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.train.plan import Fit
from aliter.workflows.counterfactual.classify import classifier_of, predicted
from aliter.workflows.counterfactual.translate import KINDS, examine, translator_of
from aliter.workflows.stage import Stage
from aliter.workflows.trial import ArraySize, Clocked, Cost, Watched, line, timed, tried

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

_CACHE = 1 << 30
"""Images up to so many bytes are held in memory by ``Images``."""
_PERIOD = 8
"""Steps that are clocked at most."""
_ATTRIBUTED = 16
"""Pairs that ``attribute`` takes at once."""


def survey(config: "Config") -> Census:
    """Return what is known of the images that ``config`` names, from headers alone."""
    return census(config.images, config.range)


def estimate(config: "Config", found: Census, folder: Path, device: str) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in ``folder``; return the images it was tried on and what each stage will take in full.

    Steps, arrays and checkpoints follow from what the trial wrote; memory and time are measured and scaled.
    """
    start = time.perf_counter()
    images = write_sample(config.images, found, folder / "sample.zarr")
    drawing = (time.perf_counter() - start) / len(images) * int(found.counts.sum()) if found.copied else 0.0
    run = Run(folder / "run", config, device)
    trial = _Trial(config, found, images, run)
    with run.working():
        timed(trial.stages["gather"], trial.small(), run)
        copies = tuple(_copies(trial)) if found.copied else ()
        gather = Cost("gather", arrays=copies, memory=trial.cache, seconds=drawing)
        classify, translate = _classify(trial), _translate(trial)
        passes = [_explain(trial, count) for count in dict.fromkeys((trial.most, 1))]
    generate, attribute, evaluate, report = (_inference(trial, passes, name) for name in _WANTED)
    judged = translate.checkpoint + _peak(trial, passes, "generate", layout.ROWS)
    translate = replace(translate, memory=max(translate.memory, judged + trial.cache))
    costs = (gather, classify, translate, generate, attribute, evaluate, report)
    arrays = passes[0].arrays
    return images, tuple(replace(one, arrays=one.arrays + arrays.get(one.stage, ())) for one in costs)


@dataclass(frozen=True)
class _Trial:
    config: "Config"
    found: Census
    images: Images
    """The handful."""
    run: Run

    @cached_property
    def stages(self) -> dict[str, Stage]:
        from aliter.workflows.counterfactual import STAGES

        return {stage.name: stage for stage in STAGES}

    @property
    def cache(self) -> int:
        """Bytes of images that are held in memory."""
        return self.found.bytes if self.found.bytes <= _CACHE else 0

    @cached_property
    def explained(self) -> list[int]:
        """Images of each class that will be explained."""
        limit = self.config.generate.count
        return [min(count, limit or count) for count in self.of(self.config.generate.split)]

    @property
    def most(self) -> int:
        """Images of each class that the trial explains at most."""
        split = self.config.generate.split
        classes = range(len(self.found.classes))
        return min(*self.explained, *(len(self.images.split(split, label)) for label in classes))

    def of(self, split: Split) -> list[int]:
        """Return the number of images of each class in ``split``."""
        return [int(count) for count in self.found.counts[:, SPLITS.index(split)]]

    def small(self, **changes: Mapping[str, Any]) -> "Config":
        """Return the config on the handful, its blocks changed where named."""
        blocks: dict[str, dict[str, Any]] = {
            "translate": {"tries": 1, "judge_tries": 1},
            "generate": {"tries": self.config.generate.keep},
        }
        for name, values in changes.items():
            blocks[name] = {**blocks.get(name, {}), **values}
        updated = {name: getattr(self.config, name).model_copy(update=values) for name, values in blocks.items()}
        return self.config.model_copy(update={"images": self.images.path, "range": self.found.range, **updated})


def _classify(trial: _Trial) -> Cost:
    plan = trial.config.classify.fit
    cost, step = _fitted(trial, "classify", plan)
    numbers = trial.images.split("val")
    probe = classifier_of(trial.small(), trial.run)
    start = time.perf_counter()
    predicted(probe, trial.images, numbers)
    each = (time.perf_counter() - start) / len(numbers)
    judged = _judgements(plan) * sum(trial.of("val")) + sum(trial.of("val")) + sum(trial.of("test"))
    return replace(cost, seconds=plan.steps * step + judged * each)


def _translate(trial: _Trial) -> Cost:
    choice, small = trial.config.translate, trial.small()
    cost, step = _fitted(trial, "translate", choice.fit)
    translator, probe = translator_of(small, trial.run), classifier_of(small, trial.run)
    start = time.perf_counter()
    examine(translator, KINDS[0], trial.images, probe, 1)
    each = (time.perf_counter() - start) / len(trial.images.split("val"))
    judged = sum(trial.of("val")) * len(KINDS) * (_judgements(choice.fit) * choice.judge_tries + choice.tries)
    return replace(cost, seconds=choice.fit.steps * step + judged * each)


def _fitted(trial: _Trial, name: str, plan: Fit) -> tuple[Cost, float]:
    """Try one step, watched, then some more, clocked; return what the fit keeps and holds, and seconds a step."""
    stage, block = trial.stages[name], getattr(trial.config, name)
    first = trial.small(**{name: {"fit": plan.model_copy(update={"steps": 1})}})
    watched = tried(stage, first, trial.run, 1)
    objective = Clocked(block.objective)
    period = min(getattr(block.objective, "r1_every", 1), _PERIOD)
    plan_on = plan.model_copy(update={"steps": 2 + max(2, period)})
    on = trial.small(**{name: {"fit": plan_on, "objective": objective}})
    timed(stage, on, trial.run, plan_on.steps)
    sizes = _checkpoints(trial.run, name)
    full, start, best = max(sizes["kept"]), min(sizes["kept"]), sum(sizes["best"])
    saves = ceil(plan.steps / plan.save_every)
    stay = full * min(plan.keep, saves) + (start if plan.keep > saves else 0) + best
    memory = watched.peak + full + trial.cache
    return Cost(name, plan.steps, full, stay, memory=memory), objective.seconds


def _checkpoints(run: Run, stage: str) -> dict[str, list[int]]:
    """Return the bytes of the checkpoints that a stage of the trial left."""
    sizes: dict[str, list[int]] = {"kept": [], "best": []}
    for output in ledger.outputs(run.path, stage):
        if output.startswith("checkpoints/"):
            which = "best" if re.search(r"-best-\d+\.safetensors$", output) else "kept"
            sizes[which].append((run.path / output).stat().st_size)
    return sizes


def _judgements(plan: Fit) -> int:
    return ceil(plan.steps / plan.judge_every)


@dataclass(frozen=True)
class _Pass:
    """The stages that explain, tried on so many images of each class."""

    count: int
    watched: dict[str, Watched]
    arrays: dict[str, tuple[ArraySize, ...]]
    """What each stage will write in full."""
    page: int
    """Bytes of the report."""


def _explain(trial: _Trial, count: int) -> _Pass:
    config, run = trial.small(generate={"count": count}), trial.run
    watched = {"generate": tried(trial.stages["generate"], config, run)}
    _prune(run)
    for name in ("attribute", "evaluate", "report"):
        watched[name] = tried(trial.stages[name], config, run)
    page = sum(path.stat().st_size for path in (run.path / "report").rglob("*") if path.is_file())
    return _Pass(count, watched, _written(trial), page)


def _prune(run: Run) -> None:
    """Leave only the first pair of each kind: the others cost the same."""
    kinds: set[str] = set()
    for name in run.names():
        kind, _, pair = name.partition("/generated/")
        if pair and kind in kinds:
            shutil.rmtree(run.path / "store.zarr" / name)
        elif pair:
            kinds.add(kind)


def _pairs(trial: _Trial) -> int:
    """Return the number of pairs of each kind: every explained image with every other class."""
    return sum(trial.explained) * (len(trial.found.classes) - 1)


def _images_each(trial: _Trial) -> float:
    choice = trial.config.generate
    return sum(trial.explained) / len(trial.explained) * choice.tries / choice.keep


def _items(trial: _Trial) -> float:
    return min(_pairs(trial), trial.config.report.items / trial.config.generate.keep)


_WANTED = {"generate": _images_each, "attribute": _pairs, "evaluate": _pairs, "report": _items}
"""Images a class that the trial would have to explain to take as long as the run will."""


def _inference(trial: _Trial, passes: list[_Pass], name: str) -> Cost:
    wanted = _WANTED[name](trial)
    seconds = _line(passes, [one.watched[name].seconds for one in passes], wanted)
    files = _line(passes, [one.page for one in passes], wanted) if name == "report" else 0
    memory = _peak(trial, passes, name, _ATTRIBUTED if name == "attribute" else layout.ROWS)
    cache = trial.cache if name == "generate" else 0
    return Cost(name, files=round(files), memory=memory + cache, seconds=seconds)


def _peak(trial: _Trial, passes: list[_Pass], name: str, block: int) -> int:
    """Return the bytes at the peak of a stage that takes so many images at once, and a shard's from the store."""
    most = max(trial.explained)
    tensors = _line(passes, [one.watched[name].peak for one in passes], min(most, block))
    image = prod(trial.found.shape) * 4
    arrays = image * min(most, layout.ROWS) * (2 + 2 * trial.config.generate.keep)
    return round(tensors) + arrays


def _line(passes: list[_Pass], values: list[float] | list[int], wanted: float) -> float:
    return line((passes[0].count, passes[-1].count), (values[0], values[-1]), wanted)


def _written(trial: _Trial) -> dict[str, tuple[ArraySize, ...]]:
    """Return, by stage, the arrays of the trial as large as they will be."""
    found: dict[str, dict[str, ArraySize]] = {}
    for name in trial.run.names():
        array = trial.run.array(name)
        size = _full(trial, name, array)
        found.setdefault(str(layout.attributes(array)["stage"]), {}).setdefault(size.name, size)
    return {stage: tuple(sizes.values()) for stage, sizes in found.items()}


def _full(trial: _Trial, name: str, array: zarr.Array[Any]) -> ArraySize:
    """Return ``array`` and its siblings of the other classes or pairs, as large as they will be."""
    axes: tuple[str, ...] = getattr(array.metadata, "dimension_names", None) or ("",) * array.ndim
    shape = [trial.config.generate.tries if axis == "try" else n for axis, n in zip(axes, array.shape, strict=True)]
    prefix, _, last = name.rpartition("/")
    lengths, form = [shape[0]], name
    if axes[0] == "index" and re.fullmatch(r"\d+", last):
        lengths, form = trial.explained, f"{prefix}/{{class}}"
    elif axes[0] == "index":
        others = len(trial.found.classes) - 1
        lengths, form = [count for count in trial.explained for _ in range(others)], f"{prefix}/{{pair}}"
    return _sized(form, lengths, array, tuple(shape[1:]))


def _copies(trial: _Trial) -> Iterator[ArraySize]:
    """Yield the arrays of the store of images, and of what was planted in it."""
    for name in ledger.arrays(trial.images.path):
        prefix, _, last = name.rpartition("/")
        array = layout.array(trial.images.root, name)
        if last == "0":
            yield _sized(f"{prefix}/{{class}}", [len(ids) for ids in trial.found.ids], array, array.shape[1:])
        elif last == "0_1":
            others = len(trial.found.classes) - 1
            lengths = [count for count in trial.of("test") for _ in range(others)]
            yield _sized(f"{prefix}/{{pair}}", lengths, array, array.shape[1:])


def _sized(name: str, lengths: list[int], array: zarr.Array[Any], rest: tuple[int, ...]) -> ArraySize:
    """Return arrays of these ``lengths`` whose rows have the shape ``rest``."""
    size = sum(lengths) * prod(rest) * array.dtype.itemsize
    return ArraySize(name, len(lengths), array.dtype.name, (max(lengths), *rest), size)
