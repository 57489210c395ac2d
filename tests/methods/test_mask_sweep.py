import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from aliter.core.errors import DataError, RequestError
from aliter.methods.walk import mask_sweep
from aliter.methods.walk.mask_sweep import MaskSweep, optimal_index, quac_score

CASES = [
    ([1, 0.75, 0.5, 0.25], [0.9, 0.8, 0.6, 0.1], 0.4875, 2),
    ([1, 0.505, 0.105], [1, 1, 0], 0.695, 1),
    ([1, 1, 0.3, 0.3, 0.1], [0.9, 0.9, 0.8, 0.2, 0.05], 0.4695, 2),
    ([1, 0.5], [-0.2, -0.1], -0.1, 1),
    ([1, 0.6, 0.2], [0.5, 0.9, 0.1], 0.49, 1),
    ([0.8, 0.4], [0.6, 0.3], 0.36, 1),
]


@pytest.mark.parametrize(("sizes", "changes", "score", "best"), CASES)
def test_score_and_optimum_of_known_curves(sizes, changes, score, best):
    assert quac_score(np.array(sizes), np.array(changes)) == pytest.approx(score, abs=1e-9)
    assert optimal_index(np.array(sizes), np.array(changes)) == best


def test_score_and_optimum_of_a_sigmoid():
    def bend(m):
        return 1 / (1 + np.exp(-(m - 0.25) / 0.05))

    sizes = np.arange(100, 0, -1) / 100
    changes = bend(sizes) - bend(0.0)
    best = optimal_index(sizes, changes)
    assert quac_score(sizes, changes) == pytest.approx(0.7429702897, abs=1e-9)
    assert sizes[best] == 0.39
    assert changes[best] == pytest.approx(0.9359829732, abs=1e-9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 99), st.floats(-1, 1)), min_size=1, max_size=9, unique_by=lambda p: p[0]))
def test_the_score_does_not_depend_on_the_order(points):
    sizes, changes = np.array(points, dtype=float).T
    assert quac_score(sizes / 100, changes) == pytest.approx(quac_score(sizes[::-1] / 100, changes[::-1]), abs=1e-12)


def test_the_smallest_mask_wins_ties():
    assert optimal_index(np.array([0.8, 0.2, 0.5]), np.array([1.0, 0.4, 0.7])) == 1


def softmax_of(weights):
    def score(batch):
        return torch.softmax(batch.flatten(1).double() @ weights.double().T, 1)

    return score


def problem(seed, channels=3, size=24):
    rng = np.random.default_rng(seed)
    attribution = cv2.GaussianBlur(rng.random((size, size, channels)), (0, 0), 1.5).reshape(size, size, channels)
    attribution = np.moveaxis(attribution, -1, 0).astype(np.float32)
    attribution = (attribution - attribution.min()) / (attribution.max() - attribution.min())
    x, counterfactual = rng.random((2, channels, size, size), dtype=np.float32) * 2 - 1
    score = softmax_of(torch.from_numpy(rng.normal(size=(3, channels * size * size)) * 0.1))
    return score, torch.from_numpy(x), torch.from_numpy(counterfactual), torch.from_numpy(attribution)


def slow_sweep(sweep, score, x, counterfactual, attribution):
    """Threshold, close, blur and score one mask after the other, with OpenCV."""
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (sweep.close_px, sweep.close_px))
    found = {}
    for threshold in [1.0, *(i / sweep.steps for i in range(sweep.steps - 1, -1, -1)), -1.0]:
        above = (attribution > threshold).numpy()
        above = above if sweep.channelwise else np.broadcast_to(above.any(0), above.shape)
        mask = np.array([cv2.morphologyEx(c.astype(np.uint8), cv2.MORPH_CLOSE, ellipse) for c in above])
        soft = mask.astype(np.float64)
        if sweep.blur_sigma_px:
            soft = np.array([cv2.GaussianBlur(c, (11, 11), sweep.blur_sigma_px) for c in soft])
        hybrid = soft * counterfactual.numpy() + (1 - soft) * x.numpy()
        found[mask.mean()] = threshold, score(torch.from_numpy(hybrid)[None])[0].numpy()
    sizes = np.array(sorted(found))
    return sizes, np.array([found[s][0] for s in sizes]), np.array([found[s][1] for s in sizes])


@pytest.mark.parametrize(
    "sweep",
    [
        MaskSweep(),
        MaskSweep(channelwise=False),
        MaskSweep(close_px=5, blur_sigma_px=1.0, steps=50),
        MaskSweep(close_px=1, blur_sigma_px=0, steps=7),
    ],
)
def test_it_equals_its_slow_twin(sweep):
    score, x, counterfactual, attribution = problem(0)
    walk = sweep(score, x, counterfactual, attribution, target=1)
    sizes, thresholds, scores = slow_sweep(sweep, score, x, counterfactual, attribution)
    assert np.allclose(walk.t, sizes, atol=1e-12)
    assert np.array_equal(walk.setting, thresholds)
    assert np.allclose(walk.score, scores, atol=1e-6)


def test_a_walk_starts_at_the_query_and_ends_at_the_counterfactual():
    score, x, counterfactual, attribution = problem(1)
    walk = MaskSweep()(score, x, counterfactual, attribution, target=0)
    assert (walk.t[0], walk.t[-1], walk.setting[-1]) == (0, 1, -1)
    assert (np.diff(walk.t) > 0).all()
    assert (np.diff(walk.setting) < 0).all()
    assert np.array_equal(walk.origin, x.numpy())
    assert np.allclose(walk.score[0], score(x[None])[0], atol=1e-12)
    assert np.allclose(walk.score[-1], score(counterfactual[None])[0], atol=1e-6)


def test_a_walk_does_not_depend_on_how_many_hybrids_are_scored_at_once(monkeypatch):
    score, x, counterfactual, attribution = problem(2)
    walk = MaskSweep()(score, x, counterfactual, attribution, target=0)
    monkeypatch.setattr(mask_sweep, "_VALUES", 1)
    alone = MaskSweep()(score, x, counterfactual, attribution, target=0)
    assert np.array_equal(walk.t, alone.t)
    assert np.allclose(walk.score, alone.score, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_attribution_gives_two_points(value):
    score, x, counterfactual, attribution = problem(3)
    walk = MaskSweep()(score, x, counterfactual, torch.full_like(attribution, value), target=0)
    assert walk.t.tolist() == [0, 1]
    assert np.isfinite(walk.score).all()
    assert np.isfinite(quac_score(walk.t, walk.change(0)))


def test_the_optimal_mask_and_hybrid_can_be_made_again():
    score, x, counterfactual, attribution = problem(4)
    sweep = MaskSweep(close_px=3)
    walk = sweep(score, x, counterfactual, attribution, target=2)
    for threshold, size, answer in zip(walk.setting, walk.t, walk.score, strict=True):
        mask = sweep.mask(attribution, threshold)
        assert mask.double().mean().item() == pytest.approx(size)
        assert np.allclose(score(sweep.hybrid(x, counterfactual, mask)[None])[0], answer, atol=1e-6)


def test_equal_images_never_change_the_answer():
    score, x, _, attribution = problem(5)
    walk = MaskSweep()(score, x, x, attribution, target=0)
    assert np.abs(walk.change(0)).max() < 1e-12


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_an_attribution_outside_of_its_range_is_refused(value):
    score, x, counterfactual, attribution = problem(6)
    with pytest.raises(DataError, match=r"\[0, 1\]"):
        MaskSweep()(score, x, counterfactual, torch.full_like(attribution, value), target=0)


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(RequestError, match="3 classes"):
        MaskSweep()(*problem(7), target=3)


def test_an_even_ellipse_is_refused():
    with pytest.raises(ValidationError, match="odd"):
        MaskSweep(close_px=10)
