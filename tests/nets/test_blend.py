import numpy as np
import pytest

from aliter.core.errors import RequestError
from aliter.nets.blend import blended

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(64, 64), (100, 37), (5, 130), (256, 96), (1, 1), (17, 33)])
@pytest.mark.parametrize(("tile", "overlap", "period"), [(32, 8, 16), (64, 31, 4), (48, 0, 16), (256, 32, 16)])
def test_what_returns_its_tile_returns_the_image_exactly(
    shape: tuple[int, int], tile: int, overlap: int, period: int
) -> None:
    x = RNG.normal(0, 1000, (2, *shape)).astype(np.float32)
    sides = set()

    def same(part: np.ndarray, number: int) -> np.ndarray:
        sides.update(part.shape[1:])
        return part

    np.testing.assert_array_equal(blended(same, x, tile, overlap, period), x)
    assert all(side % period == 0 and side <= tile for side in sides)


def test_tiles_fade_into_each_other() -> None:
    found = blended(lambda part, number: np.full_like(part, number), np.zeros((1, 16, 40), np.float32), 16, 4, 4)[0]
    assert (np.diff(found[0]) >= 0).all()
    assert np.abs(np.diff(found[0])).max() < 0.5
    assert set(found[0][[0, 39]]) == {0.0, found.max()}


def test_an_overlap_of_half_a_tile_is_refused() -> None:
    with pytest.raises(RequestError, match="overlap below half of a tile of 16 pixels, found 8"):
        blended(lambda part, number: part, np.zeros((1, 32, 32), np.float32), 16, 8, 4)
