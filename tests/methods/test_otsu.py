import numpy as np
import pytest

from aliter.data.simulate import Phase
from aliter.methods.segment import Otsu
from aliter.ops.labels import average_precision


def discs(*centres: tuple[int, int], radius: int = 9) -> np.ndarray:
    y, x = np.mgrid[:64, :64]
    inside = [(y - a) ** 2 + (x - b) ** 2 < radius**2 for a, b in centres]
    return 10.0 + 90.0 * np.any(inside, axis=0)


def test_the_level_lies_between_two_groups_and_a_share_of_the_way() -> None:
    image = discs((20, 20))
    whole = Otsu(smooth_px=0, fraction=1.0).level([image])
    assert 10 < whole < 100
    assert Otsu(smooth_px=0, fraction=0.5).level([image]) == pytest.approx(10 + (whole - 10) / 2, abs=0.1)


def test_two_that_touch_are_two_holes_are_filled_and_crumbs_are_none() -> None:
    image = discs((20, 20), (20, 36), (50, 30))
    image[50, 30] = 10.0
    image[60, 60] = 100.0
    found = Otsu(smooth_px=0)(image, 50.0)
    assert sorted(np.unique(found)) == [0, 1, 2, 3]
    assert found[50, 30] > 0
    assert found[60, 60] == 0
    assert found[20, 20] != found[20, 36]


def test_real_stains_give_their_nuclei_and_empty_fields_none() -> None:
    otsu, drawn = Otsu(), Phase(count=4, size=128)
    pairs = [drawn.draw(index) for index in range(3)]
    level = otsu.level([one.image[1] for one in pairs])
    scores = [average_precision(one.nuclei, otsu(one.image[1], level), [0.5])[0] for one in pairs]
    assert np.mean(scores) > 0.85
    empty = Phase(count=4, size=128, empty=1.0).draw(0)
    assert otsu(empty.image[1], level).max() == 0
