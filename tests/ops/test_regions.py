import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.core.errors import DataError
from aliter.ops.labels import affinities
from aliter.ops.regions import agglomerate


def drawn(seed, shape=(5, 6), ids=8):
    rng = np.random.default_rng(seed)
    return rng.integers(0, ids, shape), rng.random((len(shape), *shape))


def slow_agglomerate(fragments, affinity, threshold):
    """Score every pair of touching regions afresh after each merge."""
    labels = fragments.copy()
    while True:
        faces = {}
        for axis, index in ((a, i) for a in range(labels.ndim) for i in np.ndindex(labels.shape) if i[a]):
            pair = labels[index], labels[tuple(i - (a == axis) for a, i in enumerate(index))]
            if pair[0] != pair[1] and 0 not in pair:
                faces.setdefault((min(pair), max(pair)), []).append(affinity[(axis, *index)])
        scores = {pair: 1 - np.mean(values) for pair, values in faces.items()}
        best = min(scores, key=scores.get, default=None)
        if best is None or scores[best] >= threshold:
            return labels
        labels[labels == best[1]] = best[0]


@pytest.mark.parametrize(("seed", "shape"), [(0, (5, 6)), (1, (7, 4)), (2, (3, 4, 3)), (3, (30,))])
def test_it_equals_its_slow_twin(seed, shape):
    fragments, affinity = drawn(seed, shape)
    thresholds = [0.3, 0.45, 0.55, 0.9]
    for labels, threshold in zip(agglomerate(fragments, affinity, thresholds), thresholds, strict=True):
        assert np.array_equal(labels, slow_agglomerate(fragments, affinity, threshold))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6))
def test_a_higher_threshold_only_merges_and_leaves_the_input_alone(seed):
    fragments, affinity = drawn(seed)
    kept = fragments.copy(), affinity.copy()
    low, high = agglomerate(fragments, affinity, [0.4, 0.6])
    for one, other in ((fragments, low), (low, high)):
        assert len(np.unique(np.stack([one.ravel(), other.ravel()]), axis=1).T) == len(np.unique(one))
    assert np.array_equal(low == 0, fragments == 0)
    assert np.array_equal(fragments, kept[0])
    assert np.array_equal(affinity, kept[1])


def test_thresholds_may_come_in_any_order():
    fragments, affinity = drawn(4)
    up, down = agglomerate(fragments, affinity, [0.3, 0.6, 0.6]), agglomerate(fragments, affinity, [0.6, 0.6, 0.3])
    assert all(np.array_equal(a, b) for a, b in zip(up, down[::-1], strict=True))
    assert down[0] is not down[1]


def test_nothing_merges_at_zero_and_everything_that_touches_above_one():
    fragments = np.array([[4, 4, 9, 0, 7, 7]])
    affinity = np.zeros((2, 1, 6))
    none, everything = agglomerate(fragments, affinity, [0.0, 1.1])
    assert np.array_equal(none, fragments)
    assert everything.tolist() == [[4, 4, 4, 0, 7, 7]]


def test_faces_are_pooled_after_a_merge():
    # 1 | 2 | 3 in the upper row, 1 | 1 | 3 in the lower: after 1 takes 2, it meets 3 over two faces of mean 0.5.
    fragments = np.array([[1, 2, 3], [1, 1, 3]])
    affinity = np.zeros((2, 2, 3))
    affinity[1, 0] = [0, 0.9, 0.2]
    affinity[1, 1] = [0, 0, 0.8]
    affinity[0, 1, 1] = 0.9
    apart, joined = agglomerate(fragments, affinity, [0.45, 0.55])
    assert apart.tolist() == [[1, 1, 3], [1, 1, 3]]
    assert joined.tolist() == [[1, 1, 1], [1, 1, 1]]


def test_affinities_of_the_truth_restore_it():
    truth = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2]])
    fragments = np.where(truth > 0, np.arange(1, 13).reshape(3, 4), 0)
    (labels,) = agglomerate(fragments, affinities(truth), [0.5])
    assert labels.tolist() == [[1, 1, 3, 3], [1, 1, 3, 3], [0, 0, 3, 3]]


def test_large_ids_survive():
    fragments = np.array([2**63 + 5, 2**63 + 9], dtype=np.uint64)
    (labels,) = agglomerate(fragments, np.ones((1, 2)), [0.5])
    assert labels.dtype == np.uint64
    assert labels.tolist() == [2**63 + 5] * 2


def test_affinities_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="shape"):
        agglomerate(np.ones((3, 3), int), np.ones((1, 3, 3)), [0.5])
