import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from aliter.core.errors import DataError
from aliter.ops.frechet import Moments, frechet_distance, moments

ROWS = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])


def slow_distance(mean_a, cov_a, mean_b, cov_b):
    """Take the root of the product of the covariances, as published."""
    root = sqrtm(cov_a @ cov_b)
    return np.sum((mean_a - mean_b) ** 2) + np.trace(cov_a + cov_b - 2 * root.real)


def drawn(seed, count=60, size=12):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)


@pytest.mark.parametrize(
    ("mean_a", "cov_a", "mean_b", "cov_b", "expected"),
    [
        ([0, 0], np.eye(2), [3, 4], np.eye(2), 25),
        ([0, 0], np.diag([1, 4]), [1, 2], np.diag([9, 16]), 13),
        ([0, 0], [[2, 1], [1, 2]], [0, 0], [[3, 0], [0, 1]], 8 - 2 * np.sqrt(14)),
        ([0, 0], np.diag([1, 0]), [0, 0], np.diag([0, 1]), 2),
        ([0], [[1]], [1], [[4]], 2),
        ([1, 2], np.zeros((2, 2)), [1, 2], np.zeros((2, 2)), 0),
        ([1, 2], np.zeros((2, 2)), [1, 2], np.eye(2), 2),
    ],
)
def test_known_gaussians(mean_a, cov_a, mean_b, cov_b, expected):
    arguments = [np.array(one, dtype=float) for one in (mean_a, cov_a, mean_b, cov_b)]
    assert frechet_distance(*arguments) == pytest.approx(expected, abs=1e-9)


def test_covariances_divide_by_one_less_than_the_rows():
    assert frechet_distance(*moments(ROWS), *moments(2 * ROWS)) == pytest.approx(14 / 3)


@pytest.mark.parametrize("count", [60, 13])
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_its_slow_twin(seed, count):
    a, b = moments(drawn(seed, count)), moments(drawn(seed + 10, count))
    assert frechet_distance(*a, *b) == pytest.approx(slow_distance(*a, *b), rel=1e-8)


@pytest.mark.parametrize("count", [2, 5, 60])
def test_equal_gaussians_do_not_differ_whatever_their_rank(count):
    a = moments(drawn(0, count))
    assert frechet_distance(*a, *a) < 1e-8


def test_covariances_of_too_few_rows_are_fine():
    a, b = moments(drawn(0, 5)), moments(drawn(1, 7))
    root = np.linalg.svd(_root(a[1]) @ _root(b[1]), compute_uv=False).sum()
    expected = np.sum((a[0] - b[0]) ** 2) + np.trace(a[1]) + np.trace(b[1]) - 2 * root
    assert frechet_distance(*a, *b) == pytest.approx(expected, rel=1e-6)


def _root(covariance):
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.clip(values, 0, None)) @ vectors.T


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 20), st.integers(1, 6))
def test_it_is_symmetric_and_does_not_turn_with_the_axes(seed, count, size):
    a, b = drawn(seed, count, size), drawn(seed + 1, count, size)
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]
    distance = frechet_distance(*moments(a), *moments(b))
    scale = 1e-7 * (1 + np.trace(moments(a)[1]) + np.trace(moments(b)[1]))
    assert distance >= 0
    assert frechet_distance(*moments(b), *moments(a)) == pytest.approx(distance, abs=scale)
    assert frechet_distance(*moments(a @ turn), *moments(b @ turn)) == pytest.approx(distance, abs=scale)


def test_moments_equal_those_of_numpy():
    rows = drawn(0)
    mean, covariance = moments(rows.astype(np.float32))
    assert np.allclose(mean, rows.mean(0), atol=1e-6)
    assert np.allclose(covariance, np.cov(rows, rowvar=False), atol=1e-4)


@pytest.mark.parametrize("size", [1, 7, 60, 100])
def test_moments_do_not_depend_on_batches(size):
    rows = drawn(3) + 1000
    whole = Moments.of(rows[:0])
    for start in range(0, len(rows), size):
        whole = whole.add(rows[start : start + size])
    assert whole.count == len(rows)
    assert np.allclose(whole.mean, rows.mean(0), rtol=1e-12)
    assert np.allclose(whole.covariance, np.cov(rows, rowvar=False), rtol=1e-9, atol=1e-9)


def test_one_row_has_no_covariance():
    with pytest.raises(DataError, match="2 rows"):
        moments(ROWS[:1])


def test_what_is_not_finite_is_refused():
    mean, covariance = moments(ROWS)
    with pytest.raises(DataError, match="finite"):
        frechet_distance(mean * np.nan, covariance, mean, covariance)
