"""How well objects were found, one by one; 0 is background, and the numbering of objects has no influence."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int, Integer, Real
from scipy.optimize import linear_sum_assignment

from aliter.ops.labels import Shared, average_precision, shared_objects

THRESHOLDS = np.arange(50, 100, 5) / 100
"""Of intersection over union, as COCO has them."""
_SOME = 0.1
"""Intersection over union above which two objects are partners."""
_Labels = Integer[np.ndarray, "*space"]


def f1_scores(
    truth: _Labels, labels: _Labels, thresholds: Sequence[float] | Real[np.ndarray, " T"]
) -> Float64[np.ndarray, " T"]:
    """Return 2 TP / (2 TP + FP + FN) for each threshold; NaN if neither has objects, 0 if one has none.

    References
    ----------
    Caicedo et al. 2019, Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl.
    """
    precision = average_precision(truth, labels, thresholds)
    return np.asarray(2 * precision / (1 + precision))


def mean_average_precision(truth: _Labels, labels: _Labels) -> float:
    """Return the mean of TP / (TP + FP + FN) over the thresholds 0.50, 0.55, ..., 0.95."""
    return float(average_precision(truth, labels, THRESHOLDS).mean())


def panoptic_quality(truth: _Labels, labels: _Labels) -> float:
    """Return the intersection over union of all pairs above one half, over TP + FP / 2 + FN / 2.

    References
    ----------
    Kirillov et al. 2019, Panoptic segmentation, arXiv:1801.00868, equation 1: such pairs are unique.
    """
    shared = shared_objects(truth, labels)
    found = shared.iou[shared.iou > 0.5]
    everything = (shared.truths + shared.labels) / 2
    return float(found.sum() / everything) if everything else float("nan")


def symmetric_best_dice(truth: _Labels, labels: _Labels) -> float:
    """Return the mean best Dice coefficient of true objects, or of labels, whichever is less.

    References
    ----------
    Scharr et al. 2016, Leaf segmentation in plant phenotyping: a collation study, equation 2.
    """
    shared = shared_objects(truth, labels)
    if not shared.truths and not shared.labels:
        return float("nan")
    if not shared.truths or not shared.labels:
        return 0.0
    dice = 2 * shared.iou / (1 + shared.iou)
    sides = ((shared.row, shared.truths), (shared.column, shared.labels))
    return min(float(_best(places, dice).sum() / count) for places, count in sides)


def splits_and_merges(truth: _Labels, labels: _Labels) -> tuple[int, int]:
    """Return how many true objects have several partners, and how many labels; partners overlap by over 0.1."""
    shared = shared_objects(truth, labels)
    partners = shared.iou > _SOME
    several = [int((np.bincount(places[partners]) > 1).sum()) for places in (shared.row, shared.column)]
    return several[0], several[1]


def best_overlaps(truth: _Labels, labels: _Labels) -> tuple[Int[np.ndarray, " J"], Float64[np.ndarray, " J"]]:
    """Return the ids of all labels, ascending, and the best intersection over union of each with a true object."""
    ids = np.unique(labels)
    shared = shared_objects(truth, labels)
    best = np.zeros(len(ids))
    np.maximum.at(best, shared.column, shared.iou)
    return ids[ids != 0].astype(np.int64), best[ids != 0]


def matched(
    truth: _Labels, labels: _Labels, threshold: float
) -> tuple[Integer[np.ndarray, " M"], Integer[np.ndarray, " M"]]:
    """Return the ids of the pairs that overlap by at least ``threshold``, matched so that most overlap."""
    shared = shared_objects(truth, labels)
    table = _table(shared)
    row, column = linear_sum_assignment(table, maximize=True)
    good = table[row, column] >= threshold
    truths, found = np.unique(truth), np.unique(labels)
    return truths[row[good]], found[column[good]]


def _table(shared: Shared) -> Float64[np.ndarray, "I J"]:
    """Return the intersection over union of all pairs, by the order of ids."""
    rows, columns = (int(places.max(initial=-1)) + 1 for places in (shared.row, shared.column))
    table = np.zeros((rows, columns))
    table[shared.row, shared.column] = shared.iou
    return table


def _best(places: Int[np.ndarray, " P"], values: Float64[np.ndarray, " P"]) -> Float64[np.ndarray, " I"]:
    """Return the highest of ``values`` at each place, 0 where there is none."""
    found = np.zeros(int(places.max(initial=-1)) + 1)
    np.maximum.at(found, places, values)
    return found
