import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aliter.core.errors import DataError
from aliter.ops.ambiguity import confusion_distance, hypervolume, knee, min_norm_weights, most_real, pareto_front

few = settings(max_examples=60, deadline=None)
gradients = st.tuples(*[arrays(np.float64, 4, elements=st.integers(-3, 3).map(float))] * 2)


def test_confusion_distance_of_known_probabilities():
    p = np.array([0.5, 0.6, 0.4, 0.9, 0.1, 0.55, 0.45, 0, 1, 0.52])
    assert confusion_distance(p).mean() == pytest.approx(0.212)
    assert torch.allclose(confusion_distance(torch.from_numpy(p)), torch.from_numpy(np.abs(p - 0.5)))


def test_confusion_distance_can_be_descended():
    p = torch.tensor([0.2, 0.9], requires_grad=True)
    confusion_distance(p).sum().backward()
    assert p.grad.tolist() == [-1, 1]


@few
@given(gradients)
def test_weights_are_the_exact_minimiser(pair):
    first, second = pair
    weights = min_norm_weights(first, second)
    grid = np.linspace(0, 1, 1001)[:, None]
    shortest = np.linalg.norm(grid * first + (1 - grid) * second, axis=1).min()
    length = np.linalg.norm(weights[0] * first + weights[1] * second)
    assert sum(weights) == pytest.approx(1)
    assert 0 <= weights[0] <= 1
    assert length <= shortest + 1e-12


@pytest.mark.parametrize(
    ("first", "second", "weight"),
    [([1, 0], [0, 1], 0.5), ([2, 0], [0, 1], 0.2), ([1, 0], [3, 0], 1), ([3, 0], [1, 0], 0), ([1, 1], [1, 1], 0.5)],
)
def test_known_weights(first, second, weight):
    first, second = torch.tensor([first, second], dtype=torch.float32)
    assert min_norm_weights(first, second) == pytest.approx((weight, 1 - weight))


def test_the_known_front():
    points = np.array([(10, 0.40), (12, 0.20), (15, 0.25), (20, 0.05), (9, 0.45), (30, 0.05), (11, 0.42)])
    assert pareto_front(points).tolist() == [0, 1, 3, 4]
    assert pareto_front(np.vstack([points, points[1]])).tolist() == [0, 1, 3, 4, 7]


@few
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_the_front_equals_its_slow_twin(points):
    front = [i for i, (x, y) in enumerate(points) if not any(u <= x and v <= y and (u, v) != (x, y) for u, v in points)]
    assert pareto_front(np.array(points, dtype=float).reshape(-1, 2)).tolist() == front


def test_a_point_that_is_not_a_number_is_never_in_front():
    assert pareto_front(np.array([[np.nan, 0], [1, np.nan], [2, 2], [np.inf, 1]])).tolist() == [2, 3]


POINTS = np.array([(10, 0.40), (12, 0.20), (15, 0.25), (20, 0.05), (9, 0.45), (30, 0.05), (11, 0.42)])


def test_the_knee_is_nearest_to_the_ideal_and_the_volume_that_of_the_front() -> None:
    assert pareto_front(POINTS).tolist() == [0, 1, 3, 4]
    assert hypervolume(POINTS, (40.0, 0.5)) == pytest.approx(11.65)
    index, near = knee(POINTS)
    assert index == 1
    assert near == pytest.approx(0.463686, abs=1e-6)
    twice = np.vstack([POINTS, POINTS[1]])
    assert pareto_front(twice).tolist() == [0, 1, 3, 4, 7]
    assert hypervolume(twice, (40.0, 0.5)) == pytest.approx(11.65)


def test_the_volume_is_that_of_many_small_squares() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((30, 2))
    grid = (np.arange(1000) + 0.5) / 1000
    beaten = np.zeros((1000, 1000), bool)
    for x, y in points:
        beaten |= (grid[:, None] >= x) & (grid[None, :] >= y)
    assert hypervolume(points, (1.0, 1.0)) == pytest.approx(beaten.mean(), abs=2e-3)


@pytest.mark.parametrize(("near", "index"), [(0.3, 1), (0.2, 1), (0.19, 3), (0.05, 3), (0.01, 3), (0.5, 4)])
def test_the_most_real_of_those_near_enough_or_else_the_nearest(near: float, index: int) -> None:
    assert most_real(POINTS, near) == index


def test_no_point_at_all_has_no_knee() -> None:
    for choose in (knee, lambda points: most_real(points, 0.5)):
        with pytest.raises(DataError, match="expected points to choose from"):
            choose(np.full((3, 2), np.nan))
    assert hypervolume(np.full((3, 2), np.nan), (1.0, 1.0)) == 0
