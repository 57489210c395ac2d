"""Segments: all there are, none twice, alone in the mean colour."""

import numpy as np

from aliter.ops.superpixels import alone, distinct, superpixels


def test_a_segment_is_dropped_if_one_kept_is_more_than_half_the_same() -> None:
    whole = np.zeros((10, 10), bool)
    whole[:, :8] = True
    half, most = whole.copy(), whole.copy()
    half[:, 4:] = False
    most[:, 5:] = False
    assert len(distinct(iter([whole, half]))) == 2
    assert len(distinct(iter([whole, most]))) == 1
    speck = np.zeros((40, 40), bool)
    speck[0, 0] = True
    assert distinct(iter([speck])) == []


def test_all_segments_of_one_resolution_cover_the_image() -> None:
    image = np.zeros((32, 32, 3))
    image[:, 16:] = 1.0
    found = superpixels(image, (4,), sigma_px=0.0)
    assert (np.sum(found, axis=0) == 1).all()
    for one in found:
        assert len(np.unique(image[..., 0][one])) == 1


def test_more_resolutions_give_more_segments() -> None:
    image = np.random.default_rng(0).random((32, 32, 3))
    assert len(superpixels(image, (4, 16))) > len(superpixels(image, (4,)))


def test_what_is_not_the_segment_has_the_mean_colour_of_the_image_not_black() -> None:
    image = np.stack([np.full((8, 8), 0.2), np.full((8, 8), 0.4), np.linspace(0, 1, 64).reshape(8, 8)])
    mask = np.zeros((8, 8), bool)
    mask[2:5, 3], mask[3, 3:6] = True, True
    seen, where = alone(image, mask)
    assert seen.shape == (3, 3, 3)
    np.testing.assert_allclose(seen[:, ~where], np.repeat([[0.2], [0.4], [0.5]], (~where).sum(), 1))
    np.testing.assert_array_equal(seen[:, where], image[:, 2:5, 3:6][:, where])
