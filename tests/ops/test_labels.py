import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment
from skimage.metrics import variation_of_information as skimage_voi

from aliter.core.errors import DataError
from aliter.ops.labels import (
    affinities,
    average_precision,
    det_score,
    overlap,
    rand_split_merge,
    seg_score,
    variation_of_information,
)

pairs = st.tuples(*[arrays(np.int64, (5, 6), elements=st.integers(0, 5))] * 2)
few = settings(max_examples=50, deadline=None)


def slow_counts(truth, labels):
    """Count voxels with a true label one by one."""
    joint = {}
    for t, f in zip(truth.flat, labels.flat, strict=True):
        if t:
            joint[t, f] = joint.get((t, f), 0) + 1
    rows, columns = {}, {}
    for (t, f), n in joint.items():
        rows[t] = rows.get(t, 0) + n
        columns[f] = columns.get(f, 0) + n
    return joint, rows, columns


def slow_entropy(counts):
    total = sum(counts.values())
    return -sum(n / total * math.log2(n / total) for n in counts.values())


def slow_iou(truth, labels):
    truths, found = sorted(set(truth.flat) - {0}), sorted(set(labels.flat) - {0})
    table = np.zeros((len(truths), len(found)))
    for (i, t), (j, f) in itertools.product(enumerate(truths), enumerate(found)):
        table[i, j] = np.sum((truth == t) & (labels == f)) / np.sum((truth == t) | (labels == f))
    return table


def slow_average_precision(truth, labels, threshold):
    good = slow_iou(truth, labels) >= threshold
    matched = good[linear_sum_assignment(good, maximize=True)].sum()
    return matched / (sum(good.shape) - matched) if sum(good.shape) else float("nan")


def slow_seg(truth, labels):
    scores = []
    for t in set(truth.flat) - {0}:
        inside = truth == t
        best = [f for f in set(labels[inside]) - {0} if 2 * np.sum(inside & (labels == f)) > inside.sum()]
        scores.append(np.sum(inside & (labels == best[0])) / np.sum(inside | (labels == best[0])) if best else 0)
    return np.mean(scores) if scores else float("nan")


def slow_det(truth, labels):
    truths, found = sorted(set(truth.flat) - {0}), sorted(set(labels.flat) - {0})
    if not truths:
        return float("nan")
    finds = {f: [t for t in truths if 2 * np.sum((truth == t) & (labels == f)) > np.sum(truth == t)] for f in found}
    missed = len(truths) - sum(len(ones) for ones in finds.values())
    splits = sum(max(len(ones) - 1, 0) for ones in finds.values())
    invented = sum(not ones for ones in finds.values())
    return 1 - min(5 * splits + 10 * missed + invented, 10 * len(truths)) / (10 * len(truths))


@few
@given(pairs)
def test_they_equal_their_slow_twins(pair):
    truth, labels = pair
    joint, rows, columns = slow_counts(truth, labels)
    if joint:
        whole = slow_entropy(joint)
        expected = whole - slow_entropy(rows), whole - slow_entropy(columns)
        assert variation_of_information(truth, labels) == pytest.approx(expected, abs=1e-12)
        agree = sum(n**2 for n in joint.values())
        rand = agree / sum(n**2 for n in rows.values()), agree / sum(n**2 for n in columns.values())
        assert rand_split_merge(truth, labels) == pytest.approx(rand, abs=1e-12)
    assert det_score(truth, labels) == pytest.approx(slow_det(truth, labels), abs=1e-12, nan_ok=True)
    thresholds = [0.1, 0.25, 0.5, 0.75, 1.0]
    expected = [slow_average_precision(truth, labels, one) for one in thresholds]
    assert average_precision(truth, labels, thresholds) == pytest.approx(expected, nan_ok=True)
    assert seg_score(truth, labels) == pytest.approx(slow_seg(truth, labels), nan_ok=True)


@few
@given(pairs, st.permutations(range(1, 6)), st.sampled_from([0, 7, 2**40, 2**63]))
def test_the_numbering_of_labels_has_no_influence(pair, order, offset):
    truth, labels = pair
    ids = np.array([0, *order], dtype=np.uint64) + np.array([0, *[offset] * 5], dtype=np.uint64)
    for measure in (variation_of_information, rand_split_merge, seg_score):
        assert measure(ids[truth], ids[labels]) == pytest.approx(measure(truth, labels), nan_ok=True, abs=1e-12)
    scores = average_precision(ids[truth], ids[labels], [0.3, 0.5])
    assert scores == pytest.approx(average_precision(truth, labels, [0.3, 0.5]), nan_ok=True)


def test_voi_equals_that_of_scikit_image():
    rng = np.random.default_rng(0)
    truth, labels = rng.integers(1, 9, (2, 12, 12, 12))
    assert variation_of_information(truth, labels) == pytest.approx(skimage_voi(truth, labels))


def test_what_is_split_and_what_is_merged():
    halves, whole = np.repeat([1, 2], 8), np.ones(16, int)
    assert variation_of_information(whole, halves) == pytest.approx((1, 0))
    assert variation_of_information(halves, whole) == pytest.approx((0, 1))
    assert rand_split_merge(whole, halves) == pytest.approx((0.5, 1))
    assert rand_split_merge(halves, whole) == pytest.approx((1, 0.5))


def test_voxels_without_truth_are_ignored():
    truth, labels = np.array([0, 0, 1, 1, 2, 2]), np.array([5, 6, 7, 7, 8, 8])
    assert variation_of_information(truth, labels) == pytest.approx((0, 0))
    assert rand_split_merge(truth, labels) == pytest.approx((1, 1))


def test_nothing_to_measure_is_not_a_number():
    empty = np.zeros((4, 4), int)
    assert np.isnan(variation_of_information(empty, empty)).all()
    assert np.isnan(rand_split_merge(empty, empty)).all()
    assert math.isnan(seg_score(empty, empty))
    assert np.isnan(average_precision(empty, empty, [0.5, 0.7])).all()
    assert np.isnan(average_precision(empty[:0], empty[:0], [0.5])).all()


def test_one_side_without_objects_scores_nothing():
    empty, full = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert seg_score(full, empty) == 0
    assert average_precision(full, empty, [0.5]).tolist() == [0]
    assert average_precision(empty, full, [0.5]).tolist() == [0]


def test_an_overlap_of_exactly_the_threshold_matches():
    truth, labels = np.zeros((2, 20), int)
    truth[:20], labels[:13] = 1, 1
    thresholds = np.arange(0.5, 0.75, 0.05)
    assert thresholds[3] > 0.65
    assert average_precision(truth, labels, thresholds).tolist() == [1, 1, 1, 1, 0]


def test_below_one_half_the_assignment_is_the_one_that_matches_most():
    truth = np.array([1, 1, 1, 1, 2, 2, 2, 2])
    labels = np.array([3, 3, 4, 4, 4, 4, 0, 0])
    assert average_precision(truth, labels, [0.3]).tolist() == [1]


def test_a_label_that_covers_exactly_half_is_no_match_of_seg():
    truth, labels = np.array([1, 1, 1, 1]), np.array([2, 2, 3, 3])
    assert seg_score(truth, labels) == 0


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_ids_of_every_width_are_counted(dtype):
    ends = np.iinfo(dtype).min, np.iinfo(dtype).max
    truth = np.array([ends[0], ends[1], ends[1], 3], dtype)
    table = overlap(truth, truth[::-1].copy())
    assert table.truth_ids.tolist() == sorted({*ends, 3})
    assert table.count.sum() == 4
    assert table.truth_size.tolist() == [list(truth).count(i) for i in table.truth_ids]


def test_long_runs_are_counted_like_single_voxels():
    rng = np.random.default_rng(1)
    truth, labels = np.repeat(rng.integers(0, 4, (2, 30)), 17, axis=1)
    joint, _, _ = slow_counts(truth, labels)
    table = overlap(truth, labels)
    counted = {
        (table.truth_ids[r], table.label_ids[c]): n
        for r, c, n in zip(table.row, table.column, table.count, strict=True)
        if table.truth_ids[r]
    }
    assert counted == joint


def test_different_shapes_are_refused():
    with pytest.raises(DataError, match="shape"):
        overlap(np.ones((3, 3), int), np.ones((3, 4), int))


def test_affinities_of_a_known_image():
    labels = np.array([[1, 1, 0, 2], [1, 1, 0, 2], [0, 0, 0, 2], [3, 3, 3, 0]])
    along_y, along_x = affinities(labels)
    assert np.argwhere(along_y).tolist() == [[1, 0], [1, 1], [1, 3], [2, 3]]
    assert np.argwhere(along_x).tolist() == [[0, 1], [1, 1], [3, 1], [3, 2]]


def test_affinities_of_a_volume_equal_their_slow_twin():
    labels = np.random.default_rng(2).integers(0, 3, (3, 4, 5))
    found = affinities(labels)
    for axis, index in itertools.product(range(3), np.ndindex(labels.shape)):
        before = tuple(i - (a == axis) for a, i in enumerate(index))
        same = min(before) >= 0 and labels[index] == labels[before] != 0
        assert found[axis][index] == same


def test_what_must_be_split_added_or_removed_has_its_price():
    truth = np.array([[1, 1, 2, 2, 3, 3, 0, 0]])
    assert det_score(truth, truth) == 1
    assert det_score(truth, np.array([[7, 7, 7, 7, 9, 9, 0, 0]])) == pytest.approx(1 - 5 / 30)
    assert det_score(truth, np.array([[7, 7, 8, 8, 0, 0, 0, 0]])) == pytest.approx(1 - 10 / 30)
    assert det_score(truth, np.array([[7, 7, 8, 8, 9, 9, 4, 5]])) == pytest.approx(1 - 2 / 30)
    # Half of an object is not over half of it: it is missed, and what covers it is invented.
    assert det_score(truth, np.array([[7, 7, 8, 8, 9, 0, 0, 0]])) == pytest.approx(1 - 11 / 30)
    assert det_score(truth, np.array([[0, 0, 0, 0, 0, 0, 4, 4]])) == 0
    assert math.isnan(det_score(np.zeros((1, 4), int), np.ones((1, 4), int)))
