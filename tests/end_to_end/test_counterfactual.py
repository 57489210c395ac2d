"""The tiny config, as shipped: the whole workflow, and what it must reach."""

from pathlib import Path

import numpy as np
import pytest

from aliter.data.run import Run
from aliter.workflows.counterfactual import STAGES, Config
from aliter.workflows.stage import due, run_stages

TINY = Path(__file__).parents[2] / "configs" / "counterfactual" / "tiny.yaml"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = Config.read(TINY)
    found = Run(tmp_path_factory.mktemp("runs") / "tiny", config)
    with found.working():
        run_stages(due(STAGES, config, found), config, found)
    return found


@pytest.fixture(scope="module")
def figures(run: Run) -> dict[str, float]:
    return {one.name: one.value for rows in run.figures().values() for one in rows}


def test_the_classifier_is_right_and_planted_pairs_convert(figures: dict[str, float]) -> None:
    assert figures["accuracy, test"] >= 0.95
    assert figures["converted, plain"] >= 0.9
    assert figures["converted, nuisance"] >= 0.9


def test_translations_are_taken_for_the_target_and_leave_the_rest_alone(figures: dict[str, float]) -> None:
    for kind in ("latent", "reference"):
        assert figures[f"translation rate, {kind}"] >= 0.85
        assert figures[f"conversion rate, {kind}"] >= figures[f"translation rate, {kind}"]
        for channel in ("membrane", "nucleus"):
            assert figures[f"correlation of {channel}, {kind}"] >= 0.8


def test_truth_tells_discriminative_attribution_from_residual_from_chance(figures: dict[str, float]) -> None:
    found = [
        figures[f"average precision, {method}, nuisance"] for method in ("integrated_gradients", "residual", "random")
    ]
    assert found[0] > found[1] + 0.1
    assert found[1] > found[2] + 0.1
    assert figures["QuAC score, integrated_gradients, plain"] >= 0.9
    assert figures["QuAC score, integrated_gradients, plain"] > figures["QuAC score, random, plain"]
    assert figures["average precision, residual, plain"] >= 0.95


def test_attributions_are_complete(figures: dict[str, float]) -> None:
    assert max(value for name, value in figures.items() if name.startswith("completeness")) < 0.02


def test_the_store_says_what_it_holds(run: Run) -> None:
    generated = run.array("latent/generated/0_1")
    assert generated.dtype == np.float32
    assert generated.metadata.dimension_names == ("index", "batch", "channel", "y", "x")
    assert generated.attrs["stage"] == "generate"
    assert run["latent/attributions/residual/0_1"].dtype == np.float16
    curve = run["latent/curves/residual/0_1"][0, 0]
    walked = curve[np.isfinite(curve).all(axis=1)]
    assert walked[0].tolist() == [1, 0, 0]
    assert walked[-1, 1] == 1
    assert (np.diff(walked[:, 1]) > 0).all()
    assert (np.diff(walked[:, 0]) < 0).all()
    tries = run["latent/tries/0_1"]
    kept = run["latent/predictions/0_1"]
    assert (np.nanmax(tries[..., 1], axis=1) >= kept[:, 0, 1] - 1e-6).all()


def test_a_changed_setting_redoes_only_what_it_touches(run: Run) -> None:
    changed = Config.model_validate(
        {**Config.read(TINY).model_dump(mode="json"), "evaluate": {"sweep": {"steps": 20, "close_px": 5}}}
    )
    with run.working():
        assert [one.stage.name for one in due(STAGES, changed, run)] == ["evaluate", "report"]
        assert due(STAGES, Config.read(TINY), run) == []
