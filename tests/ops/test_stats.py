import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import false_discovery_control, norm, ttest_rel

from aliter.core.errors import DataError
from aliter.ops.stats import (
    benjamini_hochberg,
    bonferroni,
    coverage,
    crps_ensemble,
    crps_gaussian,
    paired_t,
    sigma_scaling,
    sign_flip_p,
)

few = settings(max_examples=40, deadline=None)
numbers = st.integers(-50, 50).map(lambda i: i / 7)
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def test_paired_t_equals_that_of_scipy():
    a, b = drawn(2, 25)
    expected = ttest_rel(a, b)
    assert paired_t(a, b) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-10)
    assert paired_t(b, a) == pytest.approx((-expected.statistic, expected.pvalue), rel=1e-10)


def test_identical_samples_are_no_evidence():
    a = drawn(8)
    assert paired_t(a, a) == (0, 1)
    assert sign_flip_p(a, a) == 1


def test_a_constant_difference_has_no_variance_to_test_against():
    a = drawn(8)
    t, p = paired_t(a + 0.1, a)
    assert t == math.inf
    assert math.isnan(p)
    assert paired_t(a - 0.1, a)[0] == -math.inf
    assert sign_flip_p(a + 0.1, a) == pytest.approx(2 / 2**8)


def test_one_pair_is_no_sample():
    assert np.isnan(paired_t([1.0], [0.0])).all()
    assert sign_flip_p([1.0], [0.0]) == 1
    assert math.isnan(sign_flip_p([], []))
    assert math.isnan(sign_flip_p([math.nan, 1.0], [0.0, 0.0]))


@few
@given(st.lists(numbers, min_size=1, max_size=8))
def test_sign_flips_equal_their_slow_twin(difference):
    observed = abs(sum(difference))
    flips = [
        abs(sum(s * d for s, d in zip(signs, difference, strict=True))) >= observed - 1e-9
        for signs in itertools.product([1, -1], repeat=len(difference))
    ]
    assert sign_flip_p(np.array(difference), np.zeros(len(difference))) == pytest.approx(np.mean(flips))


def test_drawn_flips_agree_with_the_normal_limit():
    a = drawn(400) + 0.1
    z = a.sum() / np.sqrt((a**2).sum())
    p = sign_flip_p(a, np.zeros(400))
    assert p == pytest.approx(2 * norm.sf(abs(z)), abs=0.01)
    assert p == sign_flip_p(a, np.zeros(400))


def test_samples_that_are_not_paired_are_refused():
    with pytest.raises(DataError, match="one length"):
        paired_t([1.0, 2.0], [1.0])


@few
@given(p_values)
def test_corrections_equal_their_slow_twins(p):
    assert bonferroni(p) == pytest.approx([min(1, one * len(p)) for one in p])
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh"))


@few
@given(p_values)
def test_corrections_only_raise_and_keep_the_order(p):
    for raised in (bonferroni(p), benjamini_hochberg(p)):
        assert (raised >= np.array(p) - 1e-15).all()
        assert (np.diff(raised[np.argsort(p, kind="stable")]) >= -1e-15).all()
    assert (benjamini_hochberg(p) <= bonferroni(p) + 1e-15).all()


def test_corrections_leave_out_what_was_not_tested():
    p = np.array([[0.01, math.nan], [0.04, 0.03]])
    assert bonferroni(p) == pytest.approx(np.array([[0.03, math.nan], [0.12, 0.09]]), nan_ok=True)
    assert benjamini_hochberg(p) == pytest.approx(np.array([[0.03, math.nan], [0.04, 0.04]]), nan_ok=True)


@pytest.mark.parametrize(("y", "mean", "sd"), [(0.3, 0.0, 1.0), (-2.0, 1.0, 0.5), (4.0, 4.0, 3.0)])
def test_crps_of_a_gaussian_is_its_integral(y, mean, sd):
    def below(x):
        return norm.cdf(x, mean, sd) ** 2

    def above(x):
        return norm.sf(x, mean, sd) ** 2

    expected = integrate.quad(below, mean - 12 * sd, y)[0] + integrate.quad(above, y, mean + 12 * sd)[0]
    assert crps_gaussian(y, mean, sd) == pytest.approx(expected, abs=1e-7)


def test_crps_without_spread_is_the_absolute_error():
    y = drawn(5)
    assert crps_gaussian(y, 1.0, 0.0) == pytest.approx(np.abs(y - 1))
    assert crps_ensemble(y, np.ones((3, 5))) == pytest.approx(np.abs(y - 1))


@pytest.mark.parametrize("fair", [False, True])
def test_crps_of_an_ensemble_equals_its_slow_twin(fair):
    y, samples = drawn(4, 3), drawn(6, 4, 3, seed=1)
    expected = np.zeros((4, 3))
    for index in np.ndindex(4, 3):
        values = samples[(slice(None), *index)]
        spread = sum(abs(a - b) for a in values for b in values) / (6 * (6 - fair))
        expected[index] = np.mean(np.abs(values - y[index])) - spread / 2
    assert crps_ensemble(y, samples, fair) == pytest.approx(expected)


def test_a_large_ensemble_scores_as_its_distribution():
    samples = norm.ppf((np.arange(4000) + 0.5) / 4000)
    assert crps_ensemble(0.7, samples) == pytest.approx(crps_gaussian(0.7, 0.0, 1.0), abs=1e-3)


@pytest.mark.parametrize(("count", "fair"), [(0, False), (1, True)])
def test_too_few_samples_are_refused(count, fair):
    with pytest.raises(DataError, match="samples"):
        crps_ensemble(0.0, np.zeros(count), fair)


def test_coverage_and_scaling_of_a_spread_that_is_half_of_what_it_should_be():
    y = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    zeros, halves = np.zeros_like(y), np.full_like(y, 0.5)
    assert coverage(y, zeros, halves * 2, 1.96) == pytest.approx(0.95, abs=1e-3)
    assert coverage(y, zeros, halves, 1.96) == pytest.approx(2 * norm.cdf(0.98) - 1, abs=1e-3)
    assert sigma_scaling(y, zeros, halves) == pytest.approx(2, abs=1e-3)


def test_no_spread_is_right_only_without_error():
    assert sigma_scaling(np.array([1.0, 2.0]), np.array([1.0, 1.0]), np.array([0.0, 1.0])) == pytest.approx(
        math.sqrt(0.5)
    )
    assert sigma_scaling(np.array([1.0, 2.0]), np.array([0.0, 2.0]), np.array([0.0, 1.0])) == math.inf
