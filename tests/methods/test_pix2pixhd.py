"""The game of an image drawn from another: what its terms are."""

from typing import Literal

import pytest
import torch
from torch import nn

from aliter.core.batch import Batch
from aliter.methods.objective.pix2pixhd import Pix2PixHD


class Undecided(nn.Module):
    """One scale of one map that is always 0."""

    def forward(self, pair: torch.Tensor) -> list[list[torch.Tensor]]:
        return [[0 * pair[:, :1]]]


@pytest.mark.parametrize(("error", "expected"), [("absolute", 1.0), ("squared", 0.75)])
def test_pixels_may_err_absolutely_or_by_squares(error: Literal["absolute", "squared"], expected: float) -> None:
    game = Pix2PixHD(pixel=2, matching=0, error=error)
    x = torch.zeros(1, 1, 2, 2)
    stain = torch.tensor([0.5, -0.5, 0.0, 1.0]).reshape(1, 1, 2, 2)
    nets = {"generator": nn.Identity(), "discriminator": Undecided()}
    batch = Batch(0, ("one",), 0, {"x": x, "stain": stain})
    terms = game.losses(game.turns[0], nets, batch)
    assert float(terms["pixel"]) == pytest.approx(expected)
