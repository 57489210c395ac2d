"""The walk along one direction, where everything is linear and the published figures are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from aliter.core.errors import DataError
from aliter.methods.walk.latent_shift import LatentShift

ROWS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=torch.float64)
WEIGHTS = torch.tensor([0.5, 1.0, 0.5], dtype=torch.float64)
Z = torch.ones(2, dtype=torch.float64)


def logit(z: Tensor) -> Tensor:
    return WEIGHTS @ (ROWS @ z) - 1


def gradient() -> Tensor:
    z = Z.clone().requires_grad_(True)
    (found,) = torch.autograd.grad(logit(z).sigmoid(), z)
    return found


def drawing(direction: Tensor) -> Callable[[float], np.ndarray]:
    return lambda shift: (ROWS @ (Z + shift * direction)).numpy()[:, None, None]


def score(image: np.ndarray) -> np.ndarray:
    p = 1 / (1 + np.exp(-(WEIGHTS.numpy() @ image.ravel() - 1)))
    return np.array([1 - p, p])


def test_published_figures_of_the_linear_shift() -> None:
    g = gradient()
    draw = drawing(g)
    assert g.tolist() == pytest.approx([0.157490378] * 2, abs=1e-9)
    assert draw(0).ravel().tolist() == [2, 1, 2]
    for shift, p in ((0, 0.880797078), (-1, 0.821644470), (-3, 0.641662365), (-10, 0.061530848)):
        assert score(draw(shift))[1] == pytest.approx(p, abs=1e-9)
    assert float(logit(Z + g) - logit(Z)) == pytest.approx(0.472471134, abs=1e-9)


@pytest.mark.parametrize(("target", "shift"), [(0.5, -4.233062837), (0.080797078, -9.379548892)])
def test_the_search_hits_the_target(target: float, shift: float) -> None:
    found = LatentShift(target=target, tolerance=1e-10, largest=64.0, largest_change=100.0)(drawing(gradient()), score)
    assert found.stop == "target"
    assert found.walk.setting[-1] == pytest.approx(shift, abs=1e-6)
    assert found.walk.score[-1, 1] == pytest.approx(target, abs=1e-9)


def test_a_mask_halves_the_slope_and_leaves_the_rest_bit_for_bit() -> None:
    masked = gradient() * torch.tensor([0.0, 1.0], dtype=torch.float64)
    assert float(logit(Z + masked) - logit(Z)) == pytest.approx(0.236235567, abs=1e-9)
    moved = Z - 4.233062837 * masked
    assert moved[0].item() == Z[0].item()
    assert float(logit(moved)) == pytest.approx(1.0, abs=1e-8)
    assert float(logit(moved).sigmoid()) == pytest.approx(0.731058579, abs=1e-9)


@pytest.mark.parametrize("target", [0.2, 0.95])
def test_a_walk_starts_at_its_origin_goes_evenly_and_either_way(target: float) -> None:
    found = LatentShift(target=target, frames=5, largest_change=100.0)(drawing(gradient()), score)
    walk = found.walk
    assert walk.image is not None
    np.testing.assert_array_equal(walk.image[0], walk.origin)
    np.testing.assert_array_equal(walk.origin, drawing(gradient())(0))
    np.testing.assert_allclose(np.diff(walk.t), walk.t[-1] / 4)
    np.testing.assert_array_equal(walk.t, np.abs(walk.setting))
    assert abs(walk.score[-1, 1] - target) <= 1e-3
    assert (walk.setting[-1] > 0) == (target > 0.88)
    for image, scores in zip(walk.image, walk.score, strict=True):
        np.testing.assert_allclose(score(image), scores)


def test_it_stops_where_shift_or_image_go_too_far() -> None:
    draw = drawing(gradient())
    far = LatentShift(target=0.05, largest=2.0, largest_change=100.0)(draw, score)
    assert (far.stop, far.walk.setting[-1]) == ("largest shift", -2.0)
    near = LatentShift(target=0.05, largest=64.0, largest_change=0.5)(draw, score)
    assert near.stop == "largest change"
    origin = near.walk.origin
    spread = np.abs(origin - origin.mean()).mean()
    assert np.abs(near.walk.image[-1] - origin).mean() / spread == pytest.approx(0.5, abs=1e-3)
    assert np.abs(near.walk.image[-1] - origin).mean() / spread <= 0.5


def test_an_answer_that_jumps_is_left_behind_its_target() -> None:
    def jumping(image: np.ndarray) -> np.ndarray:
        p = float(image[0, 0, 0] > 3.0)
        return np.array([1 - p, p])

    found = LatentShift(target=0.5, largest_change=100.0, first=0.1)(drawing(gradient()), jumping)
    assert found.stop == "jump"
    assert found.walk.score[-1, 1] == 1
    assert found.walk.origin[0, 0, 0] + found.walk.setting[-1] * 2 * 0.157490378 == pytest.approx(3.0, abs=1e-6)


def test_it_turns_round_where_the_first_step_leads_nowhere() -> None:
    def peaked(image: np.ndarray) -> np.ndarray:
        x = float(image[0, 0, 0])
        p = 0.2 + 0.05 * max(0.0, x - 2) if x > 2 else max(0.0, 2 - x) ** 2
        return np.array([1 - p, p])

    search = LatentShift(target=0.9, largest=8.0, first=0.1, largest_change=100.0)
    assert search(drawing(gradient()), peaked, 1, 1).stop == "largest shift"
    found = search(drawing(gradient()), peaked)
    assert found.stop == "target"
    assert found.walk.setting[-1] < 0


def test_it_stands_where_the_target_is_and_wants_numbers() -> None:
    found = LatentShift(target=0.8808, frames=3)(drawing(gradient()), score)
    assert found.walk.setting.tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="finite"):
        LatentShift()(drawing(gradient()), lambda image: np.array([0.0, np.nan]))
