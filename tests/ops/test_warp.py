import numpy as np
import pytest
import torch

from aliter.ops.points import rows_at, sampled
from aliter.ops.warp import Warp, smooth_shift, undone

POINTS = torch.tensor([[1.0, 4.0], [0.0, 0.0], [5.0, 2.0], [3.0, 3.0]])
VALUES = [10, 0, 32, 21]
IMAGE = torch.arange(36.0).reshape(1, 6, 6)
FLIP, SWAP, PLAIN = torch.diag(torch.tensor([-1.0, 1.0])), torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.eye(2)


def plain(matrix: torch.Tensor) -> Warp:
    return Warp(matrix, torch.tensor([2.5, 2.5]), torch.zeros(2, 6, 6))


@pytest.mark.parametrize(
    ("matrix", "places"),
    [
        (FLIP, [(4, 4), (5, 0), (0, 2), (2, 3)]),
        (SWAP, [(4, 1), (0, 0), (2, 5), (3, 3)]),
        (FLIP @ SWAP, [(4, 4), (0, 5), (2, 0), (3, 2)]),
    ],
    ids=["mirror", "transpose", "both"],
)
def test_points_go_where_their_values_go(matrix: torch.Tensor, places: list[tuple[int, int]]) -> None:
    warp = plain(matrix)
    view = warp.apply(IMAGE, (0, 0))
    at = warp.inverse(POINTS)
    torch.testing.assert_close(at, torch.tensor(places, dtype=torch.float32), atol=1e-5, rtol=0)
    found = sampled(view[None], at[None])[0, 0]
    torch.testing.assert_close(found, torch.tensor(VALUES, dtype=torch.float32), atol=1e-3, rtol=0)
    torch.testing.assert_close(warp.source(at), POINTS, atol=1e-5, rtol=0)


def test_mirrors_and_transposes_make_eight_images() -> None:
    matrices = [a @ b @ c for a in (PLAIN, FLIP) for b in (PLAIN, -FLIP) for c in (PLAIN, SWAP)]
    images = {tuple(plain(matrix).apply(IMAGE, (0, 0)).round().flatten().tolist()) for matrix in matrices}
    assert len(images) == 8


def test_a_known_shift_is_undone() -> None:
    def shift(at: torch.Tensor) -> torch.Tensor:
        y, x = at.unbind(-1)
        return 0.4 * torch.stack([torch.sin(x / 3), torch.cos(y / 4)], -1)

    place = torch.tensor([10.0, 12.0], dtype=torch.float64)
    at = undone(shift, place)
    torch.testing.assert_close(at, torch.tensor([10.33028043, 12.33910957], dtype=torch.float64), atol=1e-8, rtol=0)
    assert (at + shift(at) - place).abs().max() < 1e-9


@pytest.mark.parametrize("shape", [(60, 70), (8, 40, 50)])
def test_matched_points_of_bent_views_show_the_same_place(shape: tuple[int, ...]) -> None:
    rng, ndim = np.random.default_rng(0), len(shape)
    source = torch.stack(torch.meshgrid(*[torch.arange(4.0 * n) for n in shape], indexing="ij"))
    views = []
    for _ in range(2):
        angle = rng.uniform(0, 2 * np.pi)
        matrix = np.eye(ndim)
        matrix[-2:, -2:] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
        matrix *= rng.choice([-1, 1], ndim)
        knots = torch.from_numpy(rng.normal(0, 2.0, (ndim, *[2] * (ndim - 2), 4, 4))).float()
        origin = torch.tensor([2.0 * n for n in shape])
        views.append(Warp(torch.from_numpy(matrix).float(), origin, smooth_shift(knots, shape)))
    a, b = views
    at = torch.from_numpy(rng.uniform(0.3, 0.6, (300, ndim)) * np.array(shape)).float()
    other = b.inverse(a.source(at))
    inside = ((other >= 0) & (other <= torch.tensor(shape) - 1)).all(1)
    assert inside.sum() > 100
    seen = [rows_at(w.apply(source, [0] * ndim)[None], p[inside][None])[0] for w, p in ((a, at), (b, other))]
    assert (seen[0] - seen[1]).norm(dim=1).max() < 0.05
    assert (seen[0] - a.source(at)[inside]).norm(dim=1).max() < 0.05


def test_a_batch_is_read_sample_by_sample() -> None:
    maps, at = torch.randn(4, 6, 5, 7), torch.rand(4, 9, 2) * torch.tensor([4.0, 6.0])
    whole = rows_at(maps, at)
    for number in range(4):
        torch.testing.assert_close(whole[number], rows_at(maps[number : number + 1], at[number : number + 1])[0])
    corners = torch.tensor([[[0.0, 0.0], [4.0, 6.0], [2.0, 3.0]]]).expand(4, -1, -1)
    torch.testing.assert_close(rows_at(maps, corners)[:, 2], maps[:, :, 2, 3], atol=1e-5, rtol=1e-5)
