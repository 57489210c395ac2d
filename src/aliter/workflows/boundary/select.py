"""Choose one generator of all that were kept: the best bargain between real and ambiguous; draw many images of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float
from pydantic import PositiveFloat, PositiveInt
from torch import nn

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.layout import IMAGE
from aliter.data.run import Figure, Run
from aliter.ops.ambiguity import confusion_distance, hypervolume, knee, most_real, pareto_front, surest
from aliter.ops.classification import wilson
from aliter.workflows.boundary.classify import BAND, agreed, between_of, chosen_members, in_band, names_of
from aliter.workflows.boundary.confuse import Attempt, Weight, attempts_of
from aliter.workflows.boundary.measure import Realism, realism_of
from aliter.workflows.boundary.pair import drawn, latents, pair_of, probability
from aliter.workflows.boundary.pretrain import gan_of, recall_epoch

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

STEPS = ("step1", "step2")
"""Generators that many images are drawn of: the one that the chosen attempt began with, and the chosen one."""
_WORST_CONFUSION = 0.5


class Selecting(Spec):
    """Which generator is taken: the knee of the front of all epochs, unless it is named, or what is near enough."""

    classifier: str | None = None
    """Only attempts on this one."""
    start: int | None = None
    """Only attempts that began at this epoch of step 1."""
    weight: Weight | None = None
    """Only attempts with this weight."""
    epoch: PositiveInt | None = None
    """Only this epoch of step 2."""
    near: PositiveFloat | None = None
    """Mean distance from undecided that will do: the most real epoch that comes so near is taken; if none does, the
    nearest. None: the knee."""
    count: PositiveInt = 2000
    """Images that are drawn of either generator."""
    seed: int = 0
    """Seed of their latents."""


@dataclass(frozen=True)
class Choice:
    """One generator, and where it stands among all."""

    attempt: Attempt
    epoch: int
    points: Float[np.ndarray, "N 2"]
    """Distance and confusion of all epochs of all attempts that were allowed."""
    index: int
    """Which of these was chosen."""


def select(config: "Config", run: Run) -> None:
    """Choose a generator; draw images of it and of the one it began with, and judge them at equal numbers."""
    choice = choice_of(config, run)
    run.describe({"chosen": {"attempt": choice.attempt.name, "epoch": choice.epoch}})
    front = np.isin(np.arange(len(choice.points)), pareto_front(choice.points))
    chosen = np.arange(len(choice.points)) == choice.index
    run.save("selection", np.column_stack([choice.points, front, chosen]), ("point", "figure"))
    shape, classifiers = pair_of(config, run).shape, len(names_of(config.classify))
    fill(_drawer, config, run, [_task(step, config.select.count, shape, classifiers) for step in STEPS])
    realism = realism_of(config, run)
    pools = {step: _pool(config, run, realism, step) for step in STEPS}
    for step, pool in pools.items():
        run.save(f"{step}/features", pool.features, ("index", "feature"))
    figures = _bargain(choice)
    alone = len(chosen_members(config, run)) == classifiers
    for step, pool in pools.items():
        figures += _figures(step, pool, realism, alone)
    run.record(figures)


def choice_of(config: "Config", run: Run) -> Choice:
    """Return the generator that the settings and the front ask for.

    Raises
    ------
    RequestError
        If no attempt and epoch fit what was named.
    """
    wanted = config.select
    allowed = [one for one in attempts_of(config) if _fits(one, config)]
    tables = [run.load(f"epochs/{one.name}")[1:, :2] for one in allowed]
    found = [
        (one, epoch, row)
        for one, table in zip(allowed, tables, strict=True)
        for epoch, row in enumerate(table, start=1)
        if wanted.epoch in (None, epoch)
    ]
    if not found:
        raise RequestError(
            f"select: expected an attempt and an epoch that there are, found none for what is named; "
            f"attempts are {', '.join(one.name for one in attempts_of(config))}"
        )
    points = np.array([row for _, _, row in found])
    index = knee(points)[0] if wanted.near is None else most_real(points, wanted.near)
    return Choice(found[index][0], found[index][1], points, index)


def generator_of(config: "Config", run: Run, step: str) -> nn.Module:
    """Return the chosen generator, or the one of step 1 that it began with."""
    choice = choice_of(config, run)
    net = gan_of(config, pair_of(config, run))["generator"]
    if step == "step1":
        recall_epoch({"generator": net}, run, "pretrain", choice.attempt.start)
    else:
        recall_epoch({"generator": net}, run, choice.attempt.name, choice.epoch)
    return net.to(run.device).eval().requires_grad_(False)


def _fits(one: Attempt, config: "Config") -> bool:
    wanted = config.select
    named = ((wanted.classifier, one.classifier), (wanted.start, one.start), (wanted.weight, one.weight))
    return all(want in (None, found) for want, found in named)


def _task(step: str, count: int, shape: tuple[int, ...], classifiers: int) -> Task[str]:
    images = Blank(f"{step}/generated", (count, *shape), np.float32, IMAGE, {"range": [-1.0, 1.0]})
    return Task(
        step,
        {
            "images": images,
            "p": Blank(f"{step}/probability", (count, classifiers), np.float64, ("index", "classifier")),
        },
    )


def _drawer(config: "Config", run: Run) -> Compute[str]:
    generators = {step: generator_of(config, run, step) for step in STEPS}
    classifiers = [between_of(config, run, name) for name in names_of(config.classify)]
    return partial(_draw, config, run.device, generators, classifiers)


def _draw(
    config: "Config",
    device: str,
    generators: dict[str, nn.Module],
    classifiers: Sequence[nn.Module],
    step: str,
    rows: slice,
) -> dict[str, np.ndarray]:
    """Return images and the probabilities that each classifier gives them."""
    z = latents(config.select.seed, "sample", range(rows.start, rows.stop), config.pretrain.net.latent)
    x = drawn(generators[step], z, device)
    return {"images": x, "p": np.stack([probability(one, x, device) for one in classifiers], axis=1)}


@dataclass(frozen=True)
class _Pool:
    """Images drawn of one generator."""

    features: Float[np.ndarray, "N D"]
    p: Float[np.ndarray, " N"]
    """What the chosen classifier says of them."""
    agreed: Bool[np.ndarray, " N"]
    """Which of them most classifiers cannot decide."""


def _pool(config: "Config", run: Run, realism: Realism, step: str) -> _Pool:
    images = run.array(f"{step}/generated")
    parts = [realism.features(np.asarray(images[start : start + 512])) for start in range(0, images.shape[0], 512)]
    p = run.load(f"{step}/probability")
    return _Pool(np.concatenate(parts), drawn_probability(config, run, step), agreed(p))


def _bargain(choice: Choice) -> list[Figure]:
    distance, confusion = choice.points[choice.index]
    worst = float(np.nanmax(choice.points[:, 0]))
    near = knee(choice.points)[1]
    area = hypervolume(choice.points, (worst, _WORST_CONFUSION))
    name = f"{choice.attempt.name}, epoch {choice.epoch}"
    count = len(choice.points)
    return [
        Figure("Frechet distance, chosen", float(distance), count, note=name),
        Figure("confusion distance, chosen", float(confusion), count, note=name),
        Figure("distance of the knee from the ideal", near, count, note="in units of the front"),
        Figure("hypervolume", area, count, note=f"of all epochs, up to a distance of {worst:.4g}"),
    ]


def _figures(step: str, pool: _Pool, realism: Realism, alone: bool) -> list[Figure]:
    """Return what is said of a generator; there is no agreement where no other classifier was asked."""
    p, count = pool.p, len(pool.p)
    inside = in_band(p)
    share = float(inside.mean())
    low, high = wilson(share, count)
    figures = [
        Figure(f"confusion distance, {step}", float(confusion_distance(p).mean()), count),
        Figure(f"share in band, {step}", share, count, low, high, f"p from {BAND[0]} to {BAND[1]}"),
        Figure(f"Frechet distance, {step}", realism.frechet(pool.features), count),
        Figure(f"kernel distance, {step}", realism.kernel(pool.features), count),
    ]
    if not alone:
        by_most = pool.agreed[inside].mean() if inside.any() else float("nan")
        note = "share of those in band that most classifiers put there"
        figures.append(Figure(f"agreement, {step}", float(by_most), int(inside.sum()), note=note))
    return figures


def drawn_probability(config: "Config", run: Run, step: str) -> Float[np.ndarray, " N"]:
    """Return what the chosen classifier, or the surest of those, says of what was drawn of a generator."""
    names = names_of(config.classify)
    places = [names.index(one) for one in chosen_members(config, run)]
    return surest(run.load(f"{step}/probability")[:, places])


def ambiguous(config: "Config", run: Run) -> np.ndarray:
    """Return the numbers of the chosen generator's images that lie in the band."""
    return np.flatnonzero(in_band(drawn_probability(config, run, "step2")))
