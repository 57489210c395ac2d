import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.core.errors import DataError
from aliter.methods.concept.cav import Kind, cav
from aliter.methods.concept.tcav import tcav_score

KINDS = get_args(Kind)
PLAIN = np.array([[2.0, 0.0], [2.0, 2.0]]), np.array([[0.0, 0.0], [0.0, 2.0]])
DISTRACTED = np.array([[2.0, 1.0], [0.0, -1.0]]), np.array([[0.0, 1.0], [-2.0, -1.0]])


def sets(seed, size=6, count=30):
    rng = np.random.default_rng(seed)
    shift = rng.normal(size=size)
    return rng.normal(size=(count, size)) + shift, rng.normal(size=(count + 5, size))


@pytest.mark.parametrize("kind", KINDS)
def test_a_concept_along_one_axis(kind):
    positive, negative = PLAIN
    assert cav(positive, negative, kind) @ [1, 0] > 0.9999
    assert cav(negative, positive, kind) @ [1, 0] < -0.9999


@pytest.mark.parametrize(("kind", "cosine"), [("svm", math.sqrt(0.5)), ("mean_difference", 1), ("pattern", 1)])
def test_a_distractor_turns_the_classifier_but_not_the_pattern(kind, cosine):
    assert cav(*DISTRACTED, kind) @ [1, 0] == pytest.approx(cosine, abs=1e-6)


def test_a_logistic_classifier_turns_towards_the_widest_margin():
    direction = cav(*DISTRACTED, "logistic")
    assert direction[1] < 0 < direction[0]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_it_is_a_unit_vector_along_which_the_concept_scores_higher(kind, seed):
    positive, negative = sets(seed)
    direction = cav(positive, negative, kind)
    assert np.linalg.norm(direction) == pytest.approx(1)
    assert (positive @ direction).mean() > (negative @ direction).mean()
    moved = cav(positive + 3, negative + 3, kind)
    assert moved @ direction == pytest.approx(1, abs=1e-3)


def test_the_pattern_equals_its_slow_twin_and_the_mean_difference():
    positive, negative = sets(0)
    rows, member = [*positive, *negative], [1.0] * len(positive) + [0.0] * len(negative)
    slope = [np.cov([row[d] for row in rows], member)[0, 1] / np.var(member, ddof=1) for d in range(6)]
    assert np.allclose(cav(positive, negative, "pattern"), slope / np.linalg.norm(slope))
    assert np.allclose(cav(positive, negative, "pattern"), cav(positive, negative, "mean_difference"))


def test_lists_will_do():
    assert cav([[2, 0], [2, 2]], [[0, 0], [0, 2]]) @ [1, 0] > 0.9999


@pytest.mark.parametrize("kind", KINDS)
def test_equal_sets_cannot_be_told_apart(kind):
    rows = np.ones((4, 3))
    with pytest.raises(DataError, match="told apart"):
        cav(rows, rows, kind)


def test_sets_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="one dimension"):
        cav(np.ones((4, 3)), np.ones((4, 2)))
    with pytest.raises(DataError, match="one dimension"):
        cav(np.ones((0, 3)), np.ones((4, 3)))


def test_the_score_is_the_share_that_rises():
    gradients = np.array([[1.0, 0.0], [2.0, 5.0], [-1.0, 3.0], [0.0, 1.0]])
    assert tcav_score(gradients, np.array([1.0, 0.0])) == 0.5
    assert tcav_score(gradients, np.array([-1.0, 0.0])) == 0.25
    assert tcav_score([[1, 0]], [1, 0]) == 1


def test_no_examples_no_score():
    assert math.isnan(tcav_score(np.zeros((0, 2)), np.array([1.0, 0.0])))


def test_a_direction_of_another_space_is_refused():
    with pytest.raises(DataError, match="one dimension"):
        tcav_score(np.ones((4, 3)), np.ones(2))
