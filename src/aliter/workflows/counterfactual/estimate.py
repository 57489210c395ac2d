"""Estimate what a run will take, by trying every stage on a handful of the images."""

import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aliter.data import layout, ledger
from aliter.data.images import IN_MEMORY, Images
from aliter.data.labelled import Labelled
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.data.simulate.store import write_simulation
from aliter.data.splits import SPLITS, Split
from aliter.nets.own import Own
from aliter.train.fit import Game, fit
from aliter.train.plan import Fit
from aliter.workflows.classifier import labelled, predicted
from aliter.workflows.counterfactual.attribute import BATCH
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.generate import generates
from aliter.workflows.counterfactual.given import Explained
from aliter.workflows.counterfactual.sizes import Counts, Held, held
from aliter.workflows.counterfactual.translate import KINDS, examine, pairs, translator_of
from aliter.workflows.gather import require_planes
from aliter.workflows.stage import Stage
from aliter.workflows.trial import ArraySize, Clocked, Cost, LiveTensors, Watched, line, timed, tried

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

_PERIOD = 8
"""Steps that are clocked at most."""
_DRAWN = 40
"""Images of each class that are drawn at most: 4 of them are in the test split."""


def survey(config: "Config") -> Census:
    """Return what is known of the images that ``config`` names, from headers alone.

    Raises
    ------
    DataError
        If images cannot be used, or a split that is needed holds none.
    """
    found = census(config.images, config.range)
    require_planes(found.shape)
    each: set[Split] = {"train", "val"} if generates(config) else set()
    if config.generate.split != "all":
        each.add(config.generate.split)
    for label in range(len(found.classes)):
        found.require(sorted(each), label)
    if not isinstance(config.classify.net, Own):
        found.require(SPLITS)
    return found


def estimate(config: "Config", found: Census, run: Run) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in the new ``run``; return the images it was tried on and what each stage will take in full.

    Steps, arrays and checkpoints follow from what the trial wrote; memory and time are measured and scaled.
    """
    start = time.perf_counter()
    images = _sample(config, found, run.path / "sample.zarr")
    drawing = (time.perf_counter() - start) / len(images) * int(found.counts.sum()) if found.copied else 0.0
    trial = _Trial(config, found, images, run)
    with run.working():
        timed(trial.stages["gather"], trial.small(), run)
        copies = tuple(trial.counts.copies(images)) if found.copied else ()
        gather = Cost("gather", arrays=copies, memory=trial.cache, seconds=drawing)
        fits = [_classify(trial), *([_translate(trial)] if generates(config) else [])]
        passes = [_explain(trial, count) for count in dict.fromkeys((trial.most, 1))]
    costs = [gather, *fits, *(_inference(trial, passes, name) for name in _STAGES)]
    return images, tuple(
        replace(one, arrays=one.arrays + passes[0].arrays.get(one.stage, ()), files=one.files + _files(run, one.stage))
        for one in costs
    )


def _sample(config: "Config", found: Census, out: Path) -> Images:
    """Write a few images; a simulator plants its own pairs, unless others are given."""
    if isinstance(config.images, Path | Labelled) or config.pairs is not None:
        return write_sample(config.images, found, out)
    write_simulation(config.images.model_copy(update={"count": min(config.images.count, _DRAWN)}), out)
    return Images(out, found.range)


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

    @cached_property
    def counts(self) -> Counts:
        return Counts(self.config, self.found)

    @property
    def cache(self) -> int:
        """Bytes of images that are held in memory."""
        return self.found.bytes if self.found.bytes <= IN_MEMORY else 0

    @property
    def most(self) -> int:
        """Images of each class that the trial explains at most."""
        sample = Explained(self.images, self.config.generate.split)
        there = (len(sample.whole(label)) for label in range(len(self.found.classes)))
        return min(4, *self.counts.explained, *there)

    @cached_property
    def given(self) -> Path | None:
        """Where pairs are given; one that tells rows by their order alone is dressed with ids."""
        path = self.config.pairs
        if path is None or not (path / "zarr.json").is_file() or "ids" in layout.open_store(path):
            return path
        dressed = self.run.path / "pairs.zarr"
        root = layout.open_store(dressed, "a")
        root.attrs.update(layout.attributes(layout.open_store(path)))
        for folder in (one for one in path.iterdir() if one.is_dir()):
            (dressed / folder.name).symlink_to(folder.resolve())
        split = self.config.generate.split
        for label, (ids, splits) in enumerate(zip(self.found.ids, self.found.splits, strict=True)):
            kept = [one for one, number in zip(ids, splits, strict=True) if split in ("all", SPLITS[number])]
            packed = layout.pack(kept)
            layout.create(root, f"ids/{label}", packed.shape, packed.dtype, ("index", "byte"))[...] = packed
        return dressed

    def small(self, **changes: Mapping[str, Any]) -> "Config":
        """Return the config on the handful, its blocks changed where named."""
        blocks: dict[str, dict[str, Any]] = {
            "translate": {"tries": 1, "judge_tries": 1},
            "generate": {"tries": self.config.generate.keep},
        }
        for name, values in changes.items():
            blocks[name] = {**blocks.get(name, {}), **values}
        updated = {name: getattr(self.config, name).model_copy(update=values) for name, values in blocks.items()}
        where = {"images": self.images.path, "range": self.found.range, "pairs": self.given}
        return self.config.model_copy(update=where | updated)


def _classify(trial: _Trial) -> Cost:
    choice, images = trial.config.classify, trial.images
    judgements, cost, step = 1, Cost("classify", memory=trial.cache), 0.0
    if isinstance(choice.net, Own):
        timed(trial.stages["classify"], trial.small(), trial.run)
    else:
        net = choice.net.build(images.shape[0], images.shape[1], len(images.classes))
        game = Game(choice.objective, {"classifier": net}, labelled(images))
        cost, step = _fitted(trial, "classify", game, choice.fit)
        judgements += _judgements(choice.fit)
    probe, numbers = classifier_of(trial.small(), trial.run), np.arange(len(images))
    start = time.perf_counter()
    predicted(probe, images, numbers)
    each = (time.perf_counter() - start) / len(numbers)
    judged = judgements * sum(trial.counts.of("val")) + sum(trial.counts.of("test"))
    return replace(cost, seconds=choice.fit.steps * step + judged * each)


def _translate(trial: _Trial) -> Cost:
    choice, images, small = trial.config.translate, trial.images, trial.small()
    nets = choice.net.build(images.shape[0], images.shape[1], len(images.classes))
    game = Game(choice.objective, nets, pairs(images, choice.net.latent, choice.targets))
    cost, step = _fitted(trial, "translate", game, choice.fit)
    translator, probe = translator_of(small, trial.run), classifier_of(small, trial.run)
    numbers = images.split("val")
    start = time.perf_counter()
    with LiveTensors() as memory:
        examine(translator, KINDS[0], images, probe, 1)
    each = (time.perf_counter() - start) / len(numbers)
    most = max(trial.counts.of("val"))
    block = min(most, layout.ROWS) / max(len(images.split("val", label)) for label in range(len(images.classes)))
    judged = sum(trial.counts.of("val")) * len(KINDS) * (_judgements(choice.fit) * choice.judge_tries + choice.tries)
    peak = max(cost.memory, round(memory.peak * block) + cost.checkpoint + trial.cache)
    return replace(cost, memory=peak, seconds=choice.fit.steps * step + judged * each)


def _fitted(trial: _Trial, name: str, game: Game, plan: Fit) -> tuple[Cost, float]:
    """Watch one step, then try the stage with a few, clocked; return what the fit holds and keeps, and s a step."""
    scratch = Run(trial.run.path / f"watched-{name}", trial.config, trial.run.device)
    with LiveTensors() as memory:
        fit(game, plan.model_copy(update={"steps": 1}), scratch, name)
    objective = Clocked(game.objective)
    steps = 2 + max(2, min(getattr(game.objective, "r1_every", 1), _PERIOD))
    small = trial.small(**{name: {"fit": plan.model_copy(update={"steps": steps}), "objective": objective}})
    timed(trial.stages[name], small, trial.run)
    sizes = _checkpoints(trial.run, name)
    full, start = max(sizes["kept"]), min(sizes["kept"])
    saves = ceil(plan.steps / plan.save_every)
    stay = full * min(plan.keep, saves) + (start if plan.keep > saves else 0) + sum(sizes["best"])
    peak = memory.peak + _parameters(game) + full + trial.cache
    return Cost(name, plan.steps, full, stay, memory=peak), objective.seconds


def _checkpoints(run: Run, stage: str) -> dict[str, list[int]]:
    """Return the bytes of the checkpoints that a stage of the trial left."""
    sizes: dict[str, list[int]] = {"kept": [], "best": []}
    for output in ledger.outputs(run.path, stage):
        if output.startswith("checkpoints/"):
            which = "best" if re.search(r"-best-\d+\.safetensors$", output) else "kept"
            sizes[which].append((run.path / output).stat().st_size)
    return sizes


def _files(run: Run, stage: str) -> int:
    """Return the bytes of what a stage of the trial left beside arrays, checkpoints and the report."""
    places = [run.path / output for output in ledger.outputs(run.path, stage)]
    apart = {run.path / "checkpoints", run.path / "report", run.path / "store.zarr"}
    return sum(path.stat().st_size for path in places if path.is_file() and not apart & set(path.parents))


def _judgements(plan: Fit) -> int:
    return ceil(plan.steps / plan.judge_every)


def _parameters(game: Game) -> int:
    """Return the bytes of the networks."""
    return sum(value.nbytes for net in game.nets.values() for value in net.state_dict().values())


@dataclass(frozen=True)
class _Pass:
    """The stages that explain, tried on so many images of each class."""

    count: int
    watched: dict[str, Watched]
    pairs: Held
    arrays: dict[str, tuple[ArraySize, ...]]
    """What each stage will write in full."""
    page: int
    """Bytes of the report."""


def _explain(trial: _Trial, count: int) -> _Pass:
    config, run = trial.small(generate={"count": count}), trial.run
    watched = {"generate": tried(trial.stages["generate"], config, run)}
    every = held(run)
    for kind, members in every.items():
        # The first pair of a kind stands for the others, which cost the same.
        for source, target in members[1:]:
            shutil.rmtree(run.path / "store.zarr" / kind / "generated" / f"{source}_{target}")
    for name in ("attribute", "evaluate", "report"):
        watched[name] = tried(trial.stages[name], config, run)
    page = sum(path.stat().st_size for path in (run.path / "report").rglob("*") if path.is_file())
    return _Pass(count, watched, every, trial.counts.written(run, every), page)


_STAGES = ("generate", "attribute", "evaluate", "report")


def _inference(trial: _Trial, passes: Sequence[_Pass], name: str) -> Cost:
    """Return what a stage that explains will take: the line through the passes, where the run will be."""
    choice, each = trial.config.generate, trial.counts.each(passes[0].pairs)
    mean = sum(trial.counts.explained) / len(trial.counts.explained)
    shown = min(each, trial.config.report.items / choice.keep)
    wanted = {"generate": mean * choice.tries / choice.keep, "report": shown}.get(name, each)
    most = max(trial.counts.explained)
    at_once = min(most, BATCH if name == "attribute" else layout.ROWS)
    peak = _line(passes, [one.watched[name].peak for one in passes], at_once)
    shard = prod(trial.found.shape) * 4 * min(most, layout.ROWS) * (2 + 2 * choice.keep)
    return Cost(
        name,
        files=round(_line(passes, [one.page for one in passes], shown)) if name == "report" else 0,
        memory=round(peak) + shard + (trial.cache if name == "generate" else 0),
        seconds=_line(passes, [one.watched[name].seconds for one in passes], wanted),
    )


def _line(passes: Sequence[_Pass], values: Sequence[float], wanted: float) -> float:
    return line((passes[0].count, passes[-1].count), (values[0], values[-1]), wanted)
