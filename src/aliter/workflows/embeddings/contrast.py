"""Learn the embedding from pairs of views, without labels."""

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field, PositiveInt
from torch import nn

from aliter.core.batch import Draw
from aliter.core.objective import Objective
from aliter.core.spec import Spec
from aliter.data.fields import Fields
from aliter.data.run import Figure, Run
from aliter.methods.objective.contrast import Contrast, Vicreg, projected
from aliter.nets.blocks import initialise
from aliter.nets.heads import Head
from aliter.nets.unet import UNet, UNetSpec
from aliter.train.fit import Game, Judge, fit, recall
from aliter.train.plan import Fit
from aliter.workflows.embeddings.gather import fields_of
from aliter.workflows.embeddings.views import Views, two_views

if TYPE_CHECKING:
    from aliter.workflows.embeddings import Config

_log = logging.getLogger(__name__)
PRETRAINING = "pretraining"
"""What clocks call learning the embedding."""
_LOST = 5
"""Times as often as by chance: a point that finds its partner less often than this is lost."""
_HELD = 1_000_003
"""Step of the draw that is only looked at: no fit is so long."""


class Contrasting(Spec):
    """The network that embeds, and how it learns."""

    net: UNetSpec = UNetSpec()
    projection: PositiveInt = 12
    """Channels that the objective sees; only the embedding below them is used later."""
    views: Views = Views()
    objective: Annotated[Contrast | Vicreg, Field(discriminator="kind")] = Contrast()
    fit: Fit = Fit(steps=1000, size=2, rate=1e-3, judge_every=250, save_every=250)


def contrast(config: "Config", run: Run) -> None:
    """Fit encoder and projection on two views of training fields; keep what they make of one held-out pair."""
    fields, choice = fields_of(run), config.contrast
    nets = _build(choice, fields)
    draw = two_views(fields, fields.split("train").tolist(), choice.views, choice.net)
    held = two_views(fields, fields.split("val").tolist(), choice.views, choice.net)
    start = time.process_time()
    fit(Game(choice.objective, nets, draw, _judge(choice.objective, held, run)), choice.fit, run, "embedding")
    run.time({"name": PRETRAINING, "seconds": time.process_time() - start})
    run.record([told_apart(run)])


def told_apart(run: Run) -> Figure:
    """Return how often a point found its partner in the end, and say so if hardly more often than by chance."""
    last = [row for row in run.metrics("contrast") if "found" in row][-1]
    found, chance = last["found"], last["found by chance"]
    note = f"share of points in views of a field not learned from; {chance:.2g} by chance"
    if found < _LOST * chance:
        words = "the embedding tells hardly any points apart: lower contrast.fit.rate, or take more steps"
        _log.warning("contrast: expected points that find their partner, found %.2g of them; %s", found, words)
        note = f"{note}; {words}"
    return Figure("points that find their partner", found, round(1 / chance), note=note)


def encoder_of(choice: Contrasting, fields: Fields, run: Run) -> UNet:
    """Return the encoder that ``contrast`` trained."""
    nets = _build(choice, fields)
    recall(nets, run, "embedding")
    encoder = nets["encoder"]
    assert isinstance(encoder, UNet)
    return encoder.to(run.device)


def fresh_encoder(choice: Contrasting, fields: Fields, seed: int) -> UNet:
    """Return an encoder of the same form that has learned nothing."""
    encoder = choice.net.build(len(fields.channels), len(fields.shape))
    initialise({"encoder": encoder}, seed)
    return encoder


def _build(choice: Contrasting, fields: Fields) -> dict[str, nn.Module]:
    features = choice.net.features
    nets: dict[str, nn.Module] = {
        "encoder": choice.net.build(len(fields.channels), len(fields.shape)),
        "projection": Head((features, features, choice.projection)),
    }
    initialise(nets, choice.fit.seed)
    return nets


def _judge(objective: Objective, held: Draw, run: Run) -> Judge:
    """Return a judge of how often a point finds its partner among all others, in views of fields not trained on."""
    batch = held(0, _HELD, 2)
    turn = objective.turns[0]

    def figures(nets: Mapping[str, nn.Module], step: int) -> dict[str, float]:
        device = next(nets["encoder"].parameters()).device
        there = type(batch)(batch.step, batch.ids, batch.seed, {k: v.to(device) for k, v in batch.tensors.items()})
        losses = objective.losses(turn, nets, there)
        a, b = projected(nets, there)
        found = []
        for one, other in zip(nn.functional.normalize(a, dim=-1), nn.functional.normalize(b, dim=-1), strict=True):
            nearest = (one @ other.T).argmax(1)
            found.append((nearest == torch.arange(len(nearest), device=device)).float().mean())
        _snapshot(nets, there["x"], there["other"], (there["at"], there["at_other"]), run, step)
        share, loss = float(torch.stack(found).mean()), float(sum(losses.values()))
        return {"found": share, "found by chance": 1 / a.shape[1], "held-out loss": loss}

    return figures


def _snapshot(
    nets: Mapping[str, nn.Module],
    x: torch.Tensor,
    other: torch.Tensor,
    at: tuple[torch.Tensor, torch.Tensor],
    run: Run,
    step: int,
) -> None:
    """Save both views of one pair, the points that match, and their embedding."""
    axes = ("view", "channel", *("z", "y", "x")[-(x.ndim - 2) :])
    views = torch.stack([x[0], other[0]])
    run.save(f"snapshots/{step}/views", views.cpu().numpy(), axes)
    run.save(f"snapshots/{step}/points", torch.stack([one[0] for one in at]).cpu().numpy(), ("view", "point", "axis"))
    run.save(f"snapshots/{step}/embedding", nets["encoder"](views).cpu().numpy(), axes)
