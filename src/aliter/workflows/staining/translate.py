"""Learn to draw a stain that a discriminator takes for real: one of all that it might be."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from aliter.core.batch import Batch, Draw
from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.methods.objective.pix2pixhd import Pix2PixHD, drawn
from aliter.nets.blocks import initialise
from aliter.nets.dropout import require_strength
from aliter.nets.patch import Discriminator, PatchSpec
from aliter.nets.perception import VGG19
from aliter.nets.pix2pixhd import EnhancerSpec, Enhancing, Pix2PixHDSpec, halved
from aliter.nets.published import load_published
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.staining.crops import HELD, crops, losses_of, moved, shown
from aliter.workflows.staining.pairs import Pairs, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

_log = logging.getLogger(__name__)
SD = 0.02
"""Of the first weights, as published."""
_ADAM = (0.5, 0.999)
MOVERS = ("generator", "enhancer")
"""Who learns to draw in the end, where there is an enhancer."""
_WON = 0.05
"""A loss of the discriminator below which it has won, and teaches nothing."""


class Enhance(Spec):
    """Around the generator, which has learned at half the resolution, one that sees all of it.

    At first it learns alone, the generator staying as it is to the bit; then both learn, with fresh optimisers.
    """

    net: EnhancerSpec = EnhancerSpec()
    alone: Fit = Fit(steps=1000, size=4, rate=2e-4, betas=_ADAM, judge_every=100, save_every=200)
    joint: Fit = Fit(steps=1000, size=4, rate=2e-4, betas=_ADAM, judge_every=100, save_every=200)


class Translating(Spec):
    """Generator and discriminator, and how they learn."""

    net: Pix2PixHDSpec = Pix2PixHDSpec()
    discriminator: PatchSpec = PatchSpec()
    objective: Pix2PixHD = Pix2PixHD()
    crop_px: PositiveInt = 128
    """Pixels a side of what they learn from."""
    fit: Fit = Fit(steps=2000, size=4, rate=2e-4, betas=_ADAM, judge_every=100, save_every=200)
    enhance: Enhance | None = None
    """What learns at full resolution once the generator has learned at half of it; None: the generator does."""
    weights: Path | None = None
    """A folder with ``latest_net_G.pth`` and maybe ``latest_net_D.pth`` of pix2pixHD or of what is like it, to begin
    with; only numbers are read from them."""
    perception: Path | None = None
    """A file of torchvision's ``vgg19``, whose maps are compared too; only numbers are read from it."""


def translate(config: "Config", run: Run) -> None:
    """Fit generator and discriminator; with an enhancer first at half resolution, then around it."""
    pairs, choice = pairs_of(run), config.translate
    size, period = choice.crop_px, period_of(choice)
    draws = _Draws(*(crops(pairs, pairs.fields.split(name).tolist(), size, period) for name in ("train", "val")))
    nets = _build(choice, pairs)
    initialise(nets, choice.fit.seed, SD)
    if choice.weights is not None:
        load_published(choice.weights, nets)
    if choice.perception is not None:
        nets["perception"] = VGG19(choice.perception)
    if choice.enhance is None:
        _fit(nets, choice.objective, draws, choice.fit, run, "translation")
    else:
        _enhance(choice, choice.enhance, nets, draws, run)
    run.record(_dominance(run, choice, last_fit(choice)))


def _enhance(choice: Translating, enhance: Enhance, nets: dict[str, nn.Module], draws: "_Draws", run: Run) -> None:
    """Fit the generator at half resolution, the enhancer around it, then both."""
    judges = nets["discriminator"]
    assert isinstance(judges, Discriminator)
    # At half resolution a pool is of half the size; the discriminator's weights go on, its pool begins anew.
    half = choice.discriminator.build(judges.channels, -(-choice.crop_px // 2))
    half.scales.load_state_dict(judges.scales.state_dict())
    first = {**{name: net for name, net in nets.items() if name != "enhancer"}, "discriminator": half}
    _fit(first, choice.objective, _Draws(_half(draws.train), _half(draws.held)), choice.fit, run, "translation")
    recall(first, run, "translation")
    judges.scales.load_state_dict(half.scales.state_dict())
    alone, both = (choice.objective.model_copy(update={"moves": moves}) for moves in (("enhancer",), MOVERS))
    _fit(nets, alone, draws, enhance.alone, run, "translation-alone")
    recall(nets, run, "translation-alone")
    _fit(nets, both, draws, enhance.joint, run, "translation-joint")


@dataclass(frozen=True)
class _Draws:
    """What is learned from, and what is only looked at."""

    train: Draw
    held: Draw


def last_fit(choice: Translating) -> str:
    """Return the name of the fit that ends the stage."""
    return "translation" if choice.enhance is None else "translation-joint"


def generator_of(choice: Translating, pairs: Pairs, run: Run) -> nn.Module:
    """Return what ``translate`` trained to draw: a network from channels without stain to stains."""
    nets = _build(choice, pairs)
    recall(nets, run, last_fit(choice))
    for net in nets.values():
        require_strength(net, choice.net.dropout)
    if choice.enhance is None:
        return nets["generator"].to(run.device)
    return Enhancing(nets["generator"], nets["enhancer"]).to(run.device)


def period_of(choice: Translating) -> int:
    """Return what the sides of an image must be multiples of."""
    return choice.net.period * (1 if choice.enhance is None else 2)


def _build(choice: Translating, pairs: Pairs) -> dict[str, nn.Module]:
    source, stains = len(pairs.source), len(pairs.target)
    nets: dict[str, nn.Module] = {
        "generator": choice.net.build(source, stains),
        "discriminator": choice.discriminator.build(source + stains, choice.crop_px),
    }
    if choice.enhance is not None:
        nets["enhancer"] = choice.enhance.net.build(choice.net, source, stains)
    return nets


def _half(draw: Draw) -> Draw:
    """Return draws of the same images at half their resolution."""

    def smaller(seed: int, step: int, size: int) -> Batch:
        batch = draw(seed, step, size)
        tensors: dict[str, Tensor] = {name: halved(value) for name, value in batch.tensors.items()}
        return Batch(batch.step, batch.ids, batch.seed, tensors)

    return smaller


def _fit(
    nets: Mapping[str, nn.Module],
    objective: Pix2PixHD,
    draws: _Draws,
    plan: Fit,
    run: Run,
    name: str,
) -> None:
    fit(Game(objective, nets, draws.train, _judge(objective, draws.held, run, name)), plan, run, name)


def _judge(objective: Pix2PixHD, held: Draw, run: Run, name: str) -> Judge:
    """Return a judge of all terms on fields not learned from, and of what the discriminator says of them."""
    batch, terms = held(0, HELD, 8), losses_of(objective, held, 8)

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        there = moved(batch, next(nets["generator"].parameters()).device)
        x, stain = there["x"], there["stain"]
        fake = drawn(nets, x)
        run.show(name, step, shown(x, fake, stain))
        said = {"D(real)": stain, "D(fake)": fake}
        maps = {key: nets["discriminator"](torch.cat([x, image], 1)) for key, image in said.items()}
        means = {
            key: float(torch.stack([scale[-1].float().mean() for scale in scales]).mean())
            for key, scales in maps.items()
        }
        return {**terms(nets, step), **means}

    return figures


def _dominance(run: Run, choice: Translating, name: str) -> list[Figure]:
    """Return the discriminator's loss in the last fifth of a fit, and say so if it has won."""
    rows = [row for row in run.metrics("translate") if row["name"] == name and "discriminate/real" in row]
    last = rows[-max(1, len(rows) // 5) :]
    loss = sum(row["discriminate/real"] + row["discriminate/fake"] for row in last) / len(last)
    note = f"{choice.discriminator.scales / 4:g} where it cannot tell real from drawn"
    if choice.objective.adversary == "least_squares" and loss < _WON:
        words = "the discriminator has won and teaches nothing: lower its rate, give it a pool, or make it smaller"
        _log.warning("%s: expected a discriminator that is in doubt, found a loss of %.3f; %s", name, loss, words)
        note = f"{note}; {words}"
    return [Figure("loss of the discriminator, last fifth", loss, len(last), note=note)]
