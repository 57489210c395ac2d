import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from aliter.methods.walk.mask_sweep import optimal_index, quac_score
from aliter.methods.walk.published_sweep import PublishedSweep, _ellipse


def score(images: Tensor) -> Tensor:
    strength = (images.clamp(-1, 1) * torch.linspace(-1, 1, images.shape[-1])).mean((1, 2, 3))
    return torch.stack([torch.sigmoid(-9 * strength), torch.sigmoid(9 * strength)], dim=1)


@pytest.mark.parametrize("size", [1, 3, 5, 10, 11])
def test_the_ellipse_is_the_one_of_opencv(size: int) -> None:
    assert np.array_equal(_ellipse(size), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(bool))


@pytest.mark.parametrize(
    ("boxes", "area"),
    [
        ([(32, 32, 1, 1)], 0),
        ([(32, 32, 3, 3)], 5),
        ([(20, 20, 16, 16)], 249),
        ([(20, 10, 8, 8), (20, 22, 8, 8)], 143),
        ([(20, 10, 8, 8), (20, 26, 8, 8)], 161),
        ([(20, 10, 8, 8), (20, 28, 8, 8)], 114),
    ],
)
def test_an_even_closing_shifts_and_loses_as_published(boxes: list[tuple[int, int, int, int]], area: int) -> None:
    attribution = torch.zeros(1, 64, 64)
    for row, column, height, width in boxes:
        attribution[:, row : row + height, column : column + width] = 1
    mask = PublishedSweep().mask(attribution, 0.5)
    assert int(mask.sum()) == area


@pytest.mark.parametrize("channelwise", [True, False])
def test_it_equals_the_published_loop(channelwise: bool) -> None:
    rng = np.random.default_rng(0)
    x, other = (torch.from_numpy(rng.uniform(-1, 1, (2, 24, 20)).astype(np.float32)) for _ in range(2))
    rough = cv2.GaussianBlur(rng.random((24, 20, 2)), (5, 5), 0).transpose(2, 0, 1)
    attribution = ((rough - rough.min()) / (rough.max() - rough.min())).astype(np.float32)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (10, 10))
    sizes, changes = [], []
    for step in range(200):
        mask = attribution > np.float32(step * 0.01 - 1)
        if not channelwise:
            mask = np.repeat(mask.any(0, keepdims=True), 2, axis=0)
        closed = np.stack([cv2.morphologyEx(one.astype(np.uint8), cv2.MORPH_CLOSE, kernel) for one in mask])
        soft = np.stack([cv2.GaussianBlur(one.astype(np.float32), (11, 11), 0) for one in closed])
        hybrid = torch.from_numpy(soft) * other + torch.from_numpy(1 - soft) * x
        sizes.append(closed.mean())
        changes.append(float(score(hybrid[None])[0, 1] - score(x[None])[0, 1]))
    walk = PublishedSweep(channelwise=channelwise)(score, x, other, torch.from_numpy(attribution), 1)
    assert walk.t[:0:-1] == pytest.approx(np.array(sizes), abs=1e-9)
    assert walk.change(1)[:0:-1] == pytest.approx(np.array(changes), abs=1e-5)
    assert quac_score(walk.t, walk.change(1)) == pytest.approx(quac_score(np.array(sizes), np.array(changes)), abs=1e-5)
    best = optimal_index(walk.t, walk.change(1))
    assert walk.t[best] - walk.change(1)[best] == pytest.approx(np.min(np.array(sizes) - np.array(changes)), abs=1e-5)
