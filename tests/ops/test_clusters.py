"""Groups: values worked out by hand; rows in no group are not one."""

import numpy as np
import pytest

from aliter.ops.clusters import agreement, validity


def test_two_pairs() -> None:
    found = validity(np.array([[0.0], [1], [10], [11]]), np.array([0, 0, 1, 1]))
    assert found.silhouette == pytest.approx(0.899749373)
    assert found.davies_bouldin == pytest.approx(0.1)
    assert found.calinski_harabasz == pytest.approx(200)
    assert (found.count, found.coverage) == (2, 1)


def test_noise_is_no_group() -> None:
    found = validity(np.array([[0.0], [1], [10], [11], [100]]), np.array([0, 0, 1, 1, -1]))
    assert found.silhouette == pytest.approx(0.899749373)
    assert (found.count, found.coverage) == (2, 0.8)


def test_two_triangles() -> None:
    rows = np.array([(0, 0), (0, 1), (1, 0), (5, 5), (5, 6), (6, 5)], float)
    found = validity(rows, np.array([0, 0, 0, 1, 1, 1]))
    assert found.silhouette == pytest.approx(0.839816331)
    assert found.davies_bouldin == pytest.approx(0.184990118)


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [-1, -1, -1, -1], [0, 1, 2, 3]])
def test_one_group_or_none_has_no_score(labels: list[int]) -> None:
    assert np.isnan(validity(np.arange(4.0)[:, None], np.array(labels)).silhouette)


def test_names_of_groups_do_not_matter() -> None:
    assert agreement(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1
    assert agreement(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) < 0.01
