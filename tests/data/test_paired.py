"""Pairs go to plates and folders, and come back."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import zarr

from aliter.core.errors import DataError, RequestError
from aliter.data.fields import Fields
from aliter.data.paired import convert_paired, paired, write_paired, write_plate
from aliter.data.simulate import Phase
from aliter.data.simulate.store import write_simulation


@pytest.fixture(scope="module")
def fields(tmp_path_factory: pytest.TempPathFactory) -> Fields:
    path = tmp_path_factory.mktemp("pairs") / "store.zarr"
    write_simulation(Phase(count=5, size=64), path)
    return Fields(path)


@pytest.mark.parametrize("kind", ["plate", "folder"])
def test_pairs_come_back(fields: Fields, kind: str, tmp_path: Path) -> None:
    source = tmp_path / ("pairs.ome.zarr" if kind == "plate" else "pairs")
    (write_plate if kind == "plate" else write_paired)(fields, source)
    again = Fields(convert_paired(source, tmp_path / "again.zarr"))
    order = [fields.channels.index(name) for name in again.channels]
    assert sorted(again.channels) == sorted(fields.channels)
    of = {tuple(fields.stored(number)[0].ravel()[:50].tolist()): number for number in range(5)}
    phase = again.channels.index("phase")
    for number in range(5):
        there = of[tuple(again.stored(number)[phase].ravel()[:50].tolist())]
        np.testing.assert_array_equal(again.stored(number), fields.stored(there)[order])
        np.testing.assert_array_equal(again.objects(number), fields.objects(there))
        assert again.splits[number] == fields.splits[there]


def test_a_plate_is_what_the_standard_says(fields: Fields, tmp_path: Path) -> None:
    from ome_zarr_models.v05 import HCS

    write_plate(fields, tmp_path / "pairs.ome.zarr")
    HCS.from_zarr(zarr.open_group(tmp_path / "pairs.ome.zarr", mode="r"))


def test_tiles_of_one_field_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for channel in ("input", "nuclei"):
        for number in range(12):
            for crop in range(4):
                path = tmp_path / "tiles" / channel / f"{number}_0_crop{crop}.tiff"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, rng.random((16, 16)).astype(np.float32))
    with pytest.raises(RequestError, match="declare one"):
        convert_paired(tmp_path / "tiles", tmp_path / "a.zarr")
    found = Fields(convert_paired(tmp_path / "tiles", tmp_path / "a.zarr", (0.0, 1.0)))
    assert found.channels == ("input", "nuclei")
    assert len(set(found.groups)) == 12
    assert set(found.splits.tolist()) == {0, 1, 2}


def test_channels_named_as_segmentations_are_objects(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "one.zarr", mode="w", zarr_format=3)
    axes = [{"name": name, "type": kind} for name, kind in (("c", "channel"), ("y", "space"), ("x", "space"))]
    scale = {
        "axes": axes,
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}],
    }
    names = [{"label": name} for name in ("Phase3D", "Nucl", "nuclei_segmentation")]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [scale], "omero": {"channels": names}}
    values = np.random.default_rng(0).integers(0, 9, (3, 16, 16)).astype(np.uint16)
    group.create_array("0", data=values)
    found = paired(tmp_path / "one.zarr")
    assert (found.channels, found.labelled) == (("Phase3D", "Nucl"), True)
    np.testing.assert_array_equal(found.read(found.ids[0]), values[:2])
    np.testing.assert_array_equal(found.objects(found.ids[0]), values[2])


def test_what_is_not_paired_is_said(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected an OME-Zarr plate, or a folder for each channel"):
        paired(tmp_path / "nothing")
    for channel, name in (("a", "1.tif"), ("b", "2.tif")):
        (tmp_path / "odd" / channel).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "odd" / channel / name, np.zeros((8, 8), np.uint8))
    with pytest.raises(DataError, match=r"the same files in each folder; 1\.tif is in one only"):
        paired(tmp_path / "odd")
