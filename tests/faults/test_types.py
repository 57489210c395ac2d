"""Images of every type, from files through a store to a trained classifier (16)."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

import aliter
from aliter.core.errors import AliterError, DataError
from aliter.data.run import Run
from aliter.workflows.counterfactual import Config
from aliter.workflows.gather import images_of

CLASSIFY = {
    "net": {"kind": "small_cnn", "width": 2, "depth": 2},
    "fit": {"steps": 2, "size": 4, "judge_every": 1, "best": ["accuracy"], "threads": 1},
}


def folder(path: Path, values: np.ndarray, ending: str) -> Path:
    """Write ``values`` (N, C, Y, X), split over two classes and the three splits."""
    for number, image in enumerate(values):
        split = ("train", "train", "val", "test")[number // 2 % 4]
        file = path / split / ("a", "b")[number % 2] / f"{number}.{ending}"
        file.parent.mkdir(parents=True, exist_ok=True)
        if ending == "npy":
            np.save(file, image)
        else:
            tifffile.imwrite(file, image, photometric="minisblack", metadata={"axes": "CYX"})
    return path


def classified(path: Path, source: Path, declared: tuple[float, float] | None) -> Run:
    config = Config.model_validate({"images": str(source), "range": declared, "classify": CLASSIFY})
    return aliter.run(config, to=path, stage="classify")


@pytest.mark.parametrize(
    ("dtype", "low", "high", "declared", "channels", "ending"),
    [
        ("uint8", 0, 255, None, 1, "tif"),
        ("uint16", 0, 65535, None, 2, "tif"),
        ("uint16", 0, 4095, (0.0, 4095.0), 5, "tif"),
        ("int16", -32768, 32767, None, 1, "npy"),
        ("int16", -1000, 3000, (-1000.0, 3000.0), 2, "tif"),
        ("int32", -(2**31), 2**31 - 1, None, 1, "npy"),
        ("float32", -3, 8, (-3.0, 8.0), 5, "npy"),
        ("float64", 0, 1, (0.0, 1.0), 2, "npy"),
    ],
)
def test_values_reach_the_classifier_as_they_are(
    dtype: str,
    low: int,
    high: int,
    declared: tuple[float, float] | None,
    channels: int,
    ending: str,
    tmp_path: Path,
) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.uniform(low, high, (16, channels, 9, 8))
    values = (drawn if dtype.startswith("float") else np.rint(drawn)).astype(dtype)
    values[0, 0, 0, :2] = low, high
    values[3] = values[3, 0, 0, 0]
    run = classified(tmp_path / "run", folder(tmp_path / "in", values, ending), declared)
    images = images_of(run)
    order = [int(Path(one).stem) for one in images.ids]
    assert sorted(order) == list(range(16))
    assert images.dtype == dtype
    assert np.array_equal(images.take(np.arange(16)), values[order])
    signed = images.signed(np.arange(16))
    assert (signed.min(), signed.max()) == pytest.approx((-1, 1), abs=1e-6)
    assert np.isfinite(signed).all()
    assert run.figures_by_name("classify").keys() >= {"accuracy, val", "accuracy, test"}


def test_one_range_holds_for_dim_and_bright_images(tmp_path: Path) -> None:
    pattern = np.random.default_rng(0).integers(1, 80, (16, 1, 9, 8))
    values = (pattern * np.where(np.arange(16) % 4 < 2, 1, 50)[:, None, None, None]).astype(np.uint16)
    images = images_of(classified(tmp_path / "run", folder(tmp_path / "in", values, "tif"), (0.0, 4095.0)))
    order = [int(Path(one).stem) for one in images.ids]
    assert np.allclose((images.signed(np.arange(16)) + 1) * 4095 / 2, values[order], atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_no_number_is_refused_by_name(bad: float, tmp_path: Path) -> None:
    values = np.zeros((16, 1, 9, 8), np.float32)
    values[5, 0, 2, 3] = bad
    with pytest.raises(DataError, match=r"train/b/5\.npy|val/b/5\.npy|test/b/5\.npy") as caught:
        classified(tmp_path / "run", folder(tmp_path / "in", values, "npy"), (0.0, 1.0))
    assert caught.value.code == 3


def test_floats_without_a_range_are_a_wrong_request(tmp_path: Path) -> None:
    source = folder(tmp_path / "in", np.zeros((16, 1, 9, 8), np.float32), "npy")
    with pytest.raises(AliterError, match=r"declare one: 'range: \[low, high\]'") as caught:
        classified(tmp_path / "run", source, None)
    assert caught.value.code == 2
