"""Learn the stain pixel by pixel: the mean or median of all that it might be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import PositiveInt, Tag
from torch import nn

from aliter.core.batch import Draw
from aliter.core.spec import Spec, kind_or
from aliter.data.run import Run
from aliter.methods.objective.regress import Regress
from aliter.nets.blocks import initialise
from aliter.nets.dropout import require_strength
from aliter.nets.pix2pixhd import Pix2PixHDSpec
from aliter.nets.unet import UNetSpec
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fall, Fit
from aliter.workflows.staining.crops import HELD, crops, losses_of, moved, shown
from aliter.workflows.staining.pairs import Pairs, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

UNET = UNetSpec(width=16, factors=(2, 2, 2, 2), norm="instance", padding="same", features=1, dropout=0.2)


Network = Annotated[Annotated[UNetSpec, Tag("unet")] | Annotated[Pix2PixHDSpec, Tag("pix2pixhd")], kind_or("unet")]


class Regressing(Spec):
    """The network, and how it learns; its ``features`` are as many as there are stains, whatever is said."""

    net: Network = UNET
    """A U-Net, at first of 1,946,401 parameters from one channel to one; or, by ``kind: pix2pixhd``, a generator like
    that of ``translate``, so that only what they learn for differs."""
    objective: Regress = Regress()
    crop_px: PositiveInt = 128
    """Pixels a side of what it learns from; a multiple of what the network pools by."""
    members: PositiveInt = 1
    """Networks with other first weights and other draws: an ensemble, whose disagreement is another doubt."""
    fit: Fit = Fit(steps=2000, size=4, rate=1e-3, fall=Fall(after=1000, over=1000), judge_every=100, save_every=200)


def regress(config: "Config", run: Run) -> None:
    """Fit the networks."""
    pairs, choice = pairs_of(run), config.regress
    size, period = choice.crop_px, regressor_period(choice)
    train, held = (crops(pairs, pairs.fields.split(name).tolist(), size, period) for name in ("train", "val"))
    for member in range(choice.members):
        plan = choice.fit.model_copy(update={"seed": choice.fit.seed + member})
        nets: dict[str, nn.Module] = {"regressor": _build(choice, pairs)}
        initialise(nets, plan.seed)
        fit(Game(choice.objective, nets, train, _judge(choice, held, run, name_of(member))), plan, run, name_of(member))


def _judge(choice: Regressing, held: Draw, run: Run, name: str) -> Judge:
    """Return a judge of the loss on fields not learned from."""
    batch, terms = held(0, HELD, 8), losses_of(choice.objective, held, 8)

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        there = moved(batch, next(nets["regressor"].parameters()).device)
        run.show(name, step, shown(there["x"], nets["regressor"](there["x"]), there["stain"]))
        return terms(nets, step)

    return figures


def regressor_of(choice: Regressing, pairs: Pairs, run: Run, member: int = 0) -> nn.Module:
    """Return a network that ``regress`` trained."""
    nets = {"regressor": _build(choice, pairs)}
    recall(nets, run, name_of(member))
    require_strength(nets["regressor"], choice.net.dropout)
    return nets["regressor"].to(run.device)


def regressor_period(choice: Regressing) -> int:
    """Return what the sides of an image must be multiples of."""
    return choice.net.period if isinstance(choice.net, Pix2PixHDSpec) else int(np.prod(choice.net.factors))


def name_of(member: int) -> str:
    """Return the name of a fit."""
    return "regression" if member == 0 else f"regression-{member}"


def _build(choice: Regressing, pairs: Pairs) -> nn.Module:
    if isinstance(choice.net, Pix2PixHDSpec):
        return choice.net.build(len(pairs.source), len(pairs.target))
    return choice.net.model_copy(update={"features": len(pairs.target)}).build(len(pairs.source), 2)
