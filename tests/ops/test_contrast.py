import math

import pytest
import torch
from torch.nn.functional import normalize

from aliter.core.batch import Batch
from aliter.methods.objective.contrast import Vicreg
from aliter.ops.contrast import info_nce, variance_covariance

EYE = torch.eye(2, dtype=torch.float64)


def slow_info_nce(a, b, temperature):
    """Sum over rows and their negatives, one by one."""
    rows = [*a, *b]
    total = 0.0
    for i, row in enumerate(rows):
        partner = (i + len(a)) % len(rows)
        others = sum(torch.exp(row @ other / temperature) for j, other in enumerate(rows) if j != i)
        total = total - torch.log(torch.exp(row @ rows[partner] / temperature) / others)
    return total / len(rows)


def unit(seed, count=5, size=3):
    return normalize(
        torch.randn(2, count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=-1
    )


@pytest.mark.parametrize(
    ("size", "temperature", "loss"),
    [(2, 1, 0.5514447139), (2, 0.5, 0.2395447662), (4, 0.5, 0.5944376642), (2, 0.005, 0)],
)
def test_orthogonal_pairs(size, temperature, loss):
    eye = torch.eye(size, dtype=torch.float64)
    assert info_nce(eye, eye, temperature).item() == pytest.approx(loss, abs=1e-9)


@pytest.mark.parametrize(("temperature", "loss"), [(1.0, 1.1086969119), (0.5, 0.8991645373), (0.05, 2.1291449465)])
def test_known_pairs(temperature, loss):
    a = torch.tensor([[1, 0], [0, 1], [-1, 0]], dtype=torch.float64)
    b = torch.tensor([[0.6, 0.8], [-0.8, 0.6], [-1, 0]], dtype=torch.float64)
    assert info_nce(a, b, temperature).item() == pytest.approx(loss, abs=1e-9)


def test_known_pairs_of_one_and_two_channels():
    signs = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    assert info_nce(signs, -signs, 1.0).item() == pytest.approx(2.2395447662, abs=1e-9)
    a = normalize(torch.tensor([[1, 1], [-1, -1], [1, 1]], dtype=torch.float64), dim=1)
    b = normalize(torch.tensor([[-1, 1], [1, -1], [1, 1]], dtype=torch.float64), dim=1)
    assert info_nce(a[:2], b[:2], 1.0).item() == pytest.approx(0.8619948041, abs=1e-9)
    assert info_nce(a, b, 1.0).item() == pytest.approx(1.3742016583, abs=1e-9)
    assert info_nce(a, b, 0.05).item() == pytest.approx(4.2575295758, abs=1e-9)


@pytest.mark.parametrize("temperature", [0.005, 0.05, 1.0])
def test_equal_rows_are_told_apart_by_chance(temperature):
    rows = torch.tensor([[0.6, 0.8]]).expand(3, 2)
    assert info_nce(rows, rows, temperature).item() == pytest.approx(math.log(5), abs=1e-5)


def test_a_single_pair_has_no_negatives():
    a, b = unit(0, 1)
    assert info_nce(a, b, 0.5).item() == 0


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_it_equals_its_slow_twin_and_so_does_its_gradient(temperature):
    a, b = unit(1)
    fast_a, slow_a = a.clone().requires_grad_(), a.clone().requires_grad_()
    fast, slow = info_nce(fast_a, b, temperature), slow_info_nce(slow_a, b, temperature)
    fast.backward()
    slow.backward()
    assert fast.item() == pytest.approx(slow.item(), abs=1e-10)
    assert torch.allclose(fast_a.grad, slow_a.grad, atol=1e-10)


def test_swapping_the_views_changes_nothing():
    a, b = unit(2)
    assert info_nce(a, b, 0.1).item() == pytest.approx(info_nce(b, a, 0.1).item(), abs=1e-12)


def test_single_precision_is_stable_when_cold():
    a, b = unit(3, 40)
    cold = a.float().requires_grad_()
    loss = info_nce(cold, b.float(), 0.005)
    loss.backward()
    assert loss.item() == pytest.approx(info_nce(a, b, 0.005).item(), rel=1e-5)
    assert torch.isfinite(cold.grad).all()


def test_channels_that_vary_enough_and_share_nothing_cost_nothing():
    rows = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]], dtype=torch.float64)
    short, shared = variance_covariance(2 * rows, floor=0.0)
    assert (short.item(), shared.item()) == (0, 0)


def test_known_variance_and_covariance():
    # Deviations (with one less than the count): 0.5 and 1; covariance 0.5.
    rows = torch.tensor([[-0.5, -1], [0, 0], [0.5, 1]], dtype=torch.float64)
    short, shared = variance_covariance(rows, floor=0.0)
    assert short.item() == pytest.approx(0.25)
    assert shared.item() == pytest.approx(2 * 0.5**2 / 2)
    assert variance_covariance(rows, floor=0.11)[0].item() == pytest.approx((1 - 0.6) / 2)


def test_the_terms_of_vicreg_are_the_published_sum():
    a, b = torch.randn(2, 1, 6, 3, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found = vicreg_terms(Vicreg(invariance=3, variance=5, covariance=7), a, b)
    invariance = ((a - b) ** 2).mean()
    variance = covariance = 0.0
    for rows in (a[0], b[0]):
        spread = torch.sqrt(rows.var(0) + 1e-4)
        variance = variance + torch.relu(1 - spread).mean()
        table = torch.cov(rows.T)
        covariance = covariance + sum(table[i, j] ** 2 for i in range(3) for j in range(3) if i != j) / 3
    assert found["invariance"].item() == pytest.approx(3 * invariance.item(), rel=1e-5)
    assert found["variance"].item() == pytest.approx(5 * variance.item() / 2, rel=1e-5)
    assert found["covariance"].item() == pytest.approx(7 * covariance.item(), rel=1e-5)


def vicreg_terms(objective, a, b):
    """Return the terms for maps of one row of voxels, whose embedding is what the encoder gives."""
    maps = [rows.transpose(1, 2)[:, :, None, :].float() for rows in (a, b)]
    at = torch.stack([torch.zeros(6), torch.arange(6.0)], -1)[None]
    nets = {"encoder": torch.nn.Identity(), "projection": torch.nn.Identity()}
    batch = Batch(0, ("one",), 0, {"x": maps[0], "other": maps[1], "at": at, "at_other": at})
    return objective.losses(objective.turns[0], nets, batch)
