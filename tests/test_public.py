"""What people import: quick, complete, and the same numbers as a run."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aliter
from aliter.core.errors import ConfigError, DataError, RequestError
from aliter.methods.attribution.integrated_gradients import IntegratedGradients
from aliter.methods.attribution.residual import Residual
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.nets.frozen import Frozen

EXAMPLE = Path(__file__).parents[1] / "examples" / "plot_counterfactual.py"
SWEEP = MaskSweep(steps=10, close_px=1, blur_sigma_px=0)


class Centre(nn.Module):
    """Class 1 for images that are bright in the middle."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = 4 * x[:, :, 3:5, 3:5].mean((1, 2, 3))
        return torch.stack([-bright, bright], 1)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """Return a dark image, and the same with a bright middle and a bright corner, which does not matter."""
    x = np.full((1, 8, 8), -0.5, np.float32)
    other = x.copy()
    other[:, 3:5, 3:5] = other[:, :2, :2] = 0.5
    return x, other


def test_importing_loads_no_torch_and_names_lead_somewhere() -> None:
    code = "import sys, aliter; print({'torch', 'numpy', 'pydantic', 'zarr'} & set(sys.modules), dir(aliter))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.startswith("set()")
    for name in aliter.__all__:
        assert getattr(aliter, name) is not None
        assert repr(name) in found.stdout
    with pytest.raises(AttributeError, match="aliter has no 'nothing'; it has Explanation, Run"):
        _ = aliter.nothing


def test_the_map_points_at_what_the_answer_hangs_on(pair: tuple[np.ndarray, np.ndarray]) -> None:
    exact, residual = aliter.explain(*pair, Centre(), (IntegratedGradients(steps=4), Residual()), SWEEP)
    assert (exact.method, exact.source, exact.target) == ("integrated_gradients", 0, 1)
    assert exact.mask.sum() == 4
    assert exact.mask[:, 3:5, 3:5].all()
    assert residual.mask.sum() == 8
    assert exact.score > residual.score > 0.5
    expected = pair[0].copy()
    expected[:, 3:5, 3:5] = 0.5
    np.testing.assert_array_equal(exact.hybrid, expected)
    np.testing.assert_array_equal(exact.walk.origin, pair[0])
    assert exact.map.max() == 1


def test_modules_and_probes_arrays_and_tensors_and_functions_do(pair: tuple[np.ndarray, np.ndarray]) -> None:
    def changed(probe: object, x: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return x - baseline

    tensors = [torch.from_numpy(one) for one in pair]
    (first,) = aliter.explain(*pair, Centre(), (changed,), SWEEP)
    (second,) = aliter.explain(tensors[0], tensors[1], Frozen(Centre()), (Residual(),), SWEEP, source=0, target=1)
    assert first.method == "changed"
    assert first.score == second.score
    np.testing.assert_array_equal(first.mask, second.mask)


def test_what_cannot_be_explained_is_said(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, other = pair
    with pytest.raises(RequestError, match="expected two classes, found 0 for both images"):
        aliter.explain(x, x, Centre(), sweep=SWEEP)
    with pytest.raises(RequestError, match="expected two images of one shape"):
        aliter.explain(x, other[:, :4], Centre(), sweep=SWEEP)
    with pytest.raises(RequestError, match=r"floats in \[-1, 1\]"):
        aliter.explain((x * 100).astype(np.int16), other, Centre(), sweep=SWEEP)
    with pytest.raises(DataError, match="found NaN"):
        aliter.explain(x * np.float32("nan"), other, Centre(), sweep=SWEEP)


def test_an_explanation_shows_itself(pair: tuple[np.ndarray, np.ndarray]) -> None:
    def odd(probe: object, x: torch.Tensor, baseline: torch.Tensor, target: int) -> torch.Tensor:
        return x - baseline

    odd.__name__ = "<script>"
    (found,) = aliter.explain(*pair, Centre(), (odd,), SWEEP)
    shown = found._repr_html_()
    assert shown.count("data:image/png;base64,") == 5
    assert "<script>" not in shown
    assert f"score {found.score:.3f}" in shown
    assert "array(" not in repr(found)


def test_a_config_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="workflow: missing"):
        aliter.run({"images": "somewhere"}, to=tmp_path / "run")
    with pytest.raises(ConfigError, match=r"config: classify.net.widht: unknown key; did you mean 'width'\?"):
        aliter.run(
            {"workflow": "counterfactual", "images": "x", "classify": {"net": {"kind": "small_cnn", "widht": 1}}},
            to=tmp_path / "run",
        )
    with pytest.raises(ConfigError, match="expected the Config of a workflow, found a MaskSweep"):
        aliter.run(SWEEP, to=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_example_runs_and_agrees_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(EXAMPLE))
    run, first = made["run"], made["explanations"][0]
    assert run.path.parent == Path("runs")
    scores = run["plain/scores/integrated_gradients/0_1"]
    assert first.score == pytest.approx(scores[0, 0], abs=1e-3)
    again = aliter.run(made["config"])
    assert again.path == run.path
    assert again.metrics() == run.metrics()
    opened = aliter.open(run.path)
    np.testing.assert_array_equal(opened["plain/scores/integrated_gradients/0_1"], scores)
    assert run.figures_by_name()["accuracy, test"].value >= 0.9
    assert first.score > 0.3
