import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.core.errors import DataError
from aliter.ops.calibration import (
    auroc,
    conformal_factor,
    gaussian_nll,
    moments,
    sparsification,
    uncertainty_calibration_error,
)


def test_moments_are_those_of_all_draws_at_once() -> None:
    draws = np.random.default_rng(0).normal(1e4, 3, (7, 5, 6))
    found = moments(iter(draws))
    np.testing.assert_allclose(found.mean, draws.mean(0))
    np.testing.assert_allclose(found.variance, draws.var(0, ddof=1))
    assert found.count == 7
    with pytest.raises(DataError, match="two draws or more, found 1"):
        moments(draws[:1])


def test_moments_hold_one_draw_at_a_time() -> None:
    alive, most = [], 0

    class Draw(np.ndarray):
        def __del__(self) -> None:
            alive.pop()

    def draws():
        nonlocal most
        for number in range(50):
            one = np.full((4, 4), float(number)).view(Draw)
            alive.append(number)
            most = max(most, len(alive))
            yield one
            del one

    assert moments(draws()).variance[0, 0] == pytest.approx(np.var(np.arange(50.0), ddof=1))
    assert most < 5


@given(st.integers(1, 60), st.floats(0.01, 0.5))
@settings(max_examples=50, deadline=None)
def test_the_factor_is_the_right_one_of_all_scores(count: int, error: float) -> None:
    scores = np.random.default_rng(count).random(count)
    rank = int(np.ceil(round((count + 1) * (1 - error), 9)))
    expected = np.sort(scores)[rank - 1] if rank <= count else np.inf
    assert conformal_factor(scores, error) == expected


def test_new_scores_exceed_the_factor_as_often_as_was_said() -> None:
    rng = np.random.default_rng(0)
    missed = [rng.exponential(size=200) > conformal_factor(rng.exponential(size=199), 0.05) for _ in range(400)]
    assert np.mean(missed) == pytest.approx(0.05, abs=0.005)


def test_likelihood_and_calibration_of_a_gaussian() -> None:
    rng = np.random.default_rng(0)
    sd = rng.uniform(0.5, 2, 200_000)
    y = sd * rng.standard_normal(sd.shape)
    expected = np.mean(0.5 * np.log(2 * np.pi * sd**2) + y**2 / (2 * sd**2))
    assert gaussian_nll(y, np.zeros_like(y), sd) == pytest.approx(expected)
    assert uncertainty_calibration_error(y, np.zeros_like(y), sd) < 0.05
    assert uncertainty_calibration_error(y, np.zeros_like(y), 2 * sd) == pytest.approx(3 * np.mean(sd**2), rel=0.05)


def test_leaving_out_the_uncertain() -> None:
    error = np.array([4.0, 1.0, 3.0, 2.0])
    shares = np.array([0.0, 0.25, 0.5, 0.99])
    np.testing.assert_allclose(sparsification(error, error, shares), [2.5, 2.0, 1.5, 1.0])
    np.testing.assert_allclose(sparsification(error, -error, shares), [2.5, 3.0, 3.5, 4.0])


def test_area_under_the_curve_equals_a_loop_over_pairs() -> None:
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 5, 60).astype(float), rng.random(60) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in score[positive] for b in score[~positive]]
    assert auroc(score, positive) == pytest.approx(np.mean(pairs))
    assert np.isnan(auroc(score, np.zeros(60, bool)))
