"""Say, for each pair, where the difference lies that the classifier goes by."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import model_validator

from aliter.core.spec import Spec
from aliter.data import layout
from aliter.data.blocks import Blank, Compute, Task, fill
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

BATCH = 16
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
class _Map:
    name: str
    method: Attribution
    pairs: Pairs

    def array(self, what: str) -> str:
        return self.pairs.name(f"{what}/{self.name}")


def attribute(config: "Config", run: Run) -> None:
    """Write the maps of all methods and pairs, scaled to [0, 1], and how far each is from complete."""
    named = config.attribute.named
    maps = [_Map(name, method, pairs) for pairs in pairs_of(run) for name, method in named.items()]
    fill(_explainer, config, run, [_task(run, one) for one in maps])
    run.record(_figures(run, maps))


def _task(run: Run, one: _Map) -> Task[_Map]:
    shape = run.array(one.pairs.name("generated")).shape
    maps = Blank(one.array("attributions"), shape, np.float16, layout.TRIES, {"range": [0.0, 1.0]})
    gaps = Blank(one.array("completeness"), shape[:2], np.float32, ("index", "batch"))
    return Task(one, {"maps": maps, "gaps": gaps})


def _explainer(config: "Config", run: Run) -> Compute[_Map]:
    return partial(_explain, classifier_of(config, run), run)


def _explain(probe: Frozen, run: Run, one: _Map, rows: slice) -> dict[str, np.ndarray]:
    """Return maps (B, keep, C, H, W) and completeness errors (B, keep) of a block."""
    queries, generated = one.pairs.queries(run, rows), one.pairs.generated(run, rows)
    maps = np.empty(generated.shape, np.float16)
    gaps = np.full(generated.shape[:2], np.nan, np.float32)
    for kept in range(generated.shape[1]):
        for start in range(0, len(queries), BATCH):
            part = slice(start, start + BATCH)
            x = torch.from_numpy(queries[part]).to(run.device)
            other = torch.from_numpy(generated[part, kept]).to(run.device)
            baseline = torch.zeros_like(x) if one.name.startswith("vanilla_") else other
            found = one.method(probe, x, baseline, one.pairs.source)
            maps[part, kept] = normalised(found).cpu().numpy()
            if one.method.complete:
                answer = probe.answer(one.pairs.source)
                with torch.no_grad():
                    gap = answer(x) - answer(baseline)
                gaps[part, kept] = completeness(found, gap).cpu().numpy()
    return {"maps": maps, "gaps": gaps}


def _figures(run: Run, maps: Sequence[_Map]) -> list[Figure]:
    """Return the median completeness error of each method that promises to be complete, by kind of pairs."""
    errors: dict[str, list[np.ndarray]] = {}
    for one in maps:
        if one.method.complete:
            found = run.load(one.array("completeness")).ravel()
            errors.setdefault(f"{one.name}, {one.pairs.kind}", []).append(found)
    note = "median share of the difference that the map fails to sum to"
    return [
        Figure(f"completeness error, {name}", float(np.median(np.concatenate(found))), sum(map(len, found)), note=note)
        for name, found in errors.items()
    ]
