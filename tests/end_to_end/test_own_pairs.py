"""A run that enters where the user is: a model and pairs of their own, no generator of ours."""

import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import values_of

import aliter
from aliter.core.errors import DataError, RequestError
from aliter.data.images import Images
from aliter.data.run import Run
from aliter.data.tiff import write_tiff

SWEEP = {"close_px": 5, "blur_sigma_px": 1.0, "steps": 10}
METHODS = [{"kind": "integrated_gradients", "steps": 8}, {"kind": "residual"}]
BASE: dict[str, Any] = {
    "workflow": "counterfactual",
    "images": {"simulate": "fictus", "count": 30, "size": 32, "factors": ["aggregates"], "seed": 0},
    "classify": {
        "net": {"kind": "small_cnn", "width": 4},
        "fit": {"steps": 12, "size": 8, "rate": 2e-3, "judge_every": 6, "save_every": 6, "threads": 1},
    },
    "generate": {"kinds": [], "pairs": ["plain"]},
    "attribute": {"discriminative": METHODS},
    "evaluate": {"sweep": SWEEP},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run with a classifier of its own, on planted pairs."""
    return aliter.run(BASE, to=tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def own(base: Run) -> dict[str, Any]:
    """Return a config with the model, the images and the pairs of ``base`` as if they were the user's."""
    return BASE | {
        "images": str(base.path / "images.zarr"),
        "pairs": str(base.path / "store.zarr"),
        "classify": {"net": {"kind": "own", "path": str(base.path / "models" / "classifier.pt")}},
        "generate": {},
    }


def test_planted_pairs_need_no_translator(base: Run) -> None:
    assert list(base.finished) == ["gather", "classify", "generate", "attribute", "evaluate", "report"]
    assert not list(base.path.glob("checkpoints/translator*"))
    assert {name.split("/")[0] for name in base.names()} == {"plain", "images", "ids", "predictions", "confusion"}
    assert base["plain/truth/0_1"].any()
    assert (base.path / "report" / "index.html").is_file()


def test_the_best_method_and_the_population_are_stored(base: Run) -> None:
    scores = np.stack([base[f"plain/scores/{method}/0_1"] for method in ("integrated_gradients", "residual")])
    np.testing.assert_array_equal(base["plain/best/0_1"], scores.argmax(0))
    assert base.array("plain/best/0_1").attrs["methods"] == ["integrated_gradients", "residual"]
    curves = base["plain/curves/residual/0_1"][:, 0]
    at_half = [np.interp(0.5, one[:, 1], one[:, 2]) for one in (c[np.isfinite(c).all(1)] for c in curves)]
    np.testing.assert_allclose(base["plain/population/residual/0_1"][50], np.quantile(at_half, (0.25, 0.5, 0.75)))


def test_the_published_sweep_redoes_the_scores_alone(base: Run, tmp_path: Path) -> None:
    shutil.copytree(base.path, tmp_path / "run")
    run = aliter.run(BASE | {"evaluate": {"sweep": {"kind": "published_sweep"}}}, to=tmp_path / "run")
    assert base.finished["attribute"] == run.finished["attribute"]
    curve = run["plain/curves/residual/0_1"][0, 0]
    assert curve[:3, 0].tolist() == pytest.approx([1, 0.99, 0.98])
    assert np.isfinite(curve[:201]).all()


def test_a_planted_shortcut_has_truth_columns_of_its_own(tmp_path: Path) -> None:
    changes = {"images": BASE["images"] | {"shortcut": 1}, "generate": {"kinds": [], "pairs": ["nuisance"]}}
    run = aliter.run(BASE | changes, to=tmp_path / "run")
    marks, scores = run["nuisance/shortcut/0_1"], run["nuisance/shortcut_scores/residual/0_1"]
    assert marks[:, 2].any(axis=(1, 2)).all()
    assert not marks[:, :2].any()
    assert np.isfinite(scores).all()
    assert "average precision with the shortcut, residual, nuisance" in values_of(run)
    assert "average precision, shortcut" in (run.path / "report" / "index.html").read_text()


def test_the_copy_needs_pytorch_alone_and_is_right_as_often(base: Run) -> None:
    found = values_of(base)
    assert found["accuracy of the exported copy, val"] == found["accuracy, val"]
    images = Images(base.path / "images.zarr")
    x = torch.from_numpy(images.signed(images.split("test", 0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        copy: Any = torch.jit.load(base.path / "models" / "classifier.pt")  # type: ignore[no-untyped-call]
    np.testing.assert_allclose(copy(x).softmax(1).detach().numpy(), base["predictions/0"], atol=1e-6)


def test_own_model_and_pairs_give_what_the_run_that_made_them_gave(
    base: Run, own: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="add --trust if the file is yours"):
        aliter.run(own, to=tmp_path / "run")
    run = aliter.run(own, to=tmp_path / "run", trust=True)
    assert not list(run.path.glob("checkpoints/*"))
    assert not (run.path / "models").exists()
    assert "translate" not in run.finished
    found = values_of(run)
    assert found["accuracy, test"] == values_of(base)["accuracy, test"]
    assert "accuracy, train" in found
    for what in ("generated", "converted", "truth", "masks/residual"):
        np.testing.assert_array_equal(run[f"plain/{what}/0_1"], base[f"plain/{what}/0_1"])
    # A script is asked as it is, a network of ours with its normalisations folded: equal up to float error.
    np.testing.assert_allclose(run["plain/scores/residual/0_1"], base["plain/scores/residual/0_1"], rtol=1e-5)
    np.testing.assert_allclose(
        run["plain/scores/integrated_gradients/1_0"], base["plain/scores/integrated_gradients/1_0"], atol=1e-3
    )


def test_pairs_are_found_by_their_ids(base: Run, own: dict[str, Any], tmp_path: Path) -> None:
    # The store holds pairs of test images; of all images they cannot be found, of fewer test images they can.
    with pytest.raises(DataError, match="expected a counterfactual for every explained image"):
        aliter.run(own | {"generate": {"split": "all"}}, to=tmp_path / "all", trust=True)
    run = aliter.run(own | {"generate": {"count": 2}}, to=tmp_path / "run", trust=True)
    np.testing.assert_array_equal(run["plain/generated/1_0"], base["plain/generated/1_0"][:2])


def test_pairs_may_be_a_folder(base: Run, own: dict[str, Any], tmp_path: Path) -> None:
    images = Images(base.path / "images.zarr")
    few, many = images.classes
    numbers = images.split("test", 0)
    for number in (*numbers, *images.split("test", 1)):
        file = tmp_path / "query" / f"{images.ids[number]}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(file, images.take(np.array([number]))[0], images.channels)
    planted = images.root["plain/generated/0_1"]
    for row, number in enumerate(numbers):
        file = tmp_path / "pairs" / f"{few}_{many}" / f"{Path(images.ids[number]).name}.tif"
        file.parent.mkdir(parents=True, exist_ok=True)
        write_tiff(file, np.asarray(planted[row]), images.channels)  # type: ignore[index]
    config = own | {
        "images": str(tmp_path / "query"),
        "pairs": str(tmp_path / "pairs"),
        "generate": {"split": "all"},
    }
    run = aliter.run(config, to=tmp_path / "run", trust=True)
    np.testing.assert_array_equal(run["given/generated/0_1"], base["plain/generated/0_1"])
    assert "given/generated/1_0" not in run
    assert run["given/scores/residual/0_1"].shape == (len(numbers), 1)
    file.unlink()
    with pytest.raises(DataError, match=f"found none for {file.stem}"):
        aliter.run(config, to=tmp_path / "run", trust=True)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"generate": {"pairs": ["odd"]}}, "expected pairs called odd; found plain"),
        ({"pairs": None, "generate": {"kinds": [], "pairs": ["plain"], "split": "val"}}, "planted for test"),
        ({"pairs": "nowhere"}, "nowhere"),
    ],
)
def test_pairs_that_are_not_there_are_named(
    own: dict[str, Any], tmp_path: Path, change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        aliter.run(own | change, to=tmp_path / "run", trust=True)


def test_trust_goes_with_the_run_into_other_processes(base: Run) -> None:
    for trust in (False, True):
        run = Run(base.path, trust=trust)
        assert pickle.loads(pickle.dumps(run)).trust is trust
