"""Scores of objects against their definitions, written as loops over all pairs."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from aliter.ops.instances import (
    THRESHOLDS,
    best_overlaps,
    f1_scores,
    matched,
    mean_average_precision,
    panoptic_quality,
    splits_and_merges,
    symmetric_best_dice,
)
from aliter.ops.labels import average_precision


def ious(truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the intersection over union of all pairs, one by one."""
    rows, columns = (np.unique(one[one > 0]) for one in (truth, labels))
    table = np.zeros((len(rows), len(columns)))
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            both = np.count_nonzero((truth == a) & (labels == b))
            table[i, j] = both / np.count_nonzero((truth == a) | (labels == b))
    return table


def blobs(seed: int, count: int = 12, side: int = 48) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), int)
    for number in range(1, count + 1):
        y, x, h, w = *rng.integers(0, side - 6, 2), *rng.integers(4, 12, 2)
        labels[y : y + h, x : x + w] = number
    return labels


def pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    truth = blobs(seed)
    return truth, np.roll(truth, (1, 2), (0, 1)) if seed % 2 else np.where(blobs(seed + 99) % 3 == 0, truth, 0)


@pytest.mark.parametrize("seed", range(6))
def test_all_equal_their_definitions(seed: int) -> None:
    truth, labels = pair(seed)
    table = ious(truth, labels)
    n, m = table.shape
    for place, threshold in enumerate(THRESHOLDS):
        good = (table >= threshold - 1e-9).astype(float)
        found = good[linear_sum_assignment(-good)].sum()
        assert average_precision(truth, labels, THRESHOLDS)[place] == pytest.approx(found / (n + m - found))
        assert f1_scores(truth, labels, THRESHOLDS)[place] == pytest.approx(2 * found / (n + m))
    precisions = [average_precision(truth, labels, [one])[0] for one in THRESHOLDS]
    assert mean_average_precision(truth, labels) == pytest.approx(np.mean(precisions))
    quality = table[table > 0.5].sum() / (
        (table > 0.5).sum() + (n - (table > 0.5).sum()) / 2 + (m - (table > 0.5).sum()) / 2
    )
    assert panoptic_quality(truth, labels) == pytest.approx(quality)
    dice = 2 * table / (1 + table)
    assert symmetric_best_dice(truth, labels) == pytest.approx(min(dice.max(1).mean(), dice.max(0).mean()))
    assert splits_and_merges(truth, labels) == (((table > 0.1).sum(1) > 1).sum(), ((table > 0.1).sum(0) > 1).sum())
    ids, best = best_overlaps(truth, labels)
    np.testing.assert_array_equal(ids, np.unique(labels[labels > 0]))
    np.testing.assert_allclose(best, table.max(0))
    row, column = linear_sum_assignment(table, maximize=True)
    kept = table[row, column] >= 0.5
    ours, theirs = matched(truth, labels, 0.5)
    wanted = set(zip(np.unique(truth[truth > 0])[row[kept]], ids[column[kept]], strict=True))
    assert set(zip(ours.tolist(), theirs.tolist(), strict=True)) == wanted


@pytest.mark.parametrize("seed", range(3))
def test_numbers_of_objects_have_no_influence(seed: int) -> None:
    truth, labels = pair(seed)
    rng = np.random.default_rng(seed)
    renumbered = np.concatenate([[0], 1 + rng.permutation(500)])
    other = renumbered[truth], renumbered[labels]
    for score in (mean_average_precision, panoptic_quality, symmetric_best_dice, splits_and_merges):
        assert score(*other) == pytest.approx(score(truth, labels))


def test_nothing_found_is_nothing_and_nothing_there_is_no_number() -> None:
    none, some = np.zeros((8, 8), int), np.ones((8, 8), int)
    for score in (mean_average_precision, panoptic_quality, symmetric_best_dice):
        assert np.isnan(score(none, none))
        assert score(none, some) == score(some, none) == 0
    assert splits_and_merges(none, some) == (0, 0)
    assert len(matched(none, some, 0.5)[0]) == 0
    assert best_overlaps(none, some)[1].tolist() == [0]


def test_a_split_and_a_merge_are_counted() -> None:
    truth = np.zeros((8, 16), int)
    truth[2:6, 1:7], truth[2:6, 9:12], truth[2:6, 12:15] = 1, 2, 3
    labels = np.zeros_like(truth)
    labels[2:6, 1:4], labels[2:6, 4:7], labels[2:6, 9:15] = 1, 2, 3
    assert splits_and_merges(truth, labels) == (1, 1)
