import numpy as np
import pytest

from aliter.core.walk import Walk


def walk(t: list[float], score: list[float]) -> Walk:
    both = np.stack([1 - np.array(score), np.array(score)], axis=1)
    return Walk(np.array(t, float), np.array(t, float), both, np.zeros((1, 2, 2), np.float32))


def test_area_is_exact_for_straight_pieces() -> None:
    assert walk([0, 0.5, 1], [0.2, 0.2, 1.0]).area(1) == pytest.approx(0.2)
    assert walk([0, 0.5, 1], [0.2, 0.2, 1.0]).area(0) == pytest.approx(-0.2)


def test_change_starts_at_zero() -> None:
    assert walk([0, 1], [0.3, 0.9]).change(1).tolist() == pytest.approx([0, 0.6])


def test_crossing_lies_between_the_positions_that_enclose_it() -> None:
    assert walk([0, 1, 2], [0.0, 0.25, 0.75]).crossing(1) == pytest.approx(1.5)
    assert walk([0, 1], [0.6, 0.9]).crossing(1) == 0
    assert np.isnan(walk([0, 1], [0.1, 0.2]).crossing(1))
