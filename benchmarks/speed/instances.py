"""Scores of a thousand objects against a loop over all pairs, results compared first.

.venv/bin/python benchmarks/speed/instances.py
"""

import time

import numpy as np
from scipy.optimize import linear_sum_assignment

from aliter.ops.instances import mean_average_precision


def grid(shift: int) -> np.ndarray:
    """Return 32 x 32 squares on 640 x 640 pixels."""
    labels = np.zeros((640, 640), np.int32)
    numbers = np.arange(1, 1025).reshape(32, 32)
    labels[:] = np.kron(numbers, np.ones((20, 20), np.int32))
    y, x = np.mgrid[:640, :640]
    labels[(y % 20 > 15) | (x % 20 > 15)] = 0
    return np.roll(labels, (shift, 2 * shift), (0, 1))


def slow(truth: np.ndarray, labels: np.ndarray) -> float:
    """Return the same, pair by pair in the boxes of true objects."""
    ids = np.unique(truth[truth > 0]), np.unique(labels[labels > 0])
    table = np.zeros((len(ids[0]), len(ids[1])))
    sizes = np.bincount(labels.ravel())
    for row, one in enumerate(ids[0]):
        inside = truth == one
        for other in np.unique(labels[inside]):
            if other:
                both = np.count_nonzero(labels[inside] == other)
                union = np.count_nonzero(inside) + sizes[other] - both
                table[row, np.searchsorted(ids[1], other)] = both / union
    precisions = []
    for threshold in np.arange(50, 100, 5) / 100:
        good = (table >= threshold - 1e-9).astype(float)
        found = good[linear_sum_assignment(-good)].sum()
        precisions.append(found / (sum(table.shape) - found))
    return float(np.mean(precisions))


def main() -> None:
    """Print processor seconds of both and their ratio."""
    truth, labels = grid(0), grid(1)
    start = time.process_time()
    theirs = slow(truth, labels)
    middle = time.process_time()
    for _ in range(5):
        ours = mean_average_precision(truth, labels)
    end = time.process_time()
    assert abs(ours - theirs) < 1e-12, (ours, theirs)
    fast = (end - middle) / 5
    print(f"1,024 objects: loop {middle - start:.3f} s, aliter {fast:.4f} s, ratio {(middle - start) / fast:.0f}")


if __name__ == "__main__":
    main()
