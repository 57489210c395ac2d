"""First configs are accepted as they are, editors get a schema, papers are named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from tests.end_to_end.conftest import MICRO

from aliter.core.errors import DataError, RequestError, RunError
from aliter.data.run import Run
from aliter.workflows import WORKFLOWS, read, workflow
from aliter.workflows.boundary import Config as Boundary
from aliter.workflows.check import check
from aliter.workflows.cite import cite
from aliter.workflows.counterfactual import STAGES
from aliter.workflows.counterfactual.estimate import survey
from aliter.workflows.initial import first_config
from aliter.workflows.stage import due, run_stages


def cells(folder: Path, shape: tuple[int, ...] = (2, 16, 16), dtype: str = "uint16", top: float = 4000) -> Path:
    rng = np.random.default_rng(0)
    for name in ("yes", "no: 1"):
        (folder / name).mkdir(parents=True)
        for row in range(20):
            values = (rng.random(shape) * top).astype(dtype)
            tifffile.imwrite(
                folder / name / f"{row}.tif",
                values,
                photometric="minisblack",
                metadata={"axes": "CYX"[3 - len(shape) :]},
            )
    return folder


@pytest.mark.parametrize(
    ("shape", "dtype", "top", "span"),
    [
        ((2, 16, 16), "uint16", 4000, (0, 4095)),
        ((16, 16), "uint16", 65000, (0, 65535)),
        ((16, 16), "int16", 90, (-32768, 32767)),
        ((128, 128), "uint8", 255, (0, 255)),
    ],
)
def test_a_first_config_is_accepted_and_fits(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, top: float, span: tuple[float, float]
) -> None:
    text = first_config("counterfactual", cells(tmp_path / "in, odd: name", shape, dtype, top))
    assert text.startswith("# yaml-language-server: $schema=counterfactual.schema.json\n")
    assert "40 images in 2 classes (no: 1 20, yes 20)" in text.replace("\n# ", " ")
    (tmp_path / "first.yaml").write_text(text)
    config = read(tmp_path / "first.yaml")
    assert config.range == span  # type: ignore[attr-defined]
    assert config.classify.net.kind == ("timm" if shape[-1] == 128 else "small_cnn")  # type: ignore[attr-defined]
    assert survey(config).counts.sum() == 40  # type: ignore[arg-type]


@pytest.mark.parametrize("side", [8, 28, 64])
def test_a_first_config_of_the_boundary_is_accepted_and_its_networks_fit(tmp_path: Path, side: int) -> None:
    text = first_config("boundary", cells(tmp_path / "in", (1, side, side)))
    (tmp_path / "first.yaml").write_text(text)
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Boundary)
    assert (config.range, config.pair) == ((0, 4095), ("no: 1", "yes"))
    nets = config.pretrain.net.build(1, side)
    assert nets["generator"](torch.zeros(2, config.pretrain.net.latent)).shape == (2, 1, side, side)
    for net in (*config.classify.nets.values(), config.measure.net):
        assert net.build(1, side, 2).eval()(torch.zeros(2, 1, side, side)).shape == (2, 2)


def test_a_boundary_needs_two_classes(tmp_path: Path) -> None:
    shutil.rmtree(cells(tmp_path / "in") / "yes")
    with pytest.raises(DataError, match="expected at least two classes"):
        first_config("boundary", tmp_path / "in")


def test_floats_get_the_range_that_was_found(tmp_path: Path) -> None:
    text = first_config("counterfactual", cells(tmp_path / "in", (16, 16), "float32", 0.5))
    low, high = yaml.safe_load(text)["range"]
    assert 0 <= low < 0.01
    assert 0.49 < high <= 0.5


def test_a_first_config_passes_check(tmp_path: Path) -> None:
    (tmp_path / "first.yaml").write_text(first_config("counterfactual", cells(tmp_path / "in")))
    found = check(read(tmp_path / "first.yaml"), tmp_path / "run")
    assert {one.name for one in found.stages} == {stage.name for stage in STAGES}
    assert found.shortage is None
    assert not (tmp_path / "run").exists()


def test_what_is_commented_out_is_the_default(tmp_path: Path) -> None:
    lines = first_config("counterfactual", cells(tmp_path / "in")).splitlines()
    assert "  # tries: 10" in lines
    assert any(line.startswith("# report:") for line in lines)


@pytest.mark.parametrize("shape", [(16, 20), (2, 3, 16, 16)])
def test_images_that_the_room_cannot_use(tmp_path: Path, shape: tuple[int, ...]) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    axes = "CZYX" if len(shape) == 4 else "YX"
    values = np.zeros(shape, np.uint8)
    tifffile.imwrite(tmp_path / "in" / "a" / "x.tif", values, photometric="minisblack", metadata={"axes": axes})
    with pytest.raises(RequestError, match=r"square|flat"):
        first_config("counterfactual", tmp_path / "in")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_a_schema(name: str) -> None:
    found = json.loads(json.dumps(workflow(name).Config.model_json_schema()))
    assert found["additionalProperties"] is False
    assert found["properties"].keys() == workflow(name).Config.model_fields.keys()


def test_the_papers_of_finished_stages_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(MICRO)
    config = read(tmp_path / "config.yaml")
    run = Run(tmp_path / "run", config)
    with pytest.raises(RunError, match="expected a run with finished stages"):
        cite(run)
    with run.working():
        run_stages(due(STAGES, config, run, "gather"), config, run)
    found = cite(run)
    assert all(one.startswith("Adjavon et al. 2024") for one in found)
    assert {use for uses in found.values() for use in uses} >= {"counterfactual", "fictus"}
