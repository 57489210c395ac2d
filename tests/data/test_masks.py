from pathlib import Path

import numpy as np
import pytest
import tifffile

from aliter.core.errors import DataError, RequestError
from aliter.data.fields import Fields
from aliter.data.masks import convert_masked
from aliter.data.simulate import Nuclei
from aliter.data.simulate.store import write_simulation, written_as_folder


@pytest.mark.parametrize("depth", [None, 8])
def test_a_simulation_written_as_files_comes_back(tmp_path: Path, depth: int | None) -> None:
    write_simulation(Nuclei(count=4, size=48, depth=depth), tmp_path / "a.zarr")
    written_as_folder(tmp_path / "a.zarr", tmp_path / "files")
    convert_masked(tmp_path / "files", tmp_path / "b.zarr")
    a, b = Fields(tmp_path / "a.zarr"), Fields(tmp_path / "b.zarr")
    np.testing.assert_array_equal(a.splits, b.splits)
    assert b.range == (0, 65535)
    for number in range(4):
        np.testing.assert_array_equal(a.stored(number), b.stored(number))
        np.testing.assert_array_equal(a.objects(number), b.objects(number))


def challenge(root: Path, frames: int = 20) -> Path:
    for name in ("01", "02"):
        (root / name).mkdir(parents=True)
        (root / f"{name}_GT" / "SEG").mkdir(parents=True)
        for frame in range(frames):
            image = np.full((12, 10), int(name) * 100 + frame, np.uint16)
            tifffile.imwrite(root / name / f"t{frame:03d}.tif", image)
            mask = np.zeros((12, 10), np.uint16)
            mask[2:4, 2:4] = frame + 1
            tifffile.imwrite(root / f"{name}_GT" / "SEG" / f"man_seg{frame:03d}.tif", mask)
    return root


def test_sequences_of_the_challenge_stay_apart(tmp_path: Path) -> None:
    convert_masked(challenge(tmp_path / "Fluo"), tmp_path / "b.zarr")
    fields = Fields(tmp_path / "b.zarr")
    homes = {split: {fields.ids[n] for n in fields.split(split)} for split in ("train", "val", "test")}
    assert homes["train"] == {f"01/t{frame:03d}" for frame in range(20)}
    late, early = min(homes["test"]), max(homes["val"])
    assert early < late
    assert int(late[-3:]) - int(early[-3:]) > 1
    assert fields.objects(3).max() == 4
    assert fields.stored(3).max() == 103


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected a folder with 'images' and 'masks'"):
        convert_masked(tmp_path / "nowhere", tmp_path / "a.zarr")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="found no pair"):
        convert_masked(tmp_path / "empty", tmp_path / "a.zarr")
    root = challenge(tmp_path / "Fluo", 4)
    tifffile.imwrite(root / "01" / "t002.tif", np.zeros((5, 5), np.uint16))
    with pytest.raises(DataError, match=r"t002.tif: expected uint16 \(1, 12, 10\) as in the first, found"):
        convert_masked(root, tmp_path / "a.zarr")
    (root / "01" / "t002.tif").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"t002.tif: expected an image, found one that cannot be read"):
        convert_masked(root, tmp_path / "c.zarr")
    assert not (tmp_path / "c.zarr").exists()
