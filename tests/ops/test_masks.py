import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aliter.core.errors import RequestError
from aliter.ops.masks import blur, closing, threshold_masks

masks = arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 20)))
odd = st.integers(0, 7).map(lambda radius: 2 * radius + 1)
maps = arrays(np.float32, (2, 9, 11), elements=st.integers(0, 6).map(lambda i: np.float32(i / 6)))


def drawn(*boxes):
    mask = np.zeros((64, 64), bool)
    for row, column, height, width in boxes:
        mask[row : row + height, column : column + width] = True
    return mask


def hollow(size, hole):
    mask = drawn((20, 20, size, size))
    edge = 20 + (size - hole) // 2
    mask[edge : edge + hole, edge : edge + hole] = False
    return mask


@pytest.mark.parametrize(
    ("mask", "area"),
    [
        (drawn((30, 30, 1, 1)), 1),
        (drawn((30, 30, 3, 3)), 9),
        (drawn((20, 20, 16, 16)), 256),
        (drawn((20, 20, 8, 8), (20, 32, 8, 8)), 152),
        (drawn((20, 20, 8, 8), (20, 36, 8, 8)), 172),
        (drawn((20, 20, 8, 8), (20, 38, 8, 8)), 168),
        (drawn((20, 20, 8, 8), (20, 39, 8, 8)), 128),
    ],
)
def test_boxes_close_to_known_areas(mask, area):
    assert closing(mask, 11).sum() == area


@pytest.mark.parametrize(("hole", "area"), [(3, 400), (14, 236)])
def test_holes_close_to_known_areas(hole, area):
    size = 20
    full = hollow(size, hole)
    assert closing(full, 11).sum() == area


@settings(max_examples=40, deadline=None)
@given(masks, odd)
def test_it_is_the_closing_of_opencv(mask, diameter):
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    expected = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, ellipse)
    assert np.array_equal(closing(mask, diameter), expected.astype(bool))


@settings(max_examples=40, deadline=None)
@given(masks, odd)
def test_closing_is_extensive_and_idempotent(mask, diameter):
    closed = closing(mask, diameter)
    assert closed[mask].all()
    assert np.array_equal(closing(closed, diameter), closed)


def test_a_diameter_of_one_closes_nothing():
    mask = np.random.default_rng(0).random((3, 12, 12)) > 0.7
    assert np.array_equal(closing(mask, 1), mask)


@pytest.mark.parametrize("diameter", [10, 0, -3])
def test_a_diameter_without_a_centre_is_refused(diameter):
    with pytest.raises(RequestError, match="odd diameter"):
        closing(np.zeros((4, 4), bool), diameter)


def test_leading_indices_are_closed_by_themselves():
    mask = torch.rand(2, 3, 16, 16) > 0.8
    assert torch.equal(closing(mask, 5)[1, 2], closing(mask[1, 2], 5))


@settings(max_examples=10, deadline=None)
@given(maps, odd, st.booleans())
def test_masks_are_closed_thresholds_and_never_grow(attribution, diameter, channelwise):
    thresholds = np.arange(7, dtype=np.float32) / 6
    fast = threshold_masks(attribution, thresholds, diameter, channelwise)
    for mask, threshold in zip(fast, thresholds, strict=True):
        above = attribution > threshold
        above = above if channelwise else np.repeat(above.any(0, keepdims=True), 2, axis=0)
        assert np.array_equal(mask, closing(above, diameter))
    assert (fast[1:] <= fast[:-1]).all()


@pytest.mark.parametrize(("channelwise", "size"), [(True, 1 / 6), (False, 0.4)])
def test_size_by_channel_mode(channelwise, size):
    attribution = torch.zeros(3, 100)
    attribution[0, :20] = attribution[1, 10:40] = 1
    (mask,) = threshold_masks(attribution.reshape(3, 10, 10), [0.5], 1, channelwise)
    assert mask.double().mean().item() == pytest.approx(size)


@pytest.mark.parametrize(("row", "column", "total"), [(20, 20, 1.0), (0, 0, 0.3603393285)])
def test_blur_of_an_impulse(row, column, total):
    impulse = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    impulse[..., row, column] = 1
    soft = blur(impulse, 2.0)
    assert soft.max().item() == pytest.approx(0.0402264854, abs=1e-9)
    assert soft.sum().item() == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("shape", [(7, 9), (33, 64), (128, 70), (3, 2)])
def test_blur_is_that_of_opencv(shape):
    masks = (torch.rand(2, 3, *shape) > 0.5).float()
    slow = [
        [cv2.GaussianBlur(one.numpy(), (11, 11), 2.0, borderType=cv2.BORDER_REFLECT_101) for one in c] for c in masks
    ]
    assert np.allclose(blur(masks, 2.0), np.array(slow), atol=1e-6)


def test_arrays_that_torch_cannot_share_will_do():
    mask = np.random.default_rng(0).random((9, 9)) > 0.7
    mask.setflags(write=False)
    assert np.array_equal(closing(mask[::-1], 5)[::-1], closing(mask, 5))


def test_a_blur_of_no_width_changes_nothing():
    masks = (torch.rand(2, 3, 8, 8) > 0.5).float()
    assert torch.equal(blur(masks, 0.0), masks)
