"""Directions of shifts, and what walks along them changed."""

import numpy as np
import pytest
import torch

from aliter.core.errors import DataError, RequestError
from aliter.ops.shift import as_strong_as, direction, heat, locality, monotonicity

GRADIENT = torch.tensor([[[3.0, 1.0], [0.0, 2.0]], [[4.0, -1.0], [1.0, 0.0]]])
CONCEPT = torch.tensor([3.0, 4.0])
ALL, ONE = torch.ones(2, 2, dtype=torch.bool), torch.tensor([[True, False], [False, False]])


@pytest.mark.parametrize("mode", ["grad", "cav", "sum", "gate", "project", "reject"])
def test_nothing_outside_the_mask_is_pushed(mode: str) -> None:
    mask = torch.tensor([[False, True], [True, False]])
    found = direction(mode, GRADIENT, CONCEPT, mask)
    assert (found[:, ~mask] == 0).all()
    assert found.abs().max() > 0


def test_each_mode_by_hand() -> None:
    g, c = GRADIENT / GRADIENT.norm(), CONCEPT / 5
    spread = c[:, None, None].expand(2, 2, 2) / 2
    along = torch.einsum("chw,c->hw", g, c)[None] * c[:, None, None]
    expected = {"grad": g, "cav": spread, "sum": g + 2 * spread, "gate": g * spread, "project": along}
    for mode, values in expected.items():
        torch.testing.assert_close(direction(mode, GRADIENT, CONCEPT, ALL, 2.0), values)
    rest = direction("reject", GRADIENT, CONCEPT, ALL)
    torch.testing.assert_close(rest + along, g)
    assert torch.einsum("chw,c->hw", rest, c).abs().max() < 1e-6
    gate = direction("gate", GRADIENT, CONCEPT, ALL)
    both = direction("sum", GRADIENT, CONCEPT, ALL)
    assert float((gate * both).sum() / gate.norm() / both.norm()) < 0.999


def test_no_direction_is_said_to_be_none() -> None:
    with pytest.raises(RequestError, match="expected a concept"):
        direction("sum", GRADIENT, None, ALL)
    with pytest.raises(DataError, match="length 0"):
        direction("grad", 0 * GRADIENT, None, ALL)
    with pytest.raises(DataError, match="length nan"):
        direction("grad", GRADIENT * float("nan"), None, ALL)
    with pytest.raises(DataError, match="found none"):
        direction("reject", CONCEPT[:, None, None] * torch.eye(2)[None], CONCEPT, ONE)


def test_a_shift_of_one_is_as_strong_as_what_is_there() -> None:
    maps = torch.randn(2, 2, 2, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[False, True], [True, False]])
    found = as_strong_as(direction("grad", GRADIENT, None, mask), maps, mask)
    assert float(found[:, mask].square().mean()) == pytest.approx(float(maps[:, mask].square().mean()))


def test_published_heat_maps() -> None:
    frames = np.arange(-9.0, 1)[:, None, None, None] * np.array([1.0, 2.0])[:, None, None]
    expected = {"mm": (9, 18), "max": (9, 18), "mean": (4.5, 9), "int": (1, 2)}
    for kind, values in expected.items():
        np.testing.assert_allclose(heat(frames, frames[-1], kind).ravel(), values)
    half = np.abs(frames - frames[-1])
    assert not np.array_equal(half.max(axis=0), half.mean(axis=0))


def test_locality_and_monotonicity_by_hand() -> None:
    change, inside = np.array([[3.0, 0.0], [-1.0, 0.0]]), np.array([[True, True], [False, False]])
    assert locality(change, inside) == 0.75
    assert np.isnan(locality(0 * change, inside))
    assert monotonicity(np.array([0.0, 1, 2, 3]), np.array([0.1, 0.2, 0.4, 0.9])) == pytest.approx(1)
    assert monotonicity(np.array([0.0, 1, 2, 3]), np.array([0.9, 0.4, 0.2, 0.1])) == pytest.approx(-1)
    assert np.isnan(monotonicity(np.array([0.0, 1, 2]), np.ones(3)))
