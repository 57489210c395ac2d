"""Say, for each pair, where the difference lies that the classifier goes by."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import model_validator

from aliter.core.progress import progress
from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.run import Figure, Run
from aliter.methods.attribution import Attribution
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.normalise import completeness, normalised
from aliter.methods.attribution.random import Random
from aliter.methods.attribution.residual import Residual
from aliter.nets.frozen import Frozen
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.counterfactual.pairs import Pairs, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.counterfactual import Config

_BATCH = 16
"""Pairs that are attributed at once."""


class Attributing(Spec):
    """Which attributions are made."""

    discriminative: tuple[Attribution, ...] = (IntegratedGradients(), Residual(), Random())
    """Between query and counterfactual: the baseline is the generated image."""
    vanilla: tuple[Attribution, ...] = ()
    """Of the query alone: the baseline is mid-grey, 0 on the scale from -1 to 1."""

    @model_validator(mode="after")
    def _distinct(self) -> "Attributing":
        for family in (self.discriminative, self.vanilla):
            kinds = [one.kind for one in family]
            if len(set(kinds)) < len(kinds):
                raise ValueError(f"expected each kind once, found {', '.join(kinds)}; use one run per setting")
        return self

    @property
    def named(self) -> dict[str, Attribution]:
        """The methods by the names under which their maps are stored."""
        vanilla = {f"vanilla_{one.kind}": one for one in self.vanilla}
        return {one.kind: one for one in self.discriminative} | vanilla


@dataclass(frozen=True)
class _Task:
    name: str
    method: Attribution
    pairs: Pairs


def attribute(config: "Config", run: Run) -> None:
    """Write the maps of all methods and pairs, scaled to [0, 1], and how far each is from complete."""
    probe = classifier_of(config, run)
    tasks = [_Task(name, method, pairs) for pairs in pairs_of(run) for name, method in config.attribute.named.items()]
    errors: dict[str, list[np.ndarray]] = {}
    with progress("attribute", sum(task.pairs.count for task in tasks)) as advance:
        for task in tasks:
            maps, gaps = _create(run, task)
            for rows in task.pairs.blocks():
                maps[rows], gaps[rows] = _explain(probe, run, task, rows)
                advance(rows.stop - rows.start, f"{task.pairs.kind} {task.name}")
            if task.method.complete:
                errors.setdefault(f"{task.name}, {task.pairs.kind}", []).append(np.asarray(gaps[...]).ravel())
    run.record(
        [
            Figure(
                f"completeness error, {name}",
                float(np.median(np.concatenate(found))),
                sum(len(one) for one in found),
                note="median share of the difference that the map fails to sum to",
            )
            for name, found in errors.items()
        ]
    )


def _create(run: Run, task: _Task) -> tuple[Any, Any]:
    pairs = task.pairs
    shape = run.array(pairs.name("generated")).shape
    maps = run.create(pairs.name(f"attributions/{task.name}"), shape, np.float16, layout.TRIES, {"range": [0.0, 1.0]})
    gaps = run.create(pairs.name(f"completeness/{task.name}"), shape[:2], np.float32, ("index", "batch"))
    return maps, gaps


def _explain(probe: Frozen, run: Run, task: _Task, rows: slice) -> tuple[np.ndarray, np.ndarray]:
    """Return maps (B, keep, C, H, W) and completeness errors (B, keep) of a block."""
    queries, generated = task.pairs.queries(run, rows), task.pairs.generated(run, rows)
    maps = np.empty(generated.shape, np.float16)
    gaps = np.full(generated.shape[:2], np.nan, np.float32)
    for kept in range(generated.shape[1]):
        for start in range(0, len(queries), _BATCH):
            part = slice(start, start + _BATCH)
            x = torch.from_numpy(queries[part]).to(run.device)
            other = torch.from_numpy(generated[part, kept]).to(run.device)
            baseline = torch.zeros_like(x) if task.name.startswith("vanilla_") else other
            found = task.method(probe, x, baseline, task.pairs.source)
            maps[part, kept] = normalised(found).cpu().numpy()
            if task.method.complete:
                answer = probe.answer(task.pairs.source)
                with torch.no_grad():
                    gap = answer(x) - answer(baseline)
                gaps[part, kept] = completeness(found, gap).cpu().numpy()
    return maps, gaps
