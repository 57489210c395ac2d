"""Estimate what a run will take, by trying every stage on a few of the fields."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from aliter.data import layout, ledger
from aliter.data.fields import Fields, write_objects
from aliter.data.images import IN_MEMORY, Header, Images, write_images
from aliter.data.masks import convert_masked, surveyed
from aliter.data.run import Run
from aliter.data.sample import Census
from aliter.data.simulate import Nuclei
from aliter.data.splits import SPLITS
from aliter.train.plan import Fit
from aliter.workflows.embeddings.learners import ForestLearner
from aliter.workflows.embeddings.segment import cases_of
from aliter.workflows.stage import Stage
from aliter.workflows.trial import ArraySize, Clocked, Cost, Watched, tried

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

_STEPS = 4
"""Steps of each fit that are tried."""


def survey(config: "Config") -> Census:
    """Return what is known of the fields that ``config`` names.

    Raises
    ------
    DataError
        If they cannot be used, or a split holds none.
    """
    source = config.images
    if isinstance(source, Nuclei):
        names = (tuple(f"fields/{index:06d}" for index in range(source.count)),)
        shape, splits = (1, *source.shape), (source.splits,)
        return Census(source.classes, source.channels, shape, "uint16", source.range, True, names, splits, True)
    if (source / "zarr.json").is_file():
        fields, images = Fields(source, config.range), Images(source, config.range)
        dtype, ids = images.dtype.name, (tuple(fields.ids),)
        said = Header(images.classes, images.channels, images.range, images.shape, dtype, ids, (images.splits,))
    else:
        said = surveyed(source, config.range)
    stated = config.range is not None or (source / "zarr.json").is_file()
    copied = not (source / "zarr.json").is_file()
    found = Census(
        said.classes, said.channels, said.shape, said.dtype, said.range, stated, said.ids, said.splits, copied
    )
    found.require(SPLITS)
    return found


def estimate(config: "Config", found: Census, run: Run) -> tuple[Images, tuple[Cost, ...]]:
    """Try every stage in the new ``run``; return the fields it was tried on and what each stage will take in full."""
    store = run.path / "sample.zarr"
    _sample(config, found, store)
    trial = _Trial(config, found, Fields(store, found.range), run)
    with run.working():
        watched = {name: tried(stage, trial.small, run) for name, stage in trial.stages.items()}
    return Images(store, found.range), tuple(_COSTS[name](trial, watched[name]) for name in trial.stages)


def _sample(config: "Config", found: Census, out: Path) -> None:
    """Write one field of each split, and a second one to learn from."""
    source, splits = config.images, found.splits[0]
    rows = np.unique(np.concatenate([np.flatnonzero(splits == part)[: 2 - min(part, 1)] for part in range(3)]))
    ids = (tuple(found.ids[0][row] for row in rows),)
    header = Header(("fields",), found.channels, found.range, found.shape, found.dtype, ids, (splits[rows],))
    if isinstance(source, Nuclei):
        scenes = [source.draw(int(row)) for row in rows]
        write_images(out, header, lambda label, start, stop: np.stack([one.image for one in scenes[start:stop]]))
        write_objects(out, "uint16", lambda number: scenes[number].objects)
        return
    with TemporaryDirectory(prefix="aliter-check-") as folder:
        store = source if not found.copied else convert_masked(source, Path(folder) / "all.zarr", config.range)
        fields = Fields(store, config.range)
        write_images(
            out, header, lambda label, start, stop: np.stack([fields.stored(int(row)) for row in rows[start:stop]])
        )
        write_objects(out, fields.objects(0).dtype, lambda number: fields.objects(int(rows[number])))


@dataclass(frozen=True)
class _Trial:
    config: "Config"
    found: Census
    fields: Fields
    """The few."""
    run: Run

    @cached_property
    def stages(self) -> dict[str, Stage]:
        from aliter.workflows.embeddings import STAGES

        return {stage.name: stage for stage in STAGES}

    @cached_property
    def clocked(self) -> Clocked:
        return Clocked(self.config.contrast.objective)

    @cached_property
    def small(self) -> "Config":
        """The config on the few fields: few steps, one number of clicks, once."""
        config = self.config
        learners = tuple(
            one if isinstance(one, ForestLearner) else one.model_copy(update={"fit": _few(one.fit)})
            for one in config.segment.learners
        )
        few = {"fit": _few(config.contrast.fit), "objective": self.clocked}
        return config.model_copy(
            update={
                "images": self.fields.path,
                "range": self.found.range,
                "points": config.points.model_copy(
                    update={"source": None, "repeats": 1, "count": max(config.points.count, *config.segment.clicks)}
                ),
                "contrast": config.contrast.model_copy(update=few),
                "segment": config.segment.model_copy(
                    update={"clicks": (max(config.segment.clicks),), "learners": learners}
                ),
                "report": config.report.model_copy(update={"fields": 1}),
            }
        )

    @property
    def count(self) -> int:
        return int(self.found.counts.sum())

    @property
    def predicted(self) -> int:
        """Fields that are predicted: those to validate and to test."""
        return int(self.found.counts[0, 1:].sum())

    @property
    def cases(self) -> int:
        return len(cases_of(self.config.segment, self.config.points.repeats))

    @property
    def share(self) -> float:
        """How much more is predicted in full than in the trial."""
        return self.cases / len(cases_of(self.small.segment, 1)) * self.predicted / 2

    @property
    def cache(self) -> int:
        """Bytes of fields that are held in memory."""
        return self.found.bytes if self.found.bytes <= IN_MEMORY else 0

    @property
    def voxels(self) -> int:
        return prod(self.found.shape[1:])

    def arrays(self, stage: str, factor: float) -> tuple[ArraySize, ...]:
        """Return what a stage of the trial wrote, so many times as much."""
        arrays = [self.run.array(name) for name in self.run.names()]
        mine = [one for one in arrays if layout.attributes(one).get("stage") == stage]
        return tuple(
            ArraySize(one.name.strip("/"), 1, str(one.dtype), one.shape, round(one.nbytes * factor)) for one in mine
        )

    def checkpoint(self, stage: str) -> int:
        """Return the bytes of the largest checkpoint that a stage of the trial left."""
        left = [self.run.path / one for one in ledger.outputs(self.run.path, stage) if one.startswith("checkpoints/")]
        return max((path.stat().st_size for path in left), default=0)


def _few(plan: Fit) -> Fit:
    return plan.model_copy(update={"steps": min(_STEPS, plan.steps)})


def _gather(trial: _Trial, watched: Watched) -> Cost:
    copies: tuple[ArraySize, ...] = ()
    if trial.found.copied:
        shape = (trial.count, *trial.found.shape)
        copies = (ArraySize("images/0", 1, trial.found.dtype, shape, trial.found.bytes),)
    return Cost("gather", arrays=copies, memory=trial.cache, seconds=watched.seconds * trial.count / 4)


def _points(trial: _Trial, watched: Watched) -> Cost:
    repeats = trial.config.points.repeats
    return Cost("points", arrays=trial.arrays("points", repeats), seconds=watched.seconds * repeats)


def _contrast(trial: _Trial, watched: Watched) -> Cost:
    plan, full = trial.config.contrast.fit, trial.checkpoint("contrast")
    judged = ceil(plan.steps / plan.judge_every)
    seconds = trial.clocked.seconds * plan.steps + watched.seconds
    arrays = trial.arrays("contrast", judged)
    kept = full * min(plan.keep, ceil(plan.steps / plan.save_every))
    return Cost("contrast", plan.steps, full, kept, arrays, memory=watched.peak + full + trial.cache, seconds=seconds)


def _embed(trial: _Trial, watched: Watched) -> Cost:
    factor = trial.count / len(trial.fields)
    return Cost(
        "embed",
        arrays=trial.arrays("embed", factor),
        memory=watched.peak + trial.cache + 40 * trial.voxels * trial.found.shape[0],
        seconds=watched.seconds * factor,
    )


def _segment(trial: _Trial, watched: Watched) -> Cost:
    cases = cases_of(trial.config.segment, trial.config.points.repeats)
    rows = ledger.rows(trial.run.path / "timings.jsonl")
    seconds = {row["name"].split("/")[0]: row["seconds"] for row in rows if row.get("name", "").count("/") == 2}
    learning = 0.0
    for case in cases:
        plan = None if isinstance(case.learner, ForestLearner) else case.learner.fit
        learning += seconds[case.learner.name] * (plan.steps / min(_STEPS, plan.steps) if plan else 1)
    telling = max(0.0, watched.seconds - sum(seconds.values())) * trial.share
    full = trial.checkpoint("segment")
    held = min(trial.predicted, layout.ROWS) * trial.voxels * 6
    return Cost(
        "segment",
        checkpoint=full,
        checkpoints=full * 2 * len(cases),
        arrays=trial.arrays("segment", trial.share),
        memory=watched.peak + trial.cache + held,
        seconds=learning + telling,
    )


def _validate(trial: _Trial, watched: Watched) -> Cost:
    memory = trial.cache + 200 * trial.voxels
    arrays = trial.arrays("validate", trial.share)
    return Cost("validate", arrays=arrays, memory=memory, seconds=watched.seconds * trial.share)


def _report(trial: _Trial, watched: Watched) -> Cost:
    most = min(trial.config.report.fields, int(trial.found.counts[0, 2]))
    factor = trial.cases / trial.config.points.repeats / len(trial.config.segment.learners) * most
    page = sum(path.stat().st_size for path in (trial.run.path / "report").rglob("*") if path.is_file())
    memory = trial.cache + 60 * trial.voxels
    return Cost("report", files=round(page * factor), memory=memory, seconds=watched.seconds * max(1.0, factor))


_COSTS: dict[str, Callable[[_Trial, Watched], Cost]] = {
    "gather": _gather,
    "points": _points,
    "contrast": _contrast,
    "embed": _embed,
    "segment": _segment,
    "validate": _validate,
    "report": _report,
}
