"""What a run leaves for others to use: the networks that stain."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from aliter.data.run import Run
from aliter.nets.portable import IMAGE, Port, Portable, Scaled
from aliter.workflows.staining.pairs import pairs_of
from aliter.workflows.staining.regress import regressor_of, regressor_period
from aliter.workflows.staining.translate import generator_of, period_of

if TYPE_CHECKING:
    from aliter.workflows.staining import Config


def portables(config: "Config", run: Run) -> dict[str, Portable]:
    """Return the regression and the generator: channels as they are stored to stains in their own units."""
    pairs = pairs_of(run)
    nets = {
        "regression": (regressor_of(config.regress, pairs, run), regressor_period(config.regress)),
        "gan": (generator_of(config.translate, pairs, run), period_of(config.translate)),
    }
    stored = pairs.fields.stored(int(pairs.fields.split("test")[0]))[list(pairs.source)].astype(np.float32)
    names = tuple(pairs.fields.channels[place] for place in pairs.source)
    found = {}
    for name, (net, period) in nets.items():
        height, width = (side // period * period for side in pairs.shape)
        still = net.eval().requires_grad_(False)
        found[name] = Portable(
            nn.Sequential(_scale(pairs.standardised, len(names)), still, _scale(pairs.unsigned, len(pairs.target))),
            {name: still},
            f"Predicts {', '.join(pairs.stains)} from {', '.join(names)}, in the units of the stain.",
            {Port("image", IMAGE, names): stored[None, :, :height, :width]},
            Port("stain", IMAGE, pairs.stains),
        )
    return found


def _scale(scaled: Callable[[np.ndarray], np.ndarray], channels: int) -> Scaled:
    """Return the line that ``scaled`` is in each of so many channels."""
    zero, one = (scaled(np.full((channels, 1, 1), value, np.float32)) for value in (0, 1))
    return Scaled(one - zero, zero)
