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

import aliter
from aliter.core.errors import DataError, RequestError, RunError
from aliter.data.annotations import Listed, write_listed
from aliter.data.run import Run
from aliter.data.simulate import Nuclei, Tissue
from aliter.data.simulate.store import write_simulation
from aliter.data.slides import drawn_slides
from aliter.nets.layers import layer
from aliter.nets.whole import WholeImage
from aliter.workflows import WORKFLOWS, read, workflow
from aliter.workflows.boundary import Config as Boundary
from aliter.workflows.check import check
from aliter.workflows.cite import cite
from aliter.workflows.concepts import Config as Concepts
from aliter.workflows.counterfactual import STAGES
from aliter.workflows.counterfactual.estimate import survey
from aliter.workflows.embeddings import Config as Embeddings
from aliter.workflows.initial import first_config
from aliter.workflows.staining import Config as Staining


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
    found = cite(aliter.run(config, to=run.path, stage="gather"))
    assert all(one.startswith("Adjavon et al. 2024") for one in found)
    assert {use for uses in found.values() for use in uses} >= {"counterfactual", "fictus"}


def test_a_first_config_of_embeddings_is_accepted_and_its_views_fit(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "in" / name).mkdir(parents=True)
    for row in range(5):
        tifffile.imwrite(tmp_path / "in" / "images" / f"{row}.tif", np.full((80, 100), 100 * row + 50, np.uint16))
        tifffile.imwrite(tmp_path / "in" / "masks" / f"{row}.tif", np.eye(80, 100, dtype=np.uint8))
    (tmp_path / "first.yaml").write_text(first_config("embeddings", tmp_path / "in"))
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Embeddings)
    assert config.range == (0, 1023)
    assert 60 <= min(config.contrast.views.size) <= max(config.contrast.views.size) <= 92
    assert all(config.contrast.net.check(config.contrast.views.size))


def test_a_first_config_of_volumes_has_a_network_for_them(tmp_path: Path) -> None:
    write_simulation(Nuclei(count=4, size=64, depth=20), tmp_path / "volumes.zarr")
    (tmp_path / "first.yaml").write_text(first_config("embeddings", tmp_path / "volumes.zarr"))
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Embeddings)
    assert config.range is None
    assert all(config.contrast.net.check(config.contrast.views.size))
    write_simulation(Nuclei(count=4, size=64, depth=8), tmp_path / "flat.zarr")
    with pytest.raises(RequestError, match=r"expected fields of \d+ voxels or more, found 8; join or pad them"):
        first_config("embeddings", tmp_path / "flat.zarr")


def test_a_first_config_of_stains_names_channels(tmp_path: Path) -> None:
    for channel in ("phase", "DAPI", "actin"):
        (tmp_path / "in" / channel).mkdir(parents=True)
        for row in range(5):
            tifffile.imwrite(tmp_path / "in" / channel / f"{row}.tif", np.full((70, 50), 0.1 * row, np.float32))
    (tmp_path / "first.yaml").write_text(first_config("staining", tmp_path / "in"))
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Staining)
    assert config.range == pytest.approx((0, 0.4))
    assert {*config.source, *config.target} == {"phase", "DAPI", "actin"}
    assert len(config.source) == 1
    assert (config.regress.crop_px, config.translate.crop_px) == (48, 48)
    write_simulation(Nuclei(count=4, size=64), tmp_path / "single.zarr")
    with pytest.raises(RequestError, match="expected a channel without stain and one with, found nuclei"):
        first_config("staining", tmp_path / "single.zarr")


@pytest.mark.parametrize("form", ["coco", "midog"])
def test_a_first_config_of_concepts_finds_the_list_and_its_form(tmp_path: Path, form: str) -> None:
    write_listed(drawn_slides(Tissue(count=4, size=160)), tmp_path / "in")
    path = tmp_path / "in" / "boxes.json"
    if form == "midog":
        told = json.loads(path.read_text())
        for one in told["annotations"]:
            left, top, width, height = one["bbox"]
            one["bbox"] = [left, top, left + width, top + height]
        path.write_text(json.dumps(told))
    (tmp_path / "first.yaml").write_text(first_config("concepts", tmp_path / "in"))
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Concepts)
    assert isinstance(config.images, Listed)
    assert (config.images.boxes, config.images.format) == (path, form)
    assert config.tiles.side <= 160
    assert 10 < config.detect.net.anchors_px[0] < 40
    told = json.loads(path.read_text())
    for one in told["annotations"]:
        one["category_id"] = 7
    path.write_text(json.dumps(told))
    with pytest.raises(DataError, match="expected boxes of category 1, found none"):
        first_config("concepts", path)


@pytest.mark.parametrize("side", [14, 128])
def test_a_first_config_of_concepts_asks_a_classifier_about_a_class(tmp_path: Path, side: int) -> None:
    (tmp_path / "first.yaml").write_text(first_config("concepts", cells(tmp_path / "in", (2, side, side))))
    config = read(tmp_path / "first.yaml")
    assert isinstance(config, Concepts)
    assert (config.tiles.figure, config.range) == ("yes", (0, 4095))
    assert config.discover.segments.window == side
    assert isinstance(config.detect.net, WholeImage)
    net = config.detect.net.build((2, side, side), ("no: 1", "yes"), "yes", 0)
    assert all(layer(net, name) for name in config.discover.layers)
    assert config.decode.net.build(*net.grid(config.decode.at), 2)
    assert config.decode.layer in config.discover.layers


def test_what_is_neither_slides_nor_classes_is_refused_by_both_names(tmp_path: Path) -> None:
    alone = cells(tmp_path / "in", (16, 16)) / "yes"
    (tmp_path / "notes.txt").write_text("none")
    for path, found in ((alone, "neither"), (tmp_path / "notes.txt", "another file"), (tmp_path / "none", "none")):
        with pytest.raises(RequestError, match=r"a folder (?s:.*)JSON file of their boxes") as caught:
            first_config("concepts", path)
        assert f"found {found}" in str(caught.value)
    shutil.rmtree(alone)
    with pytest.raises(RequestError, match=r"JSON file of their boxes; found images of 'no: 1' alone"):
        first_config("concepts", tmp_path / "in")
