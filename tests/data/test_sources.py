"""Images as people have them: lists, arrays, stacks, OME-Zarr written by hand as others write it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from tests.data.test_convert import assert_round_trip

from aliter.core.errors import DataError, RequestError
from aliter.data import reader
from aliter.data.convert import convert, scan, write_store
from aliter.data.images import Images
from aliter.data.picture import Unusable
from aliter.data.planes import Planes, arrange, named
from aliter.data.splits import straddling

TYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


def counted(shape: tuple[int, ...], dtype: str = "uint16", first: int = 0) -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) + first).astype(dtype)


def ome_zarr(path: Path, values: np.ndarray, axes: str, version: str = "0.5", **facts: Any) -> np.ndarray:
    """Write an image with a second, coarser level, by the text of the specification."""
    kinds = {"t": "time", "c": "channel"}
    listed: list[dict[str, Any]] = [{"name": one, "type": kinds.get(one, "space")} for one in axes]
    for one in listed:
        if one["type"] == "space":
            one["unit"] = "micrometer"
    scale = [0.5 if one in "yx" else 2.0 if one == "z" else 1.0 for one in axes]
    steps = [
        {"path": f"level{level}", "coordinateTransformations": [{"type": "scale", "scale": scale}]}
        for level in range(2)
    ]
    note = {"multiscales": [{"axes": listed, "datasets": steps, "version": version}], **facts}
    group = zarr.open_group(path, mode="w", zarr_format=2 if version == "0.4" else 3)
    group.attrs.update(note if version == "0.4" else {"ome": {"version": version, **note}})
    keys: dict[str, Any] = {} if version == "0.4" else {"dimension_names": tuple(axes)}
    group.create_array("level0", data=values, chunks=(*[1] * (values.ndim - 2), *values.shape[-2:]), **keys)
    group.create_array("level1", data=values[..., ::2, ::2], **keys)
    return values


def plate(path: Path, version: str = "0.5", wells: tuple[str, ...] = ("A/1", "A/2", "B/1"), fields: int = 2) -> Path:
    """Write a plate whose every value tells well, field and place."""
    names = {"rows": sorted({one[0] for one in wells}), "columns": sorted({one[2:] for one in wells})}
    facts = {
        "plate": {
            **{key: [{"name": one} for one in value] for key, value in names.items()},
            "wells": [{"path": one, "rowIndex": 0, "columnIndex": 0} for one in reversed(wells)],
            "version": version,
        }
    }
    form: Any = 2 if version == "0.4" else 3

    def put(group: Path, note: dict[str, Any]) -> None:
        zarr.open_group(group, mode="a", zarr_format=form).attrs.update(
            note if version == "0.4" else {"ome": {"version": version, **note}}
        )

    put(path, facts)
    for number, well in enumerate(wells):
        put(path / well, {"well": {"images": [{"path": str(field)} for field in range(fields)]}})
        for field in range(fields):
            ome_zarr(path / well / str(field), counted((2, 6, 8), first=100 * (10 * number + field)), "cyx", version)
    return path


def sheet(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class TestPlanes:
    @settings(max_examples=60, deadline=None)
    @given(st.permutations("TCZYX"), st.integers(1, 5), st.sampled_from(["keep", "middle", "max", 0, 1]))
    def test_any_order_of_axes_gives_channel_z_y_x(self, order: list[str], kept: int, z: Any) -> None:
        names = "".join(one for one in order if one in "YX" or "TCZ".index(one) < kept - 2)
        lengths = {"T": 2, "C": 3, "Z": 4, "Y": 5, "X": 6}
        values = counted(tuple(lengths[one] for one in names))
        found = arrange(values.shape, names, Planes(z=z, t=1))
        expected = values
        for axis, one in reversed(list(enumerate(names))):
            if one == "T":
                expected = expected.take(1, axis)
        left = names.replace("T", "")
        expected = np.moveaxis(expected, [left.index(one) for one in "CZYX" if one in left], range(len(left)))
        expected = expected if "C" in left else expected[None]
        if "Z" in left and z != "keep":
            expected = expected.max(1) if z == "max" else expected[:, 2 if z == "middle" else z]
        assert np.array_equal(found(values), expected)
        assert found.shape == expected.shape

    @pytest.mark.parametrize(
        ("shape", "names", "planes", "words"),
        [
            ((3, 4, 5), "TYX", Planes(), "a series of 3 times"),
            ((3, 4, 5), "TYX", Planes(t=3), "expected time 3 among 0 to 2"),
            ((3, 4, 5), "ZYX", Planes(z=7), "expected plane 7 among 0 to 2"),
            ((3, 4, 5), "AYX", Planes(), "expected no others"),
            ((3, 4, 5), "CZY", Planes(), "expected y and x"),
            ((2, 4, 5, 3), "CYXS", Planes(), "channels or samples, not both"),
            ((3, 4, 5), "YX", Planes(), "a name for each"),
        ],
    )
    def test_what_is_ambiguous_is_refused(self, shape: tuple[int, ...], names: str, planes: Planes, words: str) -> None:
        with pytest.raises(Unusable, match=words):
            arrange(shape, names, planes)

    def test_axes_without_names(self) -> None:
        assert named((5, 6)) == "YX"
        assert named((3, 6, 7)) == "CYX"
        assert named((6, 7, 3)) == "YXC"
        assert named((40, 60, 70), Planes("ZYX")) == "ZYX"
        for shape in ((40, 60, 70), (4, 4, 4), (3, 9, 3), (2, 3, 4, 5)):
            with pytest.raises(Unusable, match="aliter convert --axes"):
                named(shape)


class TestStacks:
    @pytest.mark.parametrize("dtype", TYPES)
    @pytest.mark.parametrize("ome", [True, False])
    def test_tiff_stacks_keep_z_and_every_value(self, tmp_path: Path, dtype: str, ome: bool) -> None:
        if dtype == "float16" and ome:
            return
        values = counted((4, 2, 5, 6), dtype)
        path = tmp_path / ("x.ome.tif" if ome else "x.tif")
        tifffile.imwrite(path, values, photometric="minisblack", ome=ome, metadata={"axes": "ZCYX"})
        assert np.array_equal(reader.read(path), values.transpose(1, 0, 2, 3))
        assert np.array_equal(reader.read(path, Planes(z="middle")), values[2])
        assert np.array_equal(reader.read(path, Planes(z="max")), values.max(0))
        for planes in (Planes(), Planes(z="max"), Planes(z=1)):
            found, read = reader.describe(path, planes), reader.read(path, planes)
            assert (found.shape, found.dtype) == (read.shape, dtype)

    def test_ome_tells_channels_and_pixels(self, tmp_path: Path) -> None:
        facts = {"axes": "CZYX", "PhysicalSizeX": 500.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25}
        facts |= {"PhysicalSizeZ": 2.0, "Channel": {"Name": ["actin", "DNA"]}}
        tifffile.imwrite(tmp_path / "x.ome.tif", counted((2, 3, 4, 5)), ome=True, metadata=facts)
        found = reader.describe(tmp_path / "x.ome.tif")
        assert found.channels == ("actin", "DNA")
        assert found.pixel_um == (2.0, 0.25, 0.5)
        assert reader.describe(tmp_path / "x.ome.tif", Planes(z=0)).pixel_um == (0.25, 0.5)

    def test_many_pages_without_names_must_be_named(self, tmp_path: Path) -> None:
        values = counted((12, 4, 5))
        with tifffile.TiffWriter(tmp_path / "x.tif") as file:
            for page in values:
                file.write(page, photometric="minisblack", metadata=None)
        with pytest.raises(Unusable, match="nothing says what its pages are"):
            reader.describe(tmp_path / "x.tif")
        assert np.array_equal(reader.read(tmp_path / "x.tif", Planes("ZYX")), values[None])
        assert np.array_equal(reader.read(tmp_path / "x.tif", Planes("CYX")), values)

    @settings(max_examples=10, deadline=None)
    @given(st.data())
    def test_stacks_go_through_store_and_folder_unchanged(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        dtype = data.draw(st.sampled_from(TYPES))
        shape = data.draw(st.tuples(st.integers(1, 3), st.integers(2, 4), st.integers(2, 5), st.integers(2, 5)))
        finite = {"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None
        values = data.draw(arrays(dtype, (2, *shape), elements=finite))
        folder = tmp_path_factory.mktemp("trip")
        (folder / "in" / "a").mkdir(parents=True)
        for row in range(2):
            tifffile.imwrite(
                folder / "in" / "a" / f"{row}.tif", values[row], photometric="minisblack", metadata={"axes": "CZYX"}
            )
        assert_round_trip(folder, values, (0.0, 1.0) if dtype.startswith("float") else None)


class TestSheet:
    def test_paths_labels_groups_and_splits(self, tmp_path: Path) -> None:
        for name in ("x.png", "deep/x.png", "y.jpg"):
            (tmp_path / "data" / "deep").mkdir(parents=True, exist_ok=True)
            Image.fromarray(counted((5, 6), "uint8")).save(tmp_path / "data" / name)
        listed = sheet(
            tmp_path / "data" / "list.csv",
            "Label;path;group;stain;SPLIT",
            "sick;deep/x.png;donor 2;red;val",
            "",
            '"well; done";x.png;donor 1;blue;train',
            "sick;../data/y.jpg;donor 3;red;Test",
        )
        images = Images(convert(listed, tmp_path / "out"))
        assert images.classes == ("sick", "well; done")
        assert images.ids == ["deep/x.png", "../data/y.jpg", "x.png"]
        assert images.groups == ["donor 2", "donor 3", "donor 1"]
        assert images.splits.tolist() == [1, 2, 0]
        assert images.source == {"kind": "sheet", "name": "list.csv", "splits": "told"}
        assert scan(listed).ignored == {"column 'stain'": 1}

    def test_groups_draw_the_split(self, tmp_path: Path) -> None:
        for row in range(60):
            np.save(tmp_path / f"{row}.npy", np.full((2, 2), row, np.uint8))
        rows = [f"{row}.npy,{'ab'[row % 2]},{f'donor {row // 4}' if row < 40 else ''}" for row in range(60)]
        images = Images(convert(sheet(tmp_path / "x.csv", "path,label,group", *rows), tmp_path / "out", seed=2))
        assert len(set(images.groups)) == 10 + 20
        assert straddling(images.groups, images.splits) == []
        assert set(images.splits.tolist()) == {0, 1, 2}

    def test_everything_wrong_is_listed_at_once(self, tmp_path: Path) -> None:
        for name in ("a", "b", "c", "e"):
            np.save(tmp_path / f"{name}.npy", counted((4, 5)))
        (tmp_path / "f.txt").touch()
        (tmp_path / "g").mkdir()
        lines = ["a.npy,x,train,", "a.npy,y,train,", "b.npy,,train,", ",x,train,", "c.npy,x,dev,", "d.npy,x,train,"]
        listed = sheet(tmp_path / "x.csv", "path,label,split,group", *lines, "f.txt,x,val,", "g,x,val,", "e.npy,y,,")
        reasons = {one.path: one.reason for one in scan(listed).findings}
        assert "line 3 lists it a second time" in reasons["a.npy"]
        assert "names no label" in reasons["b.npy"]
        assert "names no path" in reasons["line 5"]
        assert "its split is 'dev'" in reasons["c.npy"]
        assert "leads to no file" in reasons["d.npy"]
        assert "no image of a known kind" in reasons["f.txt"]
        assert "no image of a known kind" in reasons["g"]
        assert "has no split, though others have" in reasons["e.npy"]
        with pytest.raises(DataError) as caught:
            convert(listed, tmp_path / "out")
        assert all(name in str(caught.value) for name in reasons)

    def test_a_group_in_two_splits_is_refused_by_name(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", counted((4, 5)))
        np.save(tmp_path / "b.npy", counted((4, 5)))
        listed = sheet(tmp_path / "x.csv", "path,label,group,split", "a.npy,x,donor 7,train", "b.npy,y,donor 7,test")
        with pytest.raises(DataError, match="donor 7: this group stands in more than one split"):
            convert(listed, tmp_path / "out")

    @pytest.mark.parametrize("head", ["", "file,class", "path", "path,label,path"])
    def test_columns_are_asked_for(self, tmp_path: Path, head: str) -> None:
        with pytest.raises(DataError, match="a first line with path, label"):
            scan(sheet(tmp_path / "x.csv", head, "a.png,b"))

    def test_bytes_that_are_no_text(self, tmp_path: Path) -> None:
        (tmp_path / "x.csv").write_bytes("path,label\nä.png,x".encode("latin-1"))
        with pytest.raises(DataError, match="UTF-8"):
            scan(tmp_path / "x.csv")


class TestGroups:
    def files(self, folder: Path) -> Path:
        for name in ("a/plate1/A01.npy", "a/plate2/A01.npy", "b/plate1/B07.npy", "b/plate2/B07.npy"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / name, counted((4, 5)))
        return folder

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ("folder", ["a/plate1", "a/plate2", "b/plate1", "b/plate2"]),
            (r"plate\d", ["plate1", "plate2", "plate1", "plate2"]),
            (r"/([A-H]\d\d)\.", ["A01", "A01", "B07", "B07"]),
        ],
    )
    def test_paths_tell_groups(self, tmp_path: Path, how: str, expected: list[str]) -> None:
        found = scan(self.files(tmp_path / "in"), groups=how)
        images = Images(write_store(found, tmp_path / "out"))
        assert images.groups == expected
        assert f"{len(set(expected))} groups" in found.summary()
        assert [one for column in scan(tmp_path / "out").groups for one in column] == expected

    def test_an_image_without_a_group_is_found(self, tmp_path: Path) -> None:
        found = scan(self.files(tmp_path / "in"), groups="plate1")
        assert [one.path for one in found.findings] == ["a/plate2/A01.npy", "b/plate2/B07.npy"]

    def test_what_is_no_expression(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="a regular expression"):
            scan(self.files(tmp_path / "in"), groups="(")


class TestArrays:
    @settings(max_examples=12, deadline=None)
    @given(st.data())
    def test_npz_npy_and_zarr_keep_every_value(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        dtype, kind = data.draw(st.sampled_from(TYPES)), data.draw(st.sampled_from(["npz", "npy", "zarr2", "zarr3"]))
        shape = data.draw(st.tuples(st.integers(1, 3), st.integers(4, 6), st.integers(4, 6)))
        finite = {"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None
        values = data.draw(arrays(dtype, (5, *shape), elements=finite))
        labels = np.array([2, 0, 2, 0, 10])
        folder = tmp_path_factory.mktemp("arrays")
        source = folder / ("x.npz" if kind == "npz" else "images.npy" if kind == "npy" else "x.zarr")
        if kind == "npz":
            np.savez(source, images=values, labels=labels)
        elif kind == "npy":
            np.save(source, values)
            np.save(folder / "labels.npy", labels)
        else:
            group = zarr.open_group(source, mode="w", zarr_format=2 if kind == "zarr2" else 3)
            group.create_array("images", data=values, chunks=(2, *shape))
            group.create_array("labels", data=labels)
        declared = (0.0, 1.0) if dtype.startswith("float") else None
        images = Images(convert(source, folder / "out", declared))
        assert images.classes == ("0", "2", "10")
        assert images.dtype == dtype
        assert np.array_equal(images.take(np.arange(5)), values[[1, 3, 0, 2, 4]])
        assert images.ids[0] == "images/000001"

    def test_names_groups_splits_and_ids(self, tmp_path: Path) -> None:
        np.savez(
            tmp_path / "x.npz",
            images=counted((4, 5, 6)),
            labels=np.array([[1], [0], [1], [0]]),
            classes=np.array(["dog", "cat"]),
            groups=np.array(["p", "p", "q", "r"]),
            splits=np.array(["train", "train", "val", "test"]),
            ids=np.array(["w", "x", "y", "z"]),
        )
        images = Images(convert(tmp_path / "x.npz", tmp_path / "out"))
        assert images.classes == ("dog", "cat")
        assert images.ids == ["x", "z", "w", "y"]
        assert images.groups == ["p", "r", "p", "q"]
        assert images.splits.tolist() == [0, 2, 0, 1]

    def test_prefixes_are_splits_and_texts_are_labels(self, tmp_path: Path) -> None:
        parts = {f"{split}_images": counted((2, 5, 6), first=row) for row, split in enumerate(("train", "val", "test"))}
        parts |= {f"{split}_labels": np.array(["b", "a"]) for split in ("train", "val", "test")}
        np.savez_compressed(tmp_path / "x.npz", **parts)
        images = Images(convert(tmp_path / "x.npz", tmp_path / "out"))
        assert images.classes == ("a", "b")
        assert images.ids[:3] == ["train/000001", "val/000001", "test/000001"]
        assert images.splits.tolist() == [0, 1, 2, 0, 1, 2]

    def test_named_axes_and_declared_ones(self, tmp_path: Path) -> None:
        values = counted((3, 4, 9, 9, 9))
        np.savez(tmp_path / "x.npz", images=values, labels=np.zeros(3, int))
        with pytest.raises(DataError, match="--axes"):
            scan(tmp_path / "x.npz")
        found = scan(tmp_path / "x.npz", Planes("NZCYX", z="middle"))
        assert np.array_equal(found.read("images/000002"), values[2, 2])
        group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=3)
        group.create_array("labels", data=np.zeros(9, int))
        group.create_array("images", data=values.transpose(4, 1, 0, 2, 3), dimension_names=("n", "z", "c", "y", "x"))
        assert np.array_equal(scan(tmp_path / "x.zarr").read("images/000003"), values[..., 3])

    @pytest.mark.parametrize(
        ("parts", "words"),
        [
            ({"images": counted((2, 4, 5))}, "expected 'images' and 'labels'"),
            ({"pixels": counted((2, 4, 5))}, "expected arrays images and labels.*found pixels"),
            ({"images": counted((2, 4, 5)), "labels": np.zeros(3, int)}, "one number or text for each of 2"),
            ({"images": counted((2, 4, 5)), "labels": np.zeros((2, 3), int)}, "one number or text"),
            ({"images": counted((2, 4, 5)), "labels": np.array([0, 2]), "classes": np.array(["a"])}, "labels from 0"),
            ({"images": counted((2, 4, 5)), "labels": np.zeros(2, int), "ids": np.array(["a", "a"])}, "stands twice"),
            (
                {"images": counted((2, 4, 5)), "labels": np.zeros(2, int), "splits": np.array(["a", "b"])},
                "split of row",
            ),
            ({"images": counted((0, 4, 5)), "labels": np.zeros(0, int)}, "no image"),
            ({"images": np.zeros((2, 4, 5), complex), "labels": np.zeros(2, int)}, "complex"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, tmp_path: Path, parts: dict[str, np.ndarray], words: str) -> None:
        np.savez(tmp_path / "x.npz", **parts)
        with pytest.raises(DataError, match=words):
            convert(tmp_path / "x.npz", tmp_path / "out")

    def test_nan_is_refused_by_row(self, tmp_path: Path) -> None:
        values = np.ones((3, 4, 5), np.float32)
        values[1, 0, 0] = np.nan
        np.savez(tmp_path / "x.npz", images=values, labels=np.zeros(3, int))
        with pytest.raises(DataError, match=r"images/000001: 1 of its 20 values"):
            convert(tmp_path / "x.npz", tmp_path / "out", (0.0, 1.0))

    def test_nothing_is_unpickled(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", images=np.array([{}, {}], object), labels=np.zeros(2, int))
        with pytest.raises(DataError, match="allow_pickle"):
            scan(tmp_path / "x.npz")
        group = zarr.open_group(tmp_path / "a" / "x.zarr", mode="w", zarr_format=2)
        group.create_array("0", data=counted((4, 5)))
        note = tmp_path / "a" / "x.zarr" / "0" / ".zarray"
        note.write_text(json.dumps(json.loads(note.read_text()) | {"filters": [{"id": "pickle"}]}))
        with pytest.raises(Unusable, match="pickle, which may run code"):
            reader.read(tmp_path / "a" / "x.zarr" / "0")

    def test_an_npz_that_swells_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from aliter.data import columns

        monkeypatch.setattr(columns, "_BOMB", 1 << 20)
        np.savez_compressed(tmp_path / "x.npz", images=np.zeros((1000, 64, 64), np.uint8), labels=np.zeros(1000, int))
        monkeypatch.setattr(columns, "_RATIO", 100)
        with pytest.raises(DataError, match="bytes unpacked"):
            scan(tmp_path / "x.npz")


class TestZarr:
    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    @pytest.mark.parametrize("axes", ["yx", "cyx", "zyx", "czyx", "tczyx"])
    def test_ome_zarr_of_others_is_read(self, tmp_path: Path, version: str, axes: str) -> None:
        shape = tuple({"t": 1, "c": 2, "z": 3, "y": 6, "x": 8}[one] for one in axes)
        shown = {"omero": {"channels": [{"label": "actin"}, {"label": "DNA"}]}} if "c" in axes else {}
        values = ome_zarr(tmp_path / "in" / "a" / "x.zarr", counted(shape), axes, version, **shown)
        found = scan(tmp_path / "in")
        assert found.ids == (("a/x.zarr",),)
        picture = found.checked()
        assert picture.pixel_um == ((2.0, 0.5, 0.5) if "z" in axes else (0.5, 0.5))
        assert picture.channels == (("actin", "DNA") if "c" in axes else ("intensity",))
        expected = values[0] if "t" in axes else values
        images = Images(convert(tmp_path / "in", tmp_path / "out"))
        assert np.array_equal(images.take(np.array([0]))[0], expected if "c" in axes else expected[None])
        assert images.pixel_um == picture.pixel_um

    @pytest.mark.parametrize("version", ["0.4", "0.5"])
    def test_a_plate_in_a_sheet_is_its_fields_grouped_by_well(self, tmp_path: Path, version: str) -> None:
        plate(tmp_path / "p.zarr", version)
        lines = ("p.zarr/A/1,control", "p.zarr/A/2/1,drug", "p.zarr/B/1,drug")
        listed = sheet(tmp_path / "x.csv", "path,label", *lines)
        images = Images(convert(listed, tmp_path / "out"))
        assert images.ids == ["p.zarr/A/1/0", "p.zarr/A/1/1", "p.zarr/A/2/1", "p.zarr/B/1/0", "p.zarr/B/1/1"]
        assert images.groups == ["p.zarr/A/1"] * 2 + ["p.zarr/A/2/1"] + ["p.zarr/B/1"] * 2
        assert images.take(np.arange(5))[:, 0, 0, 0].tolist() == [0, 100, 1100, 2000, 2100]
        assert straddling(images.groups, images.splits) == []

    def test_plates_in_class_folders_are_their_fields(self, tmp_path: Path) -> None:
        plate(tmp_path / "in" / "control" / "p1.zarr", "0.4")
        plate(tmp_path / "in" / "drug" / "p2", "0.5", ("C/10",), 3)
        found = scan(tmp_path / "in")
        assert not found.findings
        assert found.ids[0][:3] == ("control/p1.zarr/A/1/0", "control/p1.zarr/A/1/1", "control/p1.zarr/A/2/0")
        assert found.groups[1] == ("drug/p2/C/10",) * 3

    def test_a_plate_alone_asks_for_classes(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"6 images without classes; .*'p.zarr/A/1/0,control'"):
            scan(plate(tmp_path / "p.zarr"))

    def test_an_image_with_masks_is_no_list_of_labels(self, tmp_path: Path) -> None:
        ome_zarr(tmp_path / "x.zarr", counted((6, 8)), "yx")
        zarr.open_group(tmp_path / "x.zarr", mode="a").create_group("labels")
        with pytest.raises(DataError, match="one image without a class"):
            scan(tmp_path / "x.zarr")

    def test_series_of_a_converter_are_images(self, tmp_path: Path) -> None:
        group = zarr.open_group(tmp_path / "in" / "a" / "x.zarr", mode="w", zarr_format=2)
        group.attrs["bioformats2raw.layout"] = 3
        for number in range(2):
            ome_zarr(tmp_path / "in" / "a" / "x.zarr" / str(number), counted((6, 8)), "yx", "0.4")
        assert scan(tmp_path / "in").ids == (("a/x.zarr/0", "a/x.zarr/1"),)

    @pytest.mark.parametrize("version", [2, 3])
    def test_plain_arrays_are_images(self, tmp_path: Path, version: Any) -> None:
        values = counted((3, 6, 8))
        (tmp_path / "in" / "a").mkdir(parents=True)
        zarr.create_array(tmp_path / "in" / "a" / "x.zarr", data=values, zarr_format=version)
        assert np.array_equal(reader.read(tmp_path / "in" / "a" / "x.zarr"), values)
        assert scan(tmp_path / "in").checked().shape == (3, 6, 8)

    def test_a_dataset_of_labelled_axes_is_believed(self, tmp_path: Path) -> None:
        facts = {"_ARRAY_DIMENSIONS": ["y", "channel", "x"]}
        zarr.create_array(tmp_path / "x.zarr", data=counted((2, 9, 3)), zarr_format=2, attributes=facts)
        assert reader.describe(tmp_path / "x.zarr").shape == (9, 2, 3)

    @pytest.mark.parametrize(
        ("damage", "words"),
        [
            ("{ broken", "metadata is damaged"),
            ({"multiscales": []}, "holds 0 images"),
            ({"multiscales": [{"axes": ["y", "x"]}]}, "names no datasets"),
            (
                {"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "../../../secret"}]}]},
                "outside of its folder",
            ),
            ({"multiscales": [{"axes": ["y", "x"], "datasets": [{"path": "gone"}]}]}, "damaged|no file"),
            ({"plate": {"wells": [{"path": "../A/1"}]}}, "outside of its folder"),
            ({"plate": {"wells": [{"path": "A/9"}]}}, "names no images"),
        ],
    )
    def test_damage_is_a_finding(self, tmp_path: Path, damage: Any, words: str) -> None:
        ome_zarr(tmp_path / "in" / "a" / "good.zarr", counted((6, 8)), "yx")
        bad = tmp_path / "in" / "a" / "bad.zarr"
        ome_zarr(bad, counted((6, 8)), "yx", "0.4")
        (bad / ".zattrs").write_text(damage if isinstance(damage, str) else json.dumps(damage))
        with pytest.raises(DataError, match=words):
            scan(tmp_path / "in").checked()

    def test_claims_beyond_the_limit_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "in" / "a").mkdir(parents=True)
        for name, chunks in (("wide", (100, 100)), ("coarse", (100_000, 100_000))):
            shape = (1_000_000, 1_000_000) if name == "wide" else (200, 200)
            zarr.create_array(tmp_path / "in" / "a" / name, shape=shape, chunks=chunks, dtype="uint8", zarr_format=2)
        findings = scan(tmp_path / "in").findings
        assert [(one.path, one.kind) for one in findings] == [
            ("a/coarse", "larger than the limit"),
            ("a/wide", "larger than the limit"),
        ]
