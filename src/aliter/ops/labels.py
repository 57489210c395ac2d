"""How well labels agree with the true labels, voxel by voxel and object by object."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int, Integer, Real
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from aliter.core.errors import DataError

_TABLE = 1 << 24
"""Largest table of pairs that is counted directly; beyond it the pairs are sorted."""
_ROUNDING = 1e-9
"""Thresholds made by adding decimals miss by less than this."""


@dataclass(frozen=True)
class Overlap:
    """The voxels that each true object shares with each label: a sparse table of P pairs."""

    row: Int[np.ndarray, " P"]
    """Index into ``truth_ids``."""
    column: Int[np.ndarray, " P"]
    """Index into ``label_ids``."""
    count: Int[np.ndarray, " P"]
    """Voxels in both."""
    truth_ids: Integer[np.ndarray, " I"]
    """Ids in the truth, ascending."""
    label_ids: Integer[np.ndarray, " J"]
    """Ids in the labels, ascending."""

    @property
    def truth_size(self) -> Int[np.ndarray, " I"]:
        """Voxels of each true object."""
        return _sums(self.row, self.count, len(self.truth_ids))

    @property
    def label_size(self) -> Int[np.ndarray, " J"]:
        """Voxels of each label."""
        return _sums(self.column, self.count, len(self.label_ids))


def overlap(truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "..."]) -> Overlap:
    """Return how many voxels each true object shares with each label; ids may be any integers, also of 64 bits.

    Raises
    ------
    DataError
        If the two differ in shape.
    """
    truth, labels = np.asarray(truth), np.asarray(labels)
    if truth.shape != labels.shape:
        raise DataError(f"expected labels of shape {truth.shape}, found {labels.shape}; crop or pad one of them")
    truths, found, length = _runs(truth.ravel(), labels.ravel())
    truth_ids, row = _dense(truths)
    label_ids, column = _dense(found)
    shape = len(truth_ids), len(label_ids)
    if shape[0] * shape[1] <= max(_TABLE, row.size):
        table = _sums(row * shape[1] + column, length, shape[0] * shape[1])
        pairs = np.flatnonzero(table)
        count = table[pairs]
    else:
        pairs, inverse = np.unique(row * shape[1] + column, return_inverse=True)
        count = _sums(inverse, length, len(pairs))
    row = pairs // max(shape[1], 1)
    return Overlap(row, pairs - row * shape[1], count, truth_ids, label_ids)


def variation_of_information(
    truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]
) -> tuple[float, float]:
    """Return what ``labels`` split and what they merge: H(labels | truth) and H(truth | labels), in bits.

    Voxels with truth 0 are ignored; 0 among ``labels`` is a label like others. NaN if no voxel counts.

    References
    ----------
    Meila 2007, Comparing clusterings: an information based distance, equation 15.
    """
    joint, rows, columns = _frequencies(truth, labels)
    whole = _entropy(joint)
    return whole - _entropy(rows), whole - _entropy(columns)


def rand_split_merge(
    truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]
) -> tuple[float, float]:
    """Return the Rand scores of splits and of merges, in (0, 1]; 1 is perfect.

    Given two voxels of one true object, the first is the chance that they share a label; given two voxels of one
    label, the second is the chance that they share an object. Voxels with truth 0 are ignored. NaN if none counts.

    References
    ----------
    Arganda-Carreras et al. 2015, Crowdsourcing the creation of image segmentation algorithms for connectomics.
    """
    joint, rows, columns = _frequencies(truth, labels)
    agree = float(np.square(joint).sum())
    return agree / float(np.square(rows).sum()), agree / float(np.square(columns).sum())


def seg_score(truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]) -> float:
    """Return the mean intersection over union of true objects with the label that covers over half of each.

    An object that no label covers so counts 0. NaN without true objects; 0 is background in both.

    References
    ----------
    Ulman et al. 2017, An objective comparison of cell-tracking algorithms, Nature Methods 14, measure SEG.
    """
    shared = shared_objects(truth, labels)
    covered = 2 * shared.count > shared.truth_size
    found = shared.iou[covered].sum()
    return float(found / shared.truths) if shared.truths else float("nan")


def det_score(truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]) -> float:
    """Return 1 less the cost of making the true objects of the labels, over that of making them of nothing.

    A label finds each object of which it covers over half. To split a label that found several costs 5 for each one
    too many, to add an object that was not found 10, to remove a label that found none 1. Not below 0; NaN without
    true objects; 0 is background in both.

    References
    ----------
    Matula et al. 2015, Cell tracking accuracy measurement based on comparison of acyclic oriented graphs, PLOS ONE
    10, and its weights of 5, 10 and 1: measure DET of the Cell Tracking Challenge.
    """
    shared = shared_objects(truth, labels)
    if not shared.truths:
        return float("nan")
    finding = shared.column[2 * shared.count > shared.truth_size]
    used = len(np.unique(finding))
    cost = 5 * (len(finding) - used) + 10 * (shared.truths - len(finding)) + (shared.labels - used)
    return 1 - min(cost, 10 * shared.truths) / (10 * shared.truths)


def average_precision(
    truth: Integer[np.ndarray, "*space"],
    labels: Integer[np.ndarray, "*space"],
    thresholds: Sequence[float] | Real[np.ndarray, " T"],
) -> Float64[np.ndarray, " T"]:
    """Return TP / (TP + FP + FN) for each threshold of intersection over union.

    Objects match if they overlap by at least the threshold, in the assignment that matches most. NaN if neither
    has objects, 0 if one has none; 0 is background in both. The numbering of the labels has no influence.

    References
    ----------
    Schmidt et al. 2018, Cell detection with star-convex polygons, arXiv:1806.03535, section 3.
    """
    shared = shared_objects(truth, labels)
    found = np.array([_matched(shared, float(threshold)) for threshold in np.atleast_1d(thresholds)], dtype=float)
    everything = shared.truths + shared.labels
    return found / (everything - found) if everything else np.full(found.shape, np.nan)


def affinities(labels: Integer[np.ndarray, "*space"]) -> Float32[np.ndarray, "ndim *space"]:
    """Return, for each axis, 1 where a voxel has the same label as its neighbour towards -1, and 0 elsewhere.

    0 is background and has affinity to nothing; the first voxels of an axis have no neighbour.
    """
    labels = np.asarray(labels)
    result = np.zeros((labels.ndim, *labels.shape), dtype=np.float32)
    for axis in range(labels.ndim):
        here, before = np.moveaxis(labels, axis, 0)[1:], np.moveaxis(labels, axis, 0)[:-1]
        np.moveaxis(result[axis], axis, 0)[1:] = (here == before) & (here != 0)
    return result


@dataclass(frozen=True)
class Shared:
    """Pairs of an object and a label that overlap, background left out."""

    row: Int[np.ndarray, " P"]
    """Which true object, by the order of ids, background among them."""
    column: Int[np.ndarray, " P"]
    """Which label, likewise."""
    count: Int[np.ndarray, " P"]
    """Voxels in both."""
    truth_size: Int[np.ndarray, " P"]
    """Voxels of the true object."""
    iou: Float64[np.ndarray, " P"]
    truths: int
    """True objects in all."""
    labels: int


def shared_objects(truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]) -> Shared:
    """Return the overlaps of objects, with their intersection over union."""
    table = overlap(truth, labels)
    kept = (table.truth_ids[table.row] != 0) & (table.label_ids[table.column] != 0)
    row, column, count = table.row[kept], table.column[kept], table.count[kept]
    truth_size = table.truth_size[row]
    iou = count / (truth_size + table.label_size[column] - count)
    truths, objects = np.count_nonzero(table.truth_ids), np.count_nonzero(table.label_ids)
    return Shared(row, column, count, truth_size, iou, int(truths), int(objects))


def _matched(shared: Shared, threshold: float) -> int:
    """Return how many objects the best assignment matches."""
    good = shared.iou >= threshold - _ROUNDING
    row, column = shared.row[good], shared.column[good]
    if not row.size:
        return 0
    graph = coo_array((np.ones(row.size, dtype=bool), (row, column))).tocsr()
    return int(np.count_nonzero(maximum_bipartite_matching(graph, perm_type="column") >= 0))


def _frequencies(
    truth: Integer[np.ndarray, "*space"], labels: Integer[np.ndarray, "*space"]
) -> tuple[Float64[np.ndarray, " P"], Float64[np.ndarray, " I"], Float64[np.ndarray, " J"]]:
    """Return the frequencies of pairs, of true ids and of labels, over the voxels that the truth labels."""
    table = overlap(truth, labels)
    row, column, count = table.row, table.column, table.count
    if (table.truth_ids == 0).any():
        kept = table.truth_ids[row] != 0
        row, column, count = row[kept], column[kept], count[kept]
    total = float(count.sum()) if count.size else float("nan")
    rows, columns = _sums(row, count, len(table.truth_ids)), _sums(column, count, len(table.label_ids))
    return count / total, rows / total, columns / total


def _entropy(frequency: Float64[np.ndarray, " P"]) -> float:
    """Return the entropy in bits; NaN if there is nothing to count."""
    present = frequency[frequency != 0]
    return float(-(present * np.log2(present)).sum()) if present.size else float("nan")


def _runs(
    truth: Integer[np.ndarray, " V"], labels: Integer[np.ndarray, " V"]
) -> tuple[Integer[np.ndarray, " R"], Integer[np.ndarray, " R"], Int[np.ndarray, " R"] | None]:
    """Return the ids of each run of voxels in which neither changes, and its length; None if all are 1."""
    changes = (truth[1:] != truth[:-1]) | (labels[1:] != labels[:-1])
    if 4 * np.count_nonzero(changes) >= changes.size:
        return truth, labels, None
    first = np.concatenate([[0], np.flatnonzero(changes) + 1])
    return truth[first], labels[first], np.diff(first, append=truth.size)


def _dense(ids: Integer[np.ndarray, " R"]) -> tuple[Integer[np.ndarray, " I"], Int[np.ndarray, " R"]]:
    """Return the ids that occur, ascending, and the index of each entry among them."""
    if not ids.size:
        return ids, np.zeros(0, dtype=np.int64)
    span = int(ids.max()) - int(ids.min()) + 1
    if span > max(_TABLE, ids.size):
        return np.unique(ids, return_inverse=True)
    # Unsigned ids beyond the signed range wrap, and wrap back.
    low = ids.min().astype(np.int64)
    offset = ids.astype(np.int64) - low
    present = np.bincount(offset) != 0
    if present.all():
        return (np.arange(span) + low).astype(ids.dtype), offset
    return (np.flatnonzero(present) + low).astype(ids.dtype), (np.cumsum(present) - 1)[offset]


def _sums(index: Int[np.ndarray, " P"], count: Int[np.ndarray, " P"] | None, size: int) -> Int[np.ndarray, " I"]:
    """Return the sum of ``count``, or how many there are, for each index below ``size``; exact below 2**53."""
    return np.bincount(index, weights=count, minlength=size).astype(np.int64, copy=False)
