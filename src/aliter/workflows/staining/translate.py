"""Learn to draw a stain that a discriminator takes for real: one of all that it might be."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from pydantic import PositiveInt
from torch import nn

from aliter.core.batch import Draw
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.methods.objective.pix2pixhd import Pix2PixHD, drawn
from aliter.nets.blocks import initialise
from aliter.nets.dropout import require_strength
from aliter.nets.patch import PatchSpec
from aliter.nets.pix2pixhd import Pix2PixHDSpec
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.staining.crops import _HELD, crops, losses_of, moved
from aliter.workflows.staining.pairs import Pairs, pairs_of

if TYPE_CHECKING:
    from aliter.workflows.staining import Config

SD = 0.02
"""Of the first weights, as published."""


class Translating(Spec):
    """Generator and discriminator, and how they learn."""

    net: Pix2PixHDSpec = Pix2PixHDSpec()
    discriminator: PatchSpec = PatchSpec()
    objective: Pix2PixHD = Pix2PixHD()
    crop_px: PositiveInt = 128
    """Pixels a side of what they learn from."""
    fit: Fit = Fit(steps=2000, size=4, rate=2e-4, betas=(0.5, 0.999), judge_every=100, save_every=200)


def translate(config: "Config", run: Run) -> None:
    """Fit generator and discriminator."""
    pairs, choice = pairs_of(run), config.translate
    train, held = (crops(pairs, pairs.fields.split(name).tolist(), choice.crop_px) for name in ("train", "val"))
    nets = _build(choice, pairs)
    initialise(nets, choice.fit.seed, SD)
    fit(Game(choice.objective, nets, train, _judge(choice, held)), choice.fit, run, "translation")


def generator_of(choice: Translating, pairs: Pairs, run: Run) -> nn.Module:
    """Return the generator that ``translate`` trained."""
    nets = _build(choice, pairs)
    recall(nets, run, "translation")
    require_strength(nets["generator"], choice.net.dropout)
    return nets["generator"].to(run.device)


def _build(choice: Translating, pairs: Pairs) -> dict[str, nn.Module]:
    source, stains = len(pairs.source), len(pairs.target)
    return {
        "generator": choice.net.build(source, stains),
        "discriminator": choice.discriminator.build(source + stains, choice.crop_px),
    }


def _judge(choice: Translating, held: Draw) -> Judge:
    """Return a judge of all terms on fields not learned from, and of what the discriminator says of them."""
    batch, terms = held(0, _HELD, 8), losses_of(choice.objective, held, 8)

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        there = moved(batch, next(nets["generator"].parameters()).device)
        x, stain = there["x"], there["stain"]
        said = {
            "D(real)": nets["discriminator"](torch.cat([x, stain], 1)),
            "D(fake)": nets["discriminator"](torch.cat([x, drawn(nets, x)], 1)),
        }
        means = {
            name: float(torch.stack([scale[-1].float().mean() for scale in maps]).mean()) for name, maps in said.items()
        }
        return {**terms(nets, step), **means}

    return figures
