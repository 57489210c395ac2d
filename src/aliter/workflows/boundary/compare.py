"""Ask what simpler ways would have found for the same arithmetic, and how real that is, at equal numbers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import PositiveFloat, PositiveInt
from scipy.spatial.distance import cdist
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from aliter.core.objective import Objective
from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.images import Images
from aliter.data.layout import IMAGE
from aliter.data.run import Figure, Run
from aliter.workflows.boundary.classify import between_of, chosen_classifier, in_band
from aliter.workflows.boundary.measure import realism_of
from aliter.workflows.boundary.pair import drawn, latents, pair_of, probability
from aliter.workflows.boundary.pretrain import gan_of, real_and_latent
from aliter.workflows.boundary.select import ambiguous, choice_of, generator_of

if TYPE_CHECKING:
    from aliter.workflows.boundary import Config

_AT_ONCE = 250
WAYS = ("step 2", "filtering", "descent", "bisection")
"""All ways, by name."""


class Comparing(Spec):
    """The simpler ways, and on how many images all are compared."""

    count: PositiveInt = 200
    """Images in the band of each way that realism is measured on; fewer where one finds fewer."""
    tries: PositiveInt = 20_000
    """Images that are drawn of step 1 at most; beyond, their number is inferred."""
    iterations: PositiveInt = 30
    """Steps of gradient descent on a latent of step 1."""
    rate: PositiveFloat = 0.1
    """Rate of Adam in that descent at first; it falls to 0, linearly."""
    halvings: PositiveInt = 12
    """Halvings of the line between two real images, one of each class."""
    seed: int = 0


@dataclass(frozen=True)
class Found:
    """What one way found in the band, and how many images of that kind the budget pays for."""

    images: Float[np.ndarray, "N C H W"]
    cost: float
    """Operations spent on one image in the band."""


@dataclass(frozen=True)
class _Bench:
    """What all ways work with."""

    config: "Config"
    run: Run
    images: Images
    generator: nn.Module
    between: nn.Module

    @property
    def latent(self) -> int:
        return self.config.pretrain.net.latent

    def inside(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x[in_band(probability(self.between, x, self.run.device))])


def compare(config: "Config", run: Run) -> None:
    """Save what each way finds; record how much the cost of step 2 buys with it, and how real that is."""
    bench = _Bench(
        config,
        run,
        pair_of(config, run),
        generator_of(config, run, "step1"),
        between_of(config, run, chosen_classifier(run)),
    )
    ways = dict(zip(WAYS, (_step_two, _filter, _descend, _bisect), strict=True))
    found = {name: way(bench) for name, way in ways.items()}
    budget = _training(bench) + config.select.count * _drawing(bench, generator_of(config, run, "step2"))
    for name, one in found.items():
        run.save(f"ways/{name.replace(' ', '')}", one.images, IMAGE)
    run.record(_figures(bench, found, budget))


def operations(work: Callable[[], object]) -> float:
    """Return the floating-point operations of matrix products and convolutions that ``work`` takes, backwards too."""
    with _Counter() as counter:
        work()
    return float(counter.count)


class _Counter(TorchDispatchMode):
    """Counts what torch has a formula for."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.count: float = 0.0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.count += float(formula(*args, **(kwargs or {}), out_val=found))
        return found


def _step_two(bench: _Bench) -> Found:
    inside = ambiguous(bench.config, bench.run)
    images = np.asarray(bench.run.array("step2/generated").oindex[inside[: bench.config.compare.count]])
    budget = _training(bench) + bench.config.select.count * _drawing(bench, bench.generator)
    return Found(images, budget / max(1, len(inside)))


def _filter(bench: _Bench) -> Found:
    """Draw of step 1 and keep what happens to lie in the band."""
    choice, kept, tries = bench.config.compare, [np.empty((0, *bench.images.shape), np.float32)], 0
    while tries < choice.tries and sum(map(len, kept)) < choice.count:
        z = latents(choice.seed, "filter", range(tries, tries + _AT_ONCE), bench.latent)
        kept.append(bench.inside(drawn(bench.generator, z, bench.run.device)))
        tries += _AT_ONCE
    images = np.concatenate(kept)
    return Found(images[: choice.count], tries * _drawing(bench, bench.generator) / max(1, len(images)))


def _descend(bench: _Bench) -> Found:
    """Let latents of step 1 descend to where the classifier is undecided."""
    choice = bench.config.compare
    z = torch.from_numpy(latents(choice.seed, "descend", range(choice.count), bench.latent)).to(bench.run.device)

    def descend(start: torch.Tensor, steps: int) -> torch.Tensor:
        place = start.clone().requires_grad_(True)
        optimizer = torch.optim.Adam([place], lr=choice.rate)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = choice.rate * (1 - step / steps)
            (place.grad,) = torch.autograd.grad(bench.between(bench.generator(place)).abs().sum(), place)
            optimizer.step()
        return place.detach()

    ends = torch.cat([descend(part, choice.iterations) for part in torch.split(z, _AT_ONCE)])
    images = bench.inside(drawn(bench.generator, ends.cpu().numpy(), bench.run.device))
    each = choice.iterations * operations(lambda: descend(z[:1], 1)) + _drawing(bench, bench.generator)
    return Found(images, each * choice.count / max(1, len(images)))


def _bisect(bench: _Bench) -> Found:
    """Halve the line between two real images, one of each class, until the classifier is undecided."""
    choice, images, device = bench.config.compare, bench.images, bench.run.device
    rng = chance(choice.seed, "bisect")
    ends = [images.signed(rng.choice(images.split("train", label), choice.count)) for label in (0, 1)]
    low, high = np.zeros(choice.count, np.float32), np.ones(choice.count, np.float32)

    def between(part: np.ndarray) -> np.ndarray:
        share = part[:, None, None, None]
        return np.asarray((1 - share) * ends[0] + share * ends[1])

    for _ in range(choice.halvings):
        middle = (low + high) / 2
        above = probability(bench.between, between(middle), device) > 0.5
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    x = torch.from_numpy(ends[0][:1]).to(device)
    each = choice.halvings * operations(lambda: bench.between(x))
    found = bench.inside(between((low + high) / 2))
    return Found(found, each * choice.count / max(1, len(found)))


def _drawing(bench: _Bench, generator: nn.Module) -> float:
    """Return the operations of drawing an image and asking about it."""
    z = torch.zeros(1, bench.latent, device=bench.run.device)
    return operations(lambda: bench.between(generator(z)))


def _training(bench: _Bench) -> float:
    """Return the operations of step 2 up to the chosen epoch."""
    config, chosen = bench.config, choice_of(bench.config, bench.run)
    plan = config.confuse.fit
    nets: dict[str, nn.Module] = {**gan_of(config, bench.images), "classifier": bench.between}
    batch = real_and_latent(bench.images, bench.latent)(0, 0, plan.size)
    objective: Objective = config.confuse.objective.model_copy(update={"weight": chosen.attempt.weight})
    nets = {name: net.to("cpu") for name, net in nets.items()}

    def step() -> None:
        for turn in objective.turns:
            moved = [parameter for name in turn.moves for parameter in nets[name].parameters()]
            loss = turn.combine(objective.losses(turn, nets, batch), moved)
            torch.autograd.grad(loss, moved)

    return min(plan.steps, chosen.epoch * plan.judge_every) * operations(step)


def _figures(bench: _Bench, found: Mapping[str, Found], budget: float) -> list[Figure]:
    realism = realism_of(bench.config, bench.run)
    equal = min(len(one.images) for one in found.values())
    train = bench.images.splits == 0
    real = bench.run.load("real/features")
    own = float(np.median(cdist(real[~train], real[train]).min(axis=1)))
    figures = []
    for name, one in found.items():
        rows = realism.features(one.images) if len(one.images) else np.empty((0, real.shape[1]))
        near = float(np.median(cdist(rows, real[train]).min(axis=1))) / own if len(rows) else float("nan")
        bought = f"that {budget:.3g} operations pay for, all that step 2 took; {one.cost:.3g} each"
        memory = "median distance to the nearest training image, for that of real images held out; far below 1: copied"
        figures += [
            Figure(f"images in band, {name}", budget / one.cost, len(one.images), note=bought),
            Figure(f"Frechet distance in band, {name}", realism.frechet(rows[:equal]), equal, note="at equal numbers"),
            Figure(f"kernel distance in band, {name}", realism.kernel(rows[:equal]), equal, note="at equal numbers"),
            Figure(f"nearest real, {name}", near, len(rows), note=memory),
        ]
    return figures
