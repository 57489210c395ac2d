"""Concepts found and tested: the published rules, exact cases, and tests that keep their promise."""

import numpy as np
import pytest

from aliter.core.errors import DataError
from aliter.methods.concept.ace import ACE, recurs
from aliter.methods.concept.cav import Kind, cav
from aliter.methods.concept.craft import CRAFT, sobol_total
from aliter.methods.concept.significance import (
    Scores,
    drawn_sets,
    held_out,
    learned_p,
    rank_p,
    score_table,
    significance,
)
from aliter.methods.concept.tcav import tcav_score
from aliter.ops.stats import paired_t


@pytest.mark.parametrize(
    ("size", "images", "kept"),
    [
        (20, 20, False),
        (21, 11, True),
        (40, 11, True),
        (40, 10, False),
        (100, 20, False),
        (120, 21, True),
        (220, 21, False),
        (220, 23, True),
    ],
)
def test_the_published_rule_of_what_recurs(size: int, images: int, kept: bool) -> None:
    assert recurs(size, images, 40, 20) == kept


def blobs(count: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = np.array([[5.0, 0, 0], [0, 5, 0], [0, 0, 5]])
    return np.abs(np.repeat(centres, count, 0) + rng.normal(0, 0.3, (3 * count, 3))), np.tile(np.arange(count), 3)


def test_groups_are_found_and_led_by_the_most_typical() -> None:
    rows, image = blobs()
    found = ACE(count=3, least=10, most=12)(rows, image)
    assert sorted(sorted(set((one.group // 30).tolist()))[0] for one in found) == [0, 1, 2]
    for one in found:
        assert len(one.members) == 12
        distance = np.linalg.norm(rows[one.group] - rows[one.group].mean(0), axis=1)
        np.testing.assert_array_equal(one.members, one.group[np.argsort(distance, kind="stable")][:12])
    few = np.repeat(np.arange(9), 10)
    assert ACE(count=1, least=10)(rows, few) == []
    assert ACE(count=1, least=10)(rows, np.r_[few[:80], np.arange(9, 19)])[0].group.size == 90
    assert ACE(count=3, least=30)(rows, image) == []


def test_parts_of_a_product_of_rank_two_are_found() -> None:
    rng = np.random.default_rng(0)
    parts = np.array([[1.0, 0, 2, 0], [0, 3.0, 0, 1]])
    rows = rng.random((30, 2)) @ parts
    weights, found = CRAFT(count=2, iterations=5000).factors(rows)
    np.testing.assert_allclose(weights @ found, rows, atol=1e-6)
    concepts = CRAFT(count=2, most=5)(rows, np.arange(30))
    for one in concepts:
        assert max(one.direction @ part / np.linalg.norm(part) for part in parts) == pytest.approx(1, abs=5e-3)
        assert len(one.members) == 5
    with pytest.raises(DataError, match="found negative"):
        CRAFT(count=2)(rows - 1, np.arange(30))


def test_published_sobol_indices() -> None:
    linear = sobol_total(lambda m: 3 * m[:, 0] + m[:, 1], 2, 4096)
    np.testing.assert_allclose(linear, [0.9, 0.1], atol=1e-4)
    product = sobol_total(lambda m: m[:, 0] * m[:, 1], 2, 4096)
    np.testing.assert_allclose(product, [4 / 7, 4 / 7], atol=1e-4)
    assert sobol_total(lambda m: np.ones(len(m)), 2).tolist() == [0, 0]


def pool(count: int = 400, size: int = 12) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(count, size)), rng.normal(size=(40, size)), rng


def test_a_set_that_is_no_concept_passes_the_rank_as_often_as_said_and_the_paired_t_far_too_often() -> None:
    rows, gradients, rng = pool()
    gradients[:, 0] += 2
    negatives = [rows[one] for one in drawn_sets(20, 20, np.arange(200), rng)]
    null = score_table(
        gradients, [rows[one] for one in drawn_sets(300, 20, np.arange(200, 400), rng)], negatives, "mean_difference"
    )
    found = [significance(null[row : row + 1], null[:150]) for row in range(150, 300)]
    ranked = np.mean([one.rank_p < 0.05 for one in found])
    assert ranked < 0.12
    assert np.mean([one.t_p < 0.05 for one in found]) > 2 * max(ranked, 0.05)


def test_a_concept_along_which_answers_rise_stands_out() -> None:
    rows, gradients, rng = pool()
    along = gradients.mean(axis=0)
    negatives = [rows[one] for one in drawn_sets(10, 20, np.arange(200), rng)]
    null = score_table(
        gradients, [rows[one] for one in drawn_sets(60, 20, np.arange(200, 400), rng)], negatives, "mean_difference"
    )
    concept = rng.normal(size=(20, 12)) + 3 * along / np.linalg.norm(along)
    found = significance(score_table(gradients, [concept], negatives, "mean_difference"), null)
    assert found.rank_p == pytest.approx(1 / 61)
    assert found.effect > 3
    against = significance(score_table(gradients, [-concept], negatives, "mean_difference"), null)
    assert against.rank_p == pytest.approx(1 / 61)
    assert against.effect < -3


def test_a_loss_falls_where_a_logit_rises() -> None:
    rows, gradients, rng = pool()
    concept = gradients.mean(axis=0) + rng.normal(size=(20, 12))
    up = score_table(gradients, [concept], [rows[:20]], "mean_difference")
    down = score_table(-gradients, [concept], [rows[:20]], "mean_difference")
    assert up.share + down.share == pytest.approx(1)
    assert up.lean == pytest.approx(-down.lean)


@pytest.mark.parametrize("kind", ["mean_difference", "pattern"])
def test_scores_of_all_pairs_equal_their_slow_twin(kind: Kind) -> None:
    rows, gradients, rng = pool()
    sets, negatives = ([rows[one] for one in drawn_sets(4, 9, np.arange(400), rng)] for _ in range(2))
    fast = score_table(gradients, sets, negatives, kind)
    for one, shares, leans in zip(sets, fast.share, fast.lean, strict=True):
        for other, share, lean in zip(negatives, shares, leans, strict=True):
            direction = cav(one, other, kind)
            assert share == tcav_score(gradients, direction)
            assert lean == pytest.approx(np.mean([row @ direction / np.linalg.norm(row) for row in gradients]))


def test_the_paired_t_is_the_one_of_the_same_sets() -> None:
    rng = np.random.default_rng(1)
    scores, null = (Scores(rng.random((count, 20)), rng.normal(size=(count, 20))) for count in (1, 30))
    found = significance(scores, null)
    assert found.t_p == pytest.approx(paired_t(scores.share[0], np.diag(null.share[:20, :20]))[1])
    assert found.rank_p == rank_p(float(scores.lean.mean()), null.lean.mean(1))
    with pytest.raises(DataError, match="two or more sets"):
        significance(scores, null[:1])


def test_a_rank_by_hand() -> None:
    null = np.array([-2.0, -1, 0, 1, 2])
    assert rank_p(5.0, null) == 1 / 6
    assert rank_p(-1.5, null) == 3 / 6
    assert rank_p(0.0, null) == 1


def test_a_lean_among_those_of_blank_networks_is_student_s_t_about_zero() -> None:
    from scipy.stats import t

    assert learned_p(0.0, np.array([0.1, -0.2])) == 1
    assert learned_p(0.3, np.array([0.1, -0.1, 0.1])) == pytest.approx(2 * t.sf(3, 3))
    assert learned_p(-0.3, np.array([0.1, -0.1, 0.1])) == learned_p(0.3, np.array([0.1, 0.1, 0.1]))
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(4000, 7))
    found = np.array([learned_p(float(row[0]), row[1:]) for row in draws])
    for alpha in (0.01, 0.05, 0.2):
        assert (found < alpha).mean() == pytest.approx(alpha, abs=4 * np.sqrt(alpha * (1 - alpha) / 4000))


def test_accuracy_is_of_examples_not_learned_from() -> None:
    rng = np.random.default_rng(0)
    apart = held_out(rng.normal(size=(30, 4)) + 4, [rng.normal(size=(30, 4))] * 3, "mean_difference", rng)
    alike = held_out(rng.normal(size=(30, 4)), [rng.normal(size=(30, 4)) for _ in range(20)], "svm", rng)
    assert apart.share > 0.95
    assert apart.low < apart.share <= apart.high
    assert 0.3 < alike.share < 0.7


def test_random_sets_do_not_repeat_a_segment_and_want_enough() -> None:
    rng = np.random.default_rng(0)
    for one in drawn_sets(5, 8, np.arange(10, 20), rng):
        assert len(set(one.tolist())) == 8
        assert one.min() >= 10
    with pytest.raises(DataError, match="take more windows"):
        drawn_sets(1, 11, np.arange(10), rng)
