"""Reducing, grouping, choosing prototypes: what all of a family promise, and slow twins."""

from itertools import combinations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from aliter.methods.cluster import Cluster
from aliter.methods.cluster import examples as clusters
from aliter.methods.prototype import Prototype
from aliter.methods.prototype import examples as prototypes
from aliter.methods.prototype.k_medoids import k_medoids
from aliter.methods.prototype.mmd_critic import MMDCritic, criticised, gaussian_kernel
from aliter.methods.reduce import Reduce
from aliter.methods.reduce import examples as reducers
from aliter.methods.reduce.pca import PCA
from aliter.ops.clusters import agreement


@pytest.fixture
def rows() -> np.ndarray:
    """Return four clouds of twelve rows in five dimensions."""
    rng = np.random.default_rng(0)
    return np.concatenate([rng.normal(10 * place, 1, (12, 5)) * [1, -1, 1, 1, place] for place in range(4)])


TRUTH = np.repeat(np.arange(4), 12)


@pytest.mark.parametrize("method", clusters(), ids=lambda one: one.kind)
def test_plain_groups_are_found_and_found_again(method: Cluster, rows: np.ndarray) -> None:
    labels = method(rows, 1)
    assert agreement(labels, TRUTH) > 0.9
    np.testing.assert_array_equal(labels, method(rows, 1))


@pytest.mark.parametrize("method", reducers(), ids=lambda one: one.kind)
def test_neighbours_stay_neighbours_and_the_seed_fixes_all(method: Reduce, rows: np.ndarray) -> None:
    small = method.model_copy(update={"dimensions": 2})
    found = small(rows, 3)
    assert found.shape == (48, 2)
    np.testing.assert_array_equal(found, small(rows, 3))
    nearest = (cdist(found, found) + 1e9 * np.eye(48)).argmin(axis=1)
    assert (TRUTH[nearest] == TRUTH).mean() > 0.9


def test_pca_keeps_distances_if_it_keeps_all(rows: np.ndarray) -> None:
    np.testing.assert_allclose(cdist(PCA()(rows), PCA()(rows)), cdist(rows, rows), atol=1e-9)


@pytest.mark.parametrize("method", prototypes(), ids=lambda one: one.kind)
def test_prototypes_are_of_their_groups_and_noise_has_none(method: Prototype, rows: np.ndarray) -> None:
    labels = np.where(np.arange(48) % 12 == 0, -1, TRUTH)
    chosen = method(rows, labels)
    each = len(chosen) // 4
    assert labels[chosen].tolist() == np.repeat(np.arange(4), each).tolist()
    assert len(set(chosen.tolist())) == len(chosen)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_k_medoids_reach_the_best_sum_of_all_choices(count: int, rows: np.ndarray) -> None:
    distances = cdist(rows[::4], rows[::4])
    best = min(distances[:, list(one)].min(axis=1).sum() for one in combinations(range(len(distances)), count))
    chosen = k_medoids(distances, count)
    assert distances[:, chosen].min(axis=1).sum() == pytest.approx(best)


def test_what_prototypes_stand_for_worst_is_told(rows: np.ndarray) -> None:
    one = np.concatenate([rows[:12], rows[:12].mean(axis=0, keepdims=True) + 30])
    labels = np.zeros(13, int)
    chosen = MMDCritic(count=2)(one, labels)
    found = criticised(one, labels, chosen, 1)
    kernel = gaussian_kernel(one)
    witness = np.abs(kernel.mean(1) - kernel[:, chosen].mean(1))
    witness[chosen] = -1
    assert found.tolist() == [int(witness.argmax())]
