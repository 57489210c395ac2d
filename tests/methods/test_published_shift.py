"""The published searches, against the candidates and rules that are published."""

from collections.abc import Callable

import numpy as np
import pytest

from aliter.core.errors import RequestError
from aliter.methods.walk.published_shift import FirstShift, PublishedShift


def draw(shift: float) -> np.ndarray:
    return np.array([100.0 + shift])[:, None, None]


def falling(slope: float, asked: list[float], turn: float = -1e9) -> Callable[[np.ndarray], np.ndarray]:
    """Return an answer of 0.9 that falls with the shift, and rises again beyond ``turn``."""

    def score(image: np.ndarray) -> np.ndarray:
        shift = float(image[0, 0, 0]) - 100
        asked.append(shift)
        p = 0.9 + slope * (shift if shift > turn else 2 * turn - shift)
        return np.array([1 - p, p])

    return score


def test_the_published_candidates() -> None:
    asked: list[float] = []
    found = PublishedShift(largest=98, largest_change=1e9)(draw, falling(1e-6, asked))
    assert asked[:8] == [0, -10, -21, -34, -48, -63, -80, -98]
    assert found.stop == "largest shift"
    np.testing.assert_allclose(found.walk.setting, np.linspace(0, -98, 10))


@pytest.mark.parametrize(
    ("slope", "turn", "stop", "end"),
    [
        (0.02, -1e9, "target", -48.0),
        (0.001, -15.0, "rise", -21.0),
        (1e-6, -1e9, "largest change", -10.0),
    ],
)
def test_the_first_rule_that_holds_ends_it_there(slope: float, turn: float, stop: str, end: float) -> None:
    search = PublishedShift() if stop == "largest change" else PublishedShift(largest_change=1e9)
    found = search(draw, falling(slope, [], turn))
    assert (found.stop, found.walk.setting[-1]) == (stop, end)
    assert found.walk.setting[0] == 0
    np.testing.assert_array_equal(found.walk.image[0], found.walk.origin)


def test_the_first_search_takes_ten_short_steps_and_then_long_ones() -> None:
    asked: list[float] = []
    found = FirstShift(largest=40)(draw, falling(1e-6, asked))
    assert asked[:14] == [0, *range(-1, -11, -1), -20, -30, -40]
    assert found.stop == "largest shift"
    np.testing.assert_allclose(found.walk.setting, np.linspace(0, -40, 11))
    found = FirstShift()(draw, falling(0.02, []))
    assert (found.stop, found.walk.setting[-1]) == ("target", -8.0)
    found = FirstShift()(draw, falling(0.001, [], -4.2))
    assert (found.stop, found.walk.setting[-1]) == ("rise", -5.0)


@pytest.mark.parametrize("search", [PublishedShift(largest_change=1e9), FirstShift()], ids=lambda one: one.kind)
def test_a_unit_counts_in_other_steps_and_nothing_goes_up(search: PublishedShift | FirstShift) -> None:
    plain = search(draw, falling(0.02, []))
    scaled = search.model_copy(update={"unit": 0.5})(draw, falling(0.04, []))
    assert scaled.stop == plain.stop == "target"
    np.testing.assert_allclose(scaled.walk.setting, plain.walk.setting / 2)
    np.testing.assert_allclose(scaled.walk.score, plain.walk.score)
    assert search.leads(0.9, -1)
    assert not search.leads(0.9, 1)
    assert not search.leads(0.04, -1)
    with pytest.raises(RequestError, match="goes down only"):
        search(draw, falling(0.02, []), 1, 1)
