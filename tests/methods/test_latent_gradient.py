"""The walk through latents, where everything is linear and known."""

import numpy as np
import pytest
import torch
from torch import Tensor

from aliter.methods.walk.latent_gradient import LatentGradient


def generator(z: Tensor) -> Tensor:
    return torch.stack([z[:, 0] + z[:, 1], z[:, 0] - z[:, 1]], 1)[:, None, None]


def between(x: Tensor) -> Tensor:
    return 2 * x[:, 0, 0, 0] + 2 * x[:, 0, 0, 1]


@pytest.mark.parametrize("target", [0, 1])
def test_it_goes_straight_to_the_side_of_the_target(target: int) -> None:
    z = torch.tensor([0.1, 0.7])
    walk = LatentGradient(steps=20, length=0.1, sure=0.9)(generator, between, z, target)
    sign = 1 if target else -1
    expected = 4 * (0.1 + sign * walk.t)
    np.testing.assert_allclose(walk.score[:, 1], 1 / (1 + np.exp(-expected)), rtol=1e-5)
    np.testing.assert_array_equal(walk.image[0], walk.origin)
    np.testing.assert_allclose(walk.origin, generator(z[None])[0])
    assert walk.score[-1, target] >= 0.9 > walk.score[-2, target]
    np.testing.assert_allclose(walk.score.sum(1), 1)


def test_it_stands_where_nothing_can_be_gained() -> None:
    walk = LatentGradient()(generator, lambda x: 0 * x[:, 0, 0, 0], torch.zeros(2), 1)
    assert walk.t.tolist() == [0]
