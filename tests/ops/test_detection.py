"""Found against true: on cases small enough to be done by hand, and against plain loops."""

import math

import numpy as np
import pytest
import torch

from aliter.ops.boxes import box_cells, kept_boxes
from aliter.ops.detection import (
    Counts,
    average_precision,
    best_threshold,
    counted,
    distinct,
    froc,
    iou,
    matched,
    nearness,
)

SCORES = np.array([0.9, 0.8, 0.7, 0.6])
RIGHT = np.array([True, False, True, False])


def test_overlap_equals_its_slow_twin() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 10, (6, 2))
    boxes = np.concatenate([low, low + rng.uniform(0, 6, (6, 2))], axis=1)
    found = iou(boxes, boxes)
    for a, row in zip(boxes, found, strict=True):
        for b, value in zip(boxes, row, strict=True):
            wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
            high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
            areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (a, b)]
            assert value == pytest.approx(wide * high / (sum(areas) - wide * high))


def test_the_surest_takes_the_nearest_and_nothing_is_found_twice() -> None:
    there = np.array([[0.0, 0, 2, 2], [10, 0, 12, 2]])
    found = np.array([[1.0, 0, 3, 2], [0.5, 0, 2.5, 2], [10, 5, 12, 7]])
    match = matched(nearness(found, there), np.array([0.5, 0.9, 0.8]), -3)
    assert match.tolist() == [-1, 0, -1]
    counts = counted(match, 2)
    assert counts == Counts(1, 2, 1)
    assert counts.f1 == pytest.approx(2 / 5)
    assert (counts.precision, counts.recall) == (1 / 3, 1 / 2)
    assert math.isnan(Counts(0, 0, 0).f1)
    assert Counts(1, 0, 0) + counts == Counts(2, 2, 1)


def test_nothing_there_or_nothing_found() -> None:
    none = np.zeros((0, 4))
    assert matched(nearness(np.ones((2, 4)), none), np.ones(2), -3).tolist() == [-1, -1]
    assert matched(nearness(none, np.ones((2, 4))), np.ones(0), -3).tolist() == []
    assert math.isnan(average_precision(SCORES, RIGHT, 0))
    assert best_threshold(np.zeros(0), np.zeros(0, bool), 3) == (0.5, 0.0)


def test_what_two_tiles_find_of_one_object_is_one() -> None:
    corners = np.array([[0.0, 0, 2, 2], [1, 0, 3, 2], [1.5, 0, 3.5, 2], [9, 9, 11, 11]])
    scores, tile = np.array([0.5, 0.9, 0.8, 0.1]), np.array([0, 1, 1, 0])
    assert distinct(corners, scores, tile, 2).tolist() == [1, 2, 3]
    assert distinct(corners, scores, np.zeros(4, int), 2).tolist() == [0, 1, 2, 3]
    assert distinct(corners[:0], scores[:0], tile[:0], 2).tolist() == []


def test_precision_and_recall_by_hand() -> None:
    assert average_precision(SCORES, RIGHT, 2) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(SCORES, RIGHT, 4) == pytest.approx((1 + 2 / 3) / 4)
    assert froc(SCORES, RIGHT, 2, 2).tolist() == [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]


def test_the_threshold_is_the_best_of_all_and_takes_equal_scores_together() -> None:
    assert best_threshold(SCORES, RIGHT, 2) == (0.7, pytest.approx(4 / 5))
    threshold, f1 = best_threshold(np.array([0.9, 0.9, 0.9]), np.array([True, False, False]), 1)
    assert (threshold, f1) == (0.9, pytest.approx(0.5))


class Rules:
    least, overlap, most = 0.05, 0.5, 100


def test_a_detection_knows_its_proposal_though_a_sure_one_comes_late() -> None:
    corners = torch.tensor([[0.0, 0, 10, 10], [30, 30, 40, 40], [0, 1, 10, 11], [50, 50, 60, 60]])
    corners = torch.stack([corners, corners], 1)
    scores = torch.tensor([[0.99, 0.01], [0.6, 0.4], [0.05, 0.95], [0.3, 0.7]])
    found = kept_boxes(corners, scores, (64, 64), Rules())
    assert found.source.tolist() == [2, 3, 1]
    assert found.scores.tolist() == pytest.approx([0.95, 0.7, 0.4])
    after_filter = torch.arange(len(scores))[scores[:, 1] > 0.05][: len(found.source)]
    assert after_filter.tolist() != found.source.tolist()
    wrong = scores[: len(found.source), 1]
    assert not torch.allclose(wrong, found.scores)


def test_small_boxes_and_the_background_go_and_classes_do_not_hide_each_other() -> None:
    box = [5.0, 5, 15, 15]
    corners = torch.tensor([[box, box, box], [[0, 0, 0, 0], [70, 70, 80, 80], [20, 20, 20.001, 30]]])
    scores = torch.tensor([[0.1, 0.5, 0.4], [0.1, 0.5, 0.4]])
    found = kept_boxes(corners, scores, (64, 64), Rules())
    assert sorted(found.labels.tolist()) == [1, 2]
    assert found.source.tolist() == [0, 0]


def test_the_published_box_touches_nine_cells() -> None:
    corners = torch.tensor([269.1402, 310.2549, 318.9763, 360.1942])
    mask = box_cells(corners, 32 / (800 / 512), (25, 25))
    rows, columns = mask.nonzero().T
    assert sorted(set(rows.tolist())) == [15, 16, 17]
    assert sorted(set(columns.tolist())) == [13, 14, 15]
    assert int(mask.sum()) == 9
    assert int(box_cells(corners, 32 / (800 / 512), (25, 25), dilate=1).sum()) == 25
    assert int(box_cells(torch.tensor([-9.0, -9, 5, 5]), 8.0, (4, 4), dilate=1).sum()) == 4
