"""The enhancer is staged, calibration is what it says, predictions from elsewhere are judged like the room's own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch

import aliter
from aliter.core.errors import CheckpointError, DataError, RequestError
from aliter.data.kept import Kept
from aliter.data.paired import write_plate
from aliter.data.run import Run
from aliter.data.simulate import Phase
from aliter.methods.segment.otsu import Otsu
from aliter.workflows.staining import Config
from aliter.workflows.staining.doubt import Census
from aliter.workflows.staining.evaluate import predicted
from aliter.workflows.staining.foreign import foreign
from aliter.workflows.staining.pairs import pairs_of
from aliter.workflows.staining.predict import stainer
from aliter.workflows.staining.regress import regress
from aliter.workflows.staining.scores import cell_features, fitted, invented_and_missed
from aliter.workflows.staining.translate import generator_of, translate

FIT = {"steps": 2, "size": 2, "judge_every": 2, "save_every": 1, "log_every": 1, "threads": 1}
MICRO: dict[str, Any] = {
    "workflow": "staining",
    "images": {"simulate": "phase", "count": 4, "size": 64},
    "target": ["nuclei"],
    "regress": {
        "net": {"width": 2, "factors": [2], "padding": "same", "dropout": 0.2},
        "crop_px": 32,
        "members": 2,
        "fit": {**FIT, "steps": 1},
    },
    "translate": {
        "net": {"width": 4, "downs": 1, "blocks": 1},
        "discriminator": {"width": 2, "layers": 1, "scales": 1, "pool": 3},
        "crop_px": 32,
        "fit": FIT,
        "enhance": {"net": {"blocks": 1}, "alone": FIT, "joint": FIT},
    },
    "predict": {"tile_px": 32, "overlap_px": 4},
    "doubt": {"draws": 2, "shown": 0, "degrade": {"fields": 1, "blur_px": [0], "gain": [1], "defocus_um": [0]}},
}


def write_narrow_vgg(path: Path) -> Path:
    """Write weights under the names of torchvision's vgg19, two channels each."""
    state, channels = {}, 3
    for number in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28):
        source = torch.Generator().manual_seed(number)
        state[f"features.{number}.weight"] = torch.randn(2, channels, 3, 3, generator=source)
        state[f"features.{number}.bias"] = torch.zeros(2)
        channels = 2
    torch.save(state, path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    seen = {"perception": str(write_narrow_vgg(folder / "vgg19.pth"))}
    return aliter.run({**MICRO, "translate": {**MICRO["translate"], **seen}}, to=folder / "micro", stage="doubt")


def weights(run: Run, name: str, net: str) -> dict[str, torch.Tensor]:
    state = run.kept(name)
    assert state is not None
    return {key: value for key, value in state.tensors.items() if key.startswith(f"net/{net}/")}


def test_the_trunk_is_the_same_to_the_bit_while_the_enhancer_learns_alone(run: Run) -> None:
    first, alone, joint = (weights(run, f"translation{name}", "generator") for name in ("", "-alone", "-joint"))
    assert all(torch.equal(first[key], alone[key]) for key in first)
    assert any(not torch.equal(alone[key], joint[key]) for key in alone)
    moved = weights(run, "translation-alone", "enhancer"), weights(run, "translation-joint", "enhancer")
    assert any(not torch.equal(moved[0][key], moved[1][key]) for key in moved[0])
    assert run["predictions/gan"].shape == (2, 1, 64, 64)


def test_a_network_that_sees_takes_part_in_every_fit_and_is_in_no_state(run: Run) -> None:
    rows = [row for row in run.metrics("translate") if "generate/matching" in row]
    assert {row["name"] for row in rows} == {"translation", "translation-alone", "translation-joint"}
    assert all(row["generate/perceptual"] > 0 for row in rows)
    assert not weights(run, "translation-joint", "perception")


def test_weights_learned_with_another_strength_are_not_sampled(run: Run, tmp_path: Path) -> None:
    config = Config.model_validate(MICRO)
    state = run.kept("translation-joint")
    assert state is not None
    tensors = {key: torch.tensor(0.7) if key.endswith(".p") else value for key, value in state.tensors.items()}
    other = Run(tmp_path / "run", config)
    with other.working():
        other.keep("translation-joint", Kept(tensors, state.step, dict(state.facts)))
        with pytest.raises(CheckpointError, match=r"learned with dropout 0\.2, found 0\.7"):
            generator_of(config.translate, pairs_of(run), other)


@pytest.mark.parametrize("kind", ["plate", "folder"])
def test_what_was_made_elsewhere_is_read_by_the_names_of_fields(run: Run, kind: str, tmp_path: Path) -> None:
    pairs = pairs_of(run)
    number = int(pairs.held[0])
    if kind == "folder":
        (tmp_path / "made" / "fields").mkdir(parents=True)
        made = pairs.stain(number) + 1
        tifffile.imwrite(tmp_path / "made" / f"{pairs.fields.ids[number]}.tif", made[0])
        np.testing.assert_array_equal(foreign(tmp_path / "made", pairs, number), made)
        with pytest.raises(DataError, match="expected a file for the field"):
            foreign(tmp_path / "made", pairs, 0)
        return
    write_plate(pairs.fields, tmp_path / "made.ome.zarr")
    values = {
        **MICRO,
        "images": str(tmp_path / "made.ome.zarr"),
        "predict": {"others": {"x": str(tmp_path / "made.ome.zarr")}},
    }
    again = aliter.run(values, to=tmp_path / "again", stage="gather")
    pairs = pairs_of(again)
    number = int(pairs.held[0])
    np.testing.assert_array_equal(foreign(tmp_path / "made.ome.zarr", pairs, number), pairs.stain(number))


def test_an_ensemble_doubts_by_the_disagreement_of_its_members(run: Run) -> None:
    config, pairs = Config.model_validate(MICRO), pairs_of(run)
    number = int(pairs.held[0])
    members = [stainer(config, run, pairs, "regression", member)(pairs.x(number), None) for member in range(2)]
    np.testing.assert_allclose(run["doubt/ensemble/mean"][0], np.mean(members, 0), rtol=1e-4)
    floor = 1e-3 * pairs.data_range[0]
    expected = np.maximum(np.std(members, 0, ddof=1), floor)
    np.testing.assert_allclose(run["doubt/ensemble/sd"][0], expected, rtol=1e-3)
    names = run.figures_by_name().keys()
    assert {"coverage of 95 %, raw, ensemble", "sigma scaling, gan", "objects in a field without cells, gan"} <= names


def test_the_oracle_and_the_real_stain_are_predictions_too(run: Run) -> None:
    pairs = pairs_of(run)
    number = int(pairs.held[0])
    np.testing.assert_array_equal(predicted(run, pairs, "real stain", 0), pairs.stain(number))
    assert predicted(run, pairs, "oracle", 0).shape == (1, 64, 64)


def test_gain_and_offset_are_those_of_all_fields() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((3, 8, 8)).astype(np.float32)
    fit = fitted(2 * image + 5, image)
    assert (fit.gain, fit.offset) == (pytest.approx(2, abs=1e-4), pytest.approx(5, abs=1e-4))
    np.testing.assert_allclose(fit(image[0]), 2 * image[0] + 5, rtol=1e-4)


def test_objects_without_partner_are_invented_or_missed() -> None:
    truth, labels = np.zeros((2, 16, 16), int)
    truth[1:5, 1:5], truth[10:14, 1:5] = 1, 2
    labels[1:5, 2:6], labels[10:14, 10:14] = 7, 9
    assert invented_and_missed(truth, labels) == ([9], [2])
    light = np.ones((16, 16), np.float32)
    features = cell_features(truth, 3 * light, labels, 2 * light, 1.0)
    np.testing.assert_array_equal(features["area"], [[16, 16]])
    np.testing.assert_array_equal(features["light"], [[32, 16]])


def test_a_census_counts_presence_and_variation_draw_by_draw() -> None:
    objects = np.zeros((32, 32), np.int32)
    objects[2:12, 2:12], objects[18:30, 18:30] = 1, 2
    there, dim = np.where(objects > 0, 100.0, 0.0), np.where(objects == 1, 50.0, 0.0)
    census = Census(Otsu(smooth_px=0), 20.0, objects, 0.0)
    for draw in (there, there, dim, dim):
        census.counted(draw[None].astype(np.float32))
    assert set(np.unique(census.presence()[objects == 1])) == {np.float32(1)}
    assert set(np.unique(census.presence()[objects == 2])) == {np.float32(0.5)}
    expected = np.std([100, 100, 50, 50], ddof=1) / 75
    np.testing.assert_allclose(census.variation()[objects == 1], expected, rtol=1e-5)
    assert census.variation()[objects == 0].max() == 0


def test_where_no_true_objects_are_known_those_of_the_real_stain_stand_in(tmp_path: Path) -> None:
    whole = Phase(count=4, size=64)
    for place, channel in enumerate(("phase", "nuclei")):
        for number, split in enumerate(("train", "train", "val", "test")):
            path = tmp_path / "pairs" / channel / split / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, whole.draw(number).image[place])
    values = {**MICRO, "images": str(tmp_path / "pairs"), "source": ["phase"]}
    net = {"kind": "pix2pixhd", "width": 2, "downs": 1, "blocks": 1, "norm": "batch", "upsample": "resize"}
    values["regress"] = {**values["regress"], "members": 1, "net": net}
    values["translate"] = {key: value for key, value in values["translate"].items() if key != "enhance"}
    found = aliter.run(values, to=tmp_path / "run", stage="evaluate")
    figures = found.figures_by_name()
    assert figures["AP50, real stain"].value == 1
    assert "PCC, oracle" not in figures


@pytest.mark.parametrize("stage", ["regress", "translate"])
def test_crops_that_a_network_would_enlarge_are_refused(run: Run, stage: str) -> None:
    net = {"kind": "pix2pixhd", "width": 2, "downs": 2, "blocks": 1}
    config = Config.model_validate({**MICRO, stage: {"net": net, "crop_px": 30}})
    fit = {"regress": regress, "translate": translate}[stage]
    with pytest.raises(RequestError, match="crop_px: expected a multiple of 4 for this network, found 30; make it 32"):
        fit(config, run)


def test_one_real_section_is_a_source_too(tmp_path: Path) -> None:
    run = aliter.run(
        {**MICRO, "images": {"stain": "ihc", "size": 32}, "target": []}, to=tmp_path / "run", stage="gather"
    )
    pairs = pairs_of(run)
    assert (pairs.fields.channels, pairs.stains) == (("haematoxylin", "dab"), ("dab",))
    assert (len(pairs.fields.split("train")), len(pairs.held), int(pairs.tested.sum())) == (128, 128, 64)
    assert not pairs.oracle
    assert run.figures()["gather"][0].value == 0
