"""The kernel distance against its definition."""

import numpy as np
import pytest

from aliter.core.errors import DataError
from aliter.ops.kernel_distance import kernel_distance


def slow(a: np.ndarray, b: np.ndarray) -> float:
    def k(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / len(x) + 1) ** 3)

    within = [
        sum(k(x, y) for i, x in enumerate(rows) for j, y in enumerate(rows) if i != j) / (len(rows) * (len(rows) - 1))
        for rows in (a, b)
    ]
    return sum(within) - 2 * sum(k(x, y) for x in a for y in b) / (len(a) * len(b))


def test_it_equals_its_definition() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(7, 3)), rng.normal(1, size=(5, 3))
    assert kernel_distance(a, b) == pytest.approx(slow(a, b))
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(b, a))


def test_it_is_unbiased_whatever_the_number_of_rows() -> None:
    rng = np.random.default_rng(0)
    found = [kernel_distance(rng.normal(size=(8, 2)), rng.normal(size=(16, 2))) for _ in range(400)]
    assert abs(np.mean(found)) < 3 * np.std(found) / 20


def test_too_few_rows() -> None:
    with pytest.raises(DataError, match="at least 2 rows"):
        kernel_distance(np.zeros((1, 2)), np.zeros((4, 2)))
