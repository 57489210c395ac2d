import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.core.errors import RequestError
from aliter.ops import prototypes
from aliter.ops.prototypes import coverage, criticisms, diversity, medoid, mmd_critic


def likeness(rows):
    return np.exp(-((rows[:, None] - rows) ** 2).sum(-1) / 2)


def drawn(seed, count=9, size=3):
    return np.random.default_rng(seed).normal(size=(count, size))


def discrepancy(kernel, chosen):
    """Return the squared maximum mean discrepancy, pair by pair."""
    everyone = range(len(kernel))
    whole = np.mean([kernel[i, j] for i in everyone for j in everyone])
    between = np.mean([kernel[i, j] for i in everyone for j in chosen])
    return whole - 2 * between + np.mean([kernel[i, j] for i in chosen for j in chosen])


@pytest.mark.parametrize("seed", range(3))
def test_the_medoid_is_nearest_to_all(seed, monkeypatch):
    rows = drawn(seed)
    sums = [sum(np.linalg.norm(a - b) for b in rows) for a in rows]
    assert medoid(rows) == np.argmin(sums)
    monkeypatch.setattr(prototypes, "_PAIRS", 1)
    assert medoid(rows) == np.argmin(sums)


def test_of_equal_medoids_the_first():
    assert medoid(np.array([[5.0], [0.0], [1.0], [0.0], [1.0], [-4.0]])) == 1
    assert medoid(np.zeros((3, 2))) == 0


@pytest.mark.parametrize("seed", range(3))
def test_prototypes_are_chosen_greedily(seed):
    kernel = likeness(drawn(seed))
    chosen = []
    for _ in range(5):
        left = [i for i in range(len(kernel)) if i not in chosen]
        chosen.append(min(left, key=lambda i: discrepancy(kernel, [*chosen, i])))
    assert mmd_critic(kernel, 5).tolist() == chosen


@pytest.mark.parametrize("seed", range(3))
def test_criticisms_have_the_largest_witness(seed):
    kernel = likeness(drawn(seed))
    chosen = mmd_critic(kernel, 3)
    witness = {
        i: -abs(np.mean(kernel[i]) - np.mean([kernel[i, p] for p in chosen]))
        for i in range(len(kernel))
        if i not in chosen
    }
    assert criticisms(kernel, chosen, 4).tolist() == sorted(witness, key=witness.get)[:4]


def test_two_groups_get_a_prototype_each_and_the_stranger_is_criticised():
    rows = np.array([[0.0], [0.1], [-0.1], [8.0], [8.1], [7.9], [4.0]])
    chosen = mmd_critic(likeness(rows), 2)
    assert sorted(chosen.tolist()) == [0, 3]
    assert criticisms(likeness(rows), chosen, 1).tolist() == [6]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(7)))
def test_the_order_of_rows_has_no_influence(seed, order):
    rows, order = drawn(seed, 7), np.array(order)
    chosen = mmd_critic(likeness(rows), 3)
    moved = mmd_critic(likeness(rows[order]), 3)
    assert order[moved].tolist() == chosen.tolist()
    assert order[criticisms(likeness(rows[order]), moved, 2)].tolist() == criticisms(likeness(rows), chosen, 2).tolist()
    assert order[medoid(rows[order])] == medoid(rows)


def test_all_rows_can_be_chosen_and_none():
    kernel = likeness(drawn(0, 4))
    assert sorted(mmd_critic(kernel, 4).tolist()) == [0, 1, 2, 3]
    assert mmd_critic(kernel, 0).size == 0
    assert criticisms(kernel, [0], 0).size == 0


def test_what_cannot_be_chosen_is_refused():
    kernel = likeness(drawn(0, 4))
    for refused in (lambda: mmd_critic(kernel, 5), lambda: criticisms(kernel, [0, 1], 3)):
        with pytest.raises(RequestError, match="at most"):
            refused()
    with pytest.raises(RequestError, match="prototypes"):
        criticisms(kernel, [], 1)
    with pytest.raises(RequestError, match="rows"):
        medoid(np.zeros((0, 2)))


def test_known_coverage_and_diversity():
    rows = np.array([[0.0], [1.0], [2.0], [10.0], [12.0]])
    chosen = np.array([1, 3])
    assert coverage(rows, chosen, 1.0) == 4 / 5
    assert coverage(rows, chosen, 0.5) == 2 / 5
    assert coverage(rows, chosen, 2.0) == 1
    between = [abs(a - b) for i, a in enumerate(rows[:, 0]) for b in rows[:i, 0]]
    assert diversity(rows, chosen) == pytest.approx(9 / np.mean(between))
    assert diversity(rows, np.arange(5)) == pytest.approx(1)
    assert math.isnan(diversity(rows, np.array([2])))
    assert math.isnan(diversity(np.ones((4, 2)), np.array([0, 1])))
