"""The tiny config, as shipped: the whole workflow, and what it must reach."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import Taken

from aliter.core.errors import RequestError, RunError
from aliter.data.images import to_signed
from aliter.data.run import Run
from aliter.workflows import read
from aliter.workflows.counterfactual import STAGES, Config
from aliter.workflows.counterfactual.classify import classifier_of
from aliter.workflows.export import Stated, export
from aliter.workflows.gather import images_of
from aliter.workflows.stage import due

CONFIG = Path(__file__).parents[2] / "configs" / "counterfactual" / "tiny.yaml"


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


def test_a_changed_setting_redoes_only_what_it_touches(config: Config, run: Run) -> None:
    changed = Config.model_validate(
        {**config.model_dump(mode="json"), "evaluate": {"sweep": {"steps": 20, "close_px": 5}}}
    )
    with run.working():
        assert [one.stage.name for one in due(STAGES, changed, run)] == ["evaluate", "report"]
        assert due(STAGES, config, run) == []


def test_classifier_and_translator_can_be_taken_elsewhere(run: Run, taken: Taken) -> None:
    found, images = taken(run), images_of(run)
    number = images.split("test")[:1]
    classifier, translator = found["classifier"], found["translator"]
    np.testing.assert_array_equal(classifier["image"], images.take(number))
    probe = classifier_of(read(run.path / "config.yaml"), run)
    np.testing.assert_allclose(classifier["answer"], probe.scores(torch.from_numpy(images.signed(number))), atol=1e-5)
    shown = torch.from_numpy(to_signed(translator["answer"], images.range))
    assert int(probe.scores(shown).argmax()) == int(translator["target"][0])


_VALIDATE = """
import sys
from bioimageio.spec import load_description
for path in sys.argv[1:]:
    found = load_description(path, perform_io_checks=True)
    print(found.validation_summary.status, found.license, found.authors[0].name)
"""


def test_what_is_taken_is_described_as_the_model_zoo_asks(run: Run, tmp_path: Path) -> None:
    stated = Stated(("A. Author",), "CC-BY-4.0")
    folders = [tmp_path / "out" / name for name in export(run.path, tmp_path / "out", stated, more=())]
    command = [sys.executable, "-W", "ignore", "-c", _VALIDATE, *(f"{one / 'rdf.yaml'}" for one in folders)]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["valid-format CC-BY-4.0 A. Author"] * 2
    assert all("| classify: accuracy, test | " in (one / "README.md").read_text() for one in folders)
    with pytest.raises(RequestError, match="out: expected a new folder, found one"):
        export(run.path, tmp_path / "out")


def test_a_run_with_open_stages_is_not_taken_elsewhere(micro: Path, tmp_path: Path) -> None:
    with Run(tmp_path / "run", read(micro)).working():
        pass
    with pytest.raises(RunError, match="expected all stages to be done, found gather, classify, "):
        export(tmp_path / "run", tmp_path / "out")
    with pytest.raises(RunError, match="expected a run, found none"):
        export(tmp_path / "nothing", tmp_path / "out")
