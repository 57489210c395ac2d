"""Estimate what a run will take, by trying every stage with a few steps and on a part of the images."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any

from aliter.data import layout, ledger
from aliter.data.images import IN_MEMORY, Images
from aliter.data.run import Run
from aliter.data.sample import Census, census, write_sample
from aliter.data.splits import SPLITS
from aliter.nets.own import Own
from aliter.train.plan import Fit
from aliter.workflows.boundary.classify import names_of
from aliter.workflows.boundary.confuse import Guard, attempts_of
from aliter.workflows.boundary.pretrain import epochs_of
from aliter.workflows.gather import require_planes
from aliter.workflows.stage import Stage
from aliter.workflows.trial import ArraySize, Cost, Watched, timed, tried

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

_IMAGES = 1000
"""Images of each class that are tried on at most: features need many more of them than there are features."""
_STEPS = (1, 2, 10)
"""Steps of each fit: the first is watched, those up to the second and to the third are clocked."""
_DRAWN = 200
"""Images that are drawn of a generator."""
_COMPARED, _TRIES = 20, 250


def survey(config: "Config") -> Census:
    """Return what is known of the images that ``config`` names, from headers alone.

    Raises
    ------
    DataError
        If images cannot be used, or a split of a class holds none.
    """
    found = census(config.images, config.range)
    require_planes(found.shape)
    pair = [str(one) for one in config.pair or found.classes]
    for label, name in enumerate(found.classes):
        if name in pair:
            found.require(SPLITS, label)
    return found


def estimate(config: "Config", found: Census, run: Run) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in the new ``run``; return the images it was tried on and what each stage will take in full."""
    images = write_sample(config.images, found, run.path / "sample.zarr", _IMAGES)
    trial = _Trial(config, found, images, run)
    with run.working():
        return images, tuple(_COSTS[name](trial, name) for name in trial.stages)


@dataclass(frozen=True)
class _Trial:
    config: "Config"
    found: Census
    images: Images
    """Those that are tried on."""
    run: Run
    watched: dict[str, Watched] = field(default_factory=dict)

    @cached_property
    def stages(self) -> dict[str, Stage]:
        from aliter.workflows.boundary import STAGES

        return {stage.name: stage for stage in STAGES}

    @property
    def cache(self) -> int:
        """Bytes of images that are held in memory."""
        return self.found.bytes if self.found.bytes <= IN_MEMORY else 0

    @property
    def drawn(self) -> int:
        return min(_DRAWN, self.config.select.count)

    def small(self, steps: int = _STEPS[-1]) -> "Config":
        """Return the config with fits of so many steps, one attempt, and few images at every later stage."""
        config, few = self.config, {"steps": steps, "judge_every": _STEPS[-1], "patience": 0}
        search = config.cluster.search
        blocks: dict[str, Mapping[str, Any]] = {
            "measure": {"count": min(self.drawn, config.measure.count)},
            "confuse": {
                "classifiers": (attempts_of(config)[0].classifier,),
                "starts": ("last",),
                "weights": config.confuse.weights[-1:],
                "guard": Guard(accuracy=0, confusion=0),
            },
            "select": dict.fromkeys(("classifier", "start", "weight", "epoch")) | {"count": self.drawn},
            "compare": {"count": min(_COMPARED, config.compare.count), "tries": min(_TRIES, config.compare.tries)},
            "cluster": {"resamples": 1, "search": search and search.model_copy(update={"trials": 2})},
            "prototypes": {"resamples": 1},
        }
        for name in ("classify", "measure", "pretrain", "confuse"):
            plan = getattr(config, name).fit.model_copy(update=few)
            blocks[name] = {**blocks.get(name, {}), "fit": plan}
        updated = {name: getattr(config, name).model_copy(update=values) for name, values in blocks.items()}
        return config.model_copy(update={"images": self.images.path, "range": self.found.range} | updated)

    def arrays(self, stage: str, factor: float) -> tuple[ArraySize, ...]:
        """Return what a stage of the trial wrote, so many times as much."""
        arrays = [self.run.array(name) for name in self.run.names()]
        mine = [one for one in arrays if layout.attributes(one).get("stage") == stage]
        return tuple(
            ArraySize(one.name.strip("/"), 1, str(one.dtype), one.shape, round(one.nbytes * factor)) for one in mine
        )

    def files(self, stage: str) -> dict[str, int]:
        """Return the bytes of the checkpoints that a stage of the trial left, by their names."""
        left = [self.run.path / one for one in ledger.outputs(self.run.path, stage) if one.endswith(".safetensors")]
        return {path.name: path.stat().st_size for path in left}


def _gather(trial: _Trial, name: str) -> Cost:
    share = int(trial.found.counts.sum()) / len(trial.images)
    seconds = timed(trial.stages[name], trial.small(), trial.run)
    shape = (int(trial.found.counts.sum()), *trial.found.shape)
    copies = ArraySize("images/{class}", len(trial.found.classes), trial.found.dtype, shape, trial.found.bytes)
    return Cost(name, arrays=(copies,) if trial.found.copied else (), memory=trial.cache, seconds=seconds * share)


def _fit(trial: _Trial, name: str) -> Cost:
    """Return what the fits of a stage take: so many of them, each with its steps and its judgements."""
    config, stage = trial.config, trial.stages[name]
    many = {"classify": len(names_of(config.classify)), "confuse": len(attempts_of(config))}.get(name, 1)
    here = many if name == "classify" else 1
    watched = tried(stage, trial.small(_STEPS[0]), trial.run, _STEPS[0])
    short, long = (timed(stage, trial.small(steps), trial.run, steps) for steps in _STEPS[1:])
    fewer, more = _STEPS[1] - _STEPS[0], _STEPS[2] - _STEPS[1]
    step = max(0.0, (long - short) / (more - fewer)) / here
    judgement = max(0.0, short / here - fewer * step)
    plan: Fit = getattr(config, name).fit
    epochs = epochs_of(plan)
    files = trial.files(name)
    of_epochs = [size for file, size in files.items() if re.search(r"-epoch\d+-", file)]
    of_fits = [size for file, size in files.items() if not re.search(r"-(epoch\d+|best)-", file)]
    full = max(of_fits, default=0)
    kept = full * min(plan.keep + 1, ceil(plan.steps / plan.save_every)) + (full if plan.best else 0)
    learns = full > 0
    return Cost(
        name,
        steps=plan.steps if learns else 0,
        checkpoint=full,
        checkpoints=many * (kept + max(of_epochs, default=0) * (epochs + 1)),
        arrays=trial.arrays(name, many / here),
        memory=watched.peak + full + trial.cache,
        seconds=many * (plan.steps * step + (epochs + 1) * judgement) if learns else short,
    )


def _later(trial: _Trial, name: str) -> Cost:
    """Return what a stage that fits nothing takes: in proportion to how much more there is than in the trial."""
    factor = _factors(trial)[name]
    watched = tried(trial.stages[name], trial.small(), trial.run)
    if name == "select":
        # Whatever the classifier says so early: all images go on, as many as there may be at most.
        store = layout.open_store(trial.run.path / "store.zarr", "a")
        layout.array(store, "step2/probability")[...] = 0.5
    seconds = timed(trial.stages[name], trial.small(), trial.run) if name in ("embed", "cluster") else watched.seconds
    page = [path for path in (trial.run.path / "report").rglob("*") if path.is_file()] if name == "report" else []
    return Cost(
        name,
        arrays=trial.arrays(name, factor),
        files=round(sum(path.stat().st_size for path in page) * factor),
        memory=round(watched.peak * min(factor, layout.ROWS)) + trial.cache,
        seconds=seconds * factor,
    )


def _factors(trial: _Trial) -> dict[str, float]:
    """Return how much more each stage has to do in full, at most."""
    config, compare = trial.config, trial.config.compare
    images = config.select.count / trial.drawn
    ambiguous = min(config.embed.count, config.select.count) / min(config.embed.count, trial.drawn)
    search = config.cluster.search
    groupings = (search.trials / 2 if search else 1) * (1 + config.cluster.resamples) / 2
    shown = min(config.report.items, config.select.count) / min(config.report.items, trial.drawn)
    return {
        "select": images,
        "compare": max(compare.count / min(_COMPARED, compare.count), compare.tries / min(_TRIES, compare.tries)),
        "embed": ambiguous,
        # Distances between all pairs decide how valid a grouping is.
        "cluster": ambiguous**2 * groupings,
        "prototypes": ambiguous**2 * (1 + config.prototypes.resamples) / 2,
        "report": max(1.0, shown),
    }


def _own(trial: _Trial, name: str) -> Cost:
    """Return what classifiers take, those of the user's own too, which do not learn."""
    if all(isinstance(net, Own) for net in trial.config.classify.nets.values()):
        watched = tried(trial.stages[name], trial.small(), trial.run)
        share = int(trial.found.counts.sum()) / len(trial.images)
        arrays = trial.arrays(name, share)
        return Cost(name, arrays=arrays, memory=watched.peak + trial.cache, seconds=watched.seconds * share)
    return _fit(trial, name)


_COSTS: dict[str, Callable[[_Trial, str], Cost]] = {
    "gather": _gather,
    "classify": _own,
    **dict.fromkeys(("measure", "pretrain", "confuse"), _fit),
    **dict.fromkeys(("select", "compare", "embed", "cluster", "prototypes", "report"), _later),
}
