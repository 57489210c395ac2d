import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from aliter.core.errors import DataError, RequestError, ResourceError
from aliter.data import convert as converting
from aliter.data import picture, reader
from aliter.data.convert import convert, scan, write_folder
from aliter.data.images import Images
from aliter.data.picture import Unusable
from aliter.data.splits import SPLITS, draw_splits

INTEGERS = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix.lower():
        case ".npy":
            with path.open("wb") as file:
                np.save(file, values)
        case ".tif" | ".tiff":
            tifffile.imwrite(path, values, photometric="minisblack")
        case _:
            Image.fromarray(values).save(path)


def grey(value: int = 0, shape: tuple[int, ...] = (4, 6), dtype: str = "uint8") -> np.ndarray:
    return (np.arange(np.prod(shape)).reshape(shape) + value).astype(dtype)


def two_classes(folder: Path, ending: str = ".png", dtype: str = "uint8") -> Path:
    for label, name in enumerate(("cat", "dog")):
        for row in range(3):
            save(folder / name / f"{row}{ending}", grey(10 * label + row, dtype=dtype))
    return folder


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(size: tuple[int, int], depth: int, colour: int, rows: list[bytes], *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file of unfiltered ``rows``; ``size`` is height, width."""
    header = struct.pack(">IIBBBBB", size[1], size[0], depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def read_png(tmp_path: Path, content: bytes) -> np.ndarray:
    (tmp_path / "x.png").write_bytes(content)
    values = reader.read(tmp_path / "x.png")
    found = reader.describe(tmp_path / "x.png")
    assert (found.shape, found.dtype) == (values.shape, values.dtype.name)
    return values


class TestStore:
    def test_values_ids_and_classes(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        assert convert(source, tmp_path / "out.zarr") == tmp_path / "out.zarr"
        images = Images(tmp_path / "out.zarr")
        assert images.classes == ("cat", "dog")
        assert images.ids == ["cat/0.png", "cat/1.png", "cat/2.png", "dog/0.png", "dog/1.png", "dog/2.png"]
        for number, name in enumerate(images.ids):
            assert np.array_equal(images.take(np.array([number]))[0, 0], np.asarray(Image.open(source / name)))
        assert images.range == (0, 255)
        assert images.channels == ("intensity",)
        assert images.source == {"kind": "folder", "name": "in", "splits": "drawn", "seed": 0}

    def test_more_images_than_a_shard_come_in_order(self, tmp_path: Path) -> None:
        for row in range(150):
            save(tmp_path / "in" / "a" / f"{row:03d}.npy", np.full((2, 2), row, np.uint8))
        images = Images(convert(tmp_path / "in", tmp_path / "out"))
        assert np.array_equal(images.take(np.arange(150))[:, 0, 0, 0], np.arange(150))

    def test_a_store_is_used_in_place(self, tmp_path: Path) -> None:
        store = convert(two_classes(tmp_path / "in"), tmp_path / "one")
        assert convert(store, tmp_path / "two") == store
        assert not (tmp_path / "two").exists()
        found = scan(store)
        assert found.kind == "store"
        assert found.ids == scan(tmp_path / "in").ids
        assert found.checked().shape == (1, 4, 6)

    def test_another_store_is_refused_in_words(self, tmp_path: Path) -> None:
        import zarr

        zarr.open_group(tmp_path / "other", mode="w", zarr_format=3)
        with pytest.raises(DataError, match="names its classes"):
            convert(tmp_path / "other", tmp_path / "out")

    def test_declared_range_is_stored(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in", ".npy", "uint16")
        assert Images(convert(source, tmp_path / "a")).range == (0, 65535)
        assert Images(convert(source, tmp_path / "b", (0.0, 4095.0))).range == (0, 4095)

    @pytest.mark.parametrize("wrong", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
    def test_a_range_that_is_none(self, tmp_path: Path, wrong: tuple[float, float]) -> None:
        with pytest.raises(RequestError, match="low below high"):
            convert(two_classes(tmp_path / "in"), tmp_path / "out", wrong)

    def test_floats_need_a_range(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in", ".npy", "float32")
        with pytest.raises(RequestError, match="declare one"):
            convert(source, tmp_path / "out")
        images = Images(convert(source, tmp_path / "out", (0.0, 100.0)))
        assert images.dtype == np.float32
        assert images.range == (0, 100)

    def test_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(RequestError, match="expected a folder"):
            convert(tmp_path / "none", tmp_path / "out")

    def test_no_images(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "note.txt").write_text("hello")
        with pytest.raises(DataError, match=r"a folder per class.*1 \.txt"):
            convert(tmp_path / "in", tmp_path / "out")

    def test_constant_images_are_fine(self, tmp_path: Path) -> None:
        save(tmp_path / "in" / "a" / "x.png", np.zeros((3, 3), np.uint8))
        assert not np.isnan(Images(convert(tmp_path / "in", tmp_path / "out")).signed(np.array([0]))).any()


class TestSplits:
    def test_folders_are_the_split(self, tmp_path: Path) -> None:
        for split in ("train", "validation", "test"):
            two_classes(tmp_path / "in" / split)
        images = Images(convert(tmp_path / "in", tmp_path / "out"))
        assert images.classes == ("cat", "dog")
        assert len(set(images.ids)) == len(images) == 18
        for name, folder in zip(SPLITS, ("train", "validation", "test"), strict=True):
            assert {images.ids[number].split("/")[0] for number in images.split(name)} == {folder}
        assert images.source["splits"] == "folders"

    def test_case_of_split_folders_does_not_matter(self, tmp_path: Path) -> None:
        two_classes(tmp_path / "in" / "Train")
        two_classes(tmp_path / "in" / "VAL")
        assert {int(one) for column in scan(tmp_path / "in").splits for one in column} == {0, 1}

    def test_drawn_from_the_seed_per_class(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            for row in range(20):
                save(tmp_path / "in" / name / f"{row:02d}.npy", np.zeros((1, 1), np.uint8))
        one, again, other = (
            Images(convert(tmp_path / "in", tmp_path / f"out{run}", seed=seed)).splits
            for run, seed in enumerate((1, 1, 2))
        )
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)
        assert np.array_equal(one, np.concatenate([draw_splits(20, 1, label) for label in range(2)]))

    def test_test_and_control_are_classes(self, tmp_path: Path) -> None:
        for name in ("test", "control"):
            save(tmp_path / "in" / name / "x.png", grey())
        found = scan(tmp_path / "in")
        assert found.classes == ("control", "test")
        assert found.splits == ()

    def test_a_folder_beside_the_splits_is_found(self, tmp_path: Path) -> None:
        two_classes(tmp_path / "in" / "train")
        two_classes(tmp_path / "in" / "more")
        assert [finding.path for finding in scan(tmp_path / "in").findings] == ["more"]

    def test_a_class_may_be_missing_in_a_split(self, tmp_path: Path) -> None:
        two_classes(tmp_path / "in" / "train")
        save(tmp_path / "in" / "val" / "dog" / "x.png", grey())
        (tmp_path / "in" / "val" / "cat").mkdir()
        images = Images(convert(tmp_path / "in", tmp_path / "out"))
        assert len(images.split("val", 1)) == 1


class TestFindings:
    def test_all_that_is_unreadable_is_listed_at_once(self, tmp_path: Path) -> None:
        source = tmp_path / "in"
        save(source / "a" / "good.png", grey())
        for ending in (".png", ".jpg", ".tif", ".npy"):
            save(source / "a" / f"cut{ending}", grey(shape=(40, 60)))
            whole = (source / "a" / f"cut{ending}").read_bytes()
            (source / "a" / f"cut{ending}").write_bytes(whole[: int(len(whole) * 0.9)])
            (source / "b").mkdir(exist_ok=True)
            (source / "b" / f"empty{ending}").touch()
            (source / "b" / f"wrong{ending}").write_text("no image at all")
        (source / "b" / "renamed.png").write_bytes(b"\xff\xd8\xff\xe0 a JPEG file")
        reasons = {finding.path: finding.reason for finding in scan(source).findings}
        assert len(reasons) == 13
        for ending, name in ((".png", "PNG"), (".jpg", "JPEG"), (".tif", "TIFF"), (".npy", "NumPy")):
            assert reasons[f"b/empty{ending}"] == "the file is empty"
            assert f"begin like a {name} file" in reasons[f"b/wrong{ending}"]
        assert all("cut short" in reasons[f"a/cut{ending}"] for ending in (".png", ".jpg", ".tif"))
        assert "but like a JPEG file" in reasons["b/renamed.png"]
        with pytest.raises(DataError) as caught:
            convert(source, tmp_path / "out")
        assert all(name in str(caught.value) for name in reasons)
        assert "a/good.png" not in str(caught.value)
        assert os.listdir(tmp_path) == ["in"]

    def test_those_unlike_the_others_are_told_in_words(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        save(source / "cat" / "wide.png", grey(shape=(4, 80)))
        save(source / "dog" / "deep.png", grey(dtype="uint16"))
        save(source / "dog" / "colour.png", grey(shape=(4, 6, 3)))
        with pytest.raises(DataError) as caught:
            convert(source, tmp_path / "out")
        assert str(caught.value).splitlines()[1:] == [
            "unlike most others (3):",
            "  cat/wide.png: 4x80 instead of 4x6",
            "  dog/colour.png: channels: 3 instead of 1",
            "  dog/deep.png: uint16 instead of uint8",
        ]

    def test_long_lists_are_cut_with_their_count(self, tmp_path: Path) -> None:
        (tmp_path / "in" / "a").mkdir(parents=True)
        for row in range(27):
            (tmp_path / "in" / "a" / f"{row}.png").touch()
        (tmp_path / "in" / "stray.png").touch()
        with pytest.raises(DataError) as caught:
            convert(tmp_path / "in", tmp_path / "out")
        text = str(caught.value)
        assert text.count("the file is empty") == 20
        assert "28 files" in text
        assert "cannot be read (27):" in text
        assert "and 7 more" in text
        assert "in/stray.png" not in text
        assert "  stray.png: it lies outside the class folders" in text

    def test_nan_is_refused_by_name_all_at_once(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in", ".tif", "float32")
        for name, bad in (("cat/1.tif", np.nan), ("dog/2.tif", np.inf)):
            values = grey(dtype="float32")
            values[0, 0] = bad
            save(source / name, values)
        with pytest.raises(DataError) as caught:
            convert(source, tmp_path / "out", (0.0, 1.0))
        assert "not finite (2)" in str(caught.value)
        assert "cat/1.tif: 1 of its 24 values" in str(caught.value)
        assert "dog/2.tif" in str(caught.value)
        assert os.listdir(tmp_path) == ["in"]

    def test_damage_inside_is_listed_too(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        content = bytearray((source / "cat" / "1.png").read_bytes())
        place = content.index(b"IDAT") + 6
        content[place : place + 8] = bytes(8)
        (source / "cat" / "1.png").write_bytes(content)
        assert not scan(source).findings
        with pytest.raises(DataError, match=r"cat/1\.png: its content is damaged"):
            convert(source, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_file_whose_pixels_are_not_what_its_header_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = two_classes(tmp_path / "in")
        monkeypatch.setattr(reader, "read", lambda path, planes: np.zeros((1, 2, 2), np.uint8))
        with pytest.raises(DataError, match="its header says uint8"):
            convert(source, tmp_path / "out")

    def test_strays_and_empty_folders(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        save(source / "preview.png", grey())
        (source / "fox").mkdir()
        (source / "fox" / "x.webp").touch()
        assert [(one.path, one.kind) for one in scan(source).findings] == [
            ("fox", "not where an image belongs"),
            ("preview.png", "not where an image belongs"),
        ]

    def test_what_is_ignored_is_counted(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        for name in (".DS_Store", "cat/._0.png", "cat/Thumbs.db", "dog/notes.TXT", "dog/b.txt", "README"):
            (source / name).touch()
        (source / ".git").mkdir()
        convert(two_classes(tmp_path / "other"), source / "cat" / "images.zarr")
        found = scan(source)
        assert not found.findings
        assert found.ignored == {"hidden": 3, ".db": 1, ".txt": 2, "without ending": 1, ".zarr": 1}
        assert len(found.ids[0]) == 3
        for part in ("cat 3, dog 3", "4x6 pixels", "2 .txt", "3 hidden", "split: to be drawn"):
            assert part in found.summary()


class TestNames:
    names = (
        "with space",
        "Ünïcödé 細胞",
        "-dash",
        "100%d",
        "a" * 200,
        "A" * 200,
        "star*[0]?",
        "quote'\"",
        "dot.dot",
        "x=y;&|$HOME",
        "new\nline",
    )

    @pytest.mark.parametrize("ending", [".png", ".jpg", ".tif", ".npy"])
    def test_odd_names_work(self, tmp_path: Path, ending: str) -> None:
        for name in self.names:
            save(tmp_path / "in" / name[:50] / f"{name}{ending}", grey())
        images = Images(convert(tmp_path / "in", tmp_path / "%s out"))
        assert len(images) == len(self.names)
        assert set(images.ids) == {f"{name[:50]}/{name}{ending}" for name in self.names}

    def test_equal_stems_and_case_are_different_images(self, tmp_path: Path) -> None:
        files = ["a/plate1/x.png", "a/plate2/x.png", "a/plate2/x.tif", "a/plate2/X.png", "A/x.PNG"]
        for value, name in enumerate(files):
            save(tmp_path / "in" / name, grey(value))
        images = Images(convert(tmp_path / "in", tmp_path / "out"))
        assert images.classes == ("A", "a")
        assert sorted(images.ids) == sorted(files)
        for value, name in enumerate(files):
            assert images.take(np.array([images.ids.index(name)]))[0, 0, 0, 0] == value

    def test_a_name_that_is_not_utf8_is_found(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        (source / "cat" / os.fsdecode(b"\xff.png")).write_bytes((source / "cat" / "0.png").read_bytes())
        with pytest.raises(DataError, match="not in UTF-8") as caught:
            convert(source, tmp_path / "out")
        assert "\\udcff.png" in str(caught.value).encode().decode()

    def test_links_are_followed_but_not_back(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        save(tmp_path / "far" / "x.png", grey())
        (source / "fox").symlink_to(tmp_path / "far")
        (source / "cat" / "back").symlink_to(source)
        (source / "cat" / "self").symlink_to(source / "cat")
        (source / "dog" / "other").symlink_to(source / "dog" / "other")
        (source / "dog" / "linked.png").symlink_to(source / "dog" / "0.png")
        found = scan(source)
        assert [len(ids) for ids in found.ids] == [3, 4, 1]
        assert found.ids[2] == ("fox/x.png",)
        assert not found.findings
        assert found.ignored["links to folders met before"] == 2

    def test_a_tangle_of_links_ends(self, tmp_path: Path) -> None:
        source = tmp_path / "in"
        folders = [source / "a" / str(number) for number in range(9)]
        for number, folder in enumerate(folders):
            save(folder / f"{number}.png", grey())
        for folder in folders:
            for number, other in enumerate(folders):
                (folder / f"to{number}").symlink_to(other)
        assert len(scan(source).ids[0]) == 9

    def test_links_to_nowhere_are_found(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        (source / "cat" / "x.png").symlink_to(tmp_path / "gone.png")
        (source / "cat" / "y.png").symlink_to(source / "cat" / "y.png")
        os.mkfifo(source / "cat" / "z.png")
        assert [(one.path, one.reason) for one in scan(source).findings] == [
            (f"cat/{name}.png", "it leads to no file") for name in "xyz"
        ]


class TestLimit:
    def claims(self, folder: Path) -> Path:
        """Fill ``folder`` with small files that claim to be huge."""
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "bomb.png").write_bytes(png((60_000, 60_000), 1, 0, [bytes(7500)] * 100))
        small = folder / "a" / "bomb.tif"
        tifffile.imwrite(small, np.zeros((8, 8), np.uint8), metadata=None)
        with tifffile.TiffFile(small, mode="r+") as file:
            for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
                file.pages.first.tags[name].overwrite(1_000_000)
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000), }\n"
        (folder / "a" / "bomb.npy").write_bytes(b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header)
        return folder

    def test_bombs_are_refused_with_limit_and_option(self, tmp_path: Path) -> None:
        reasons = {one.path: one for one in scan(self.claims(tmp_path / "in")).findings}
        for name in ("a/bomb.png", "a/bomb.tif"):
            assert reasons[name].kind == "larger than the limit"
            assert "268,435,456" in reasons[name].reason
            assert "aliter.data.picture.LIMIT" in reasons[name].reason
        assert "a/bomb.npy" in reasons

    def test_bombs_take_no_memory(self, tmp_path: Path) -> None:
        code = (
            "import pathlib, re, sys; from aliter.data.scan import scan;"
            "status = pathlib.Path('/proc/self/status');"
            "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+) kB', status.read_text())[1]);"
            "scan(pathlib.Path(sys.argv[2])); before = peak(); scan(pathlib.Path(sys.argv[1])); print(peak() - before)"
        )
        folders = self.claims(tmp_path / "in"), two_classes(tmp_path / "small", ".tif")
        argv = [sys.executable, "-c", code, *map(str, folders)]
        grown = int(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)
        assert grown < 20_000

    def test_the_limit_is_the_option(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = two_classes(tmp_path / "in")
        monkeypatch.setattr(picture, "LIMIT", 23)
        assert len(scan(source).findings) == 6
        monkeypatch.setattr(picture, "LIMIT", 24)
        assert not scan(source).findings

    def test_large_tiles_are_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 8), np.uint8), tile=(16, 16), metadata=None)
        with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
            file.pages.first.tags["TileWidth"].overwrite(1 << 15)
            file.pages.first.tags["TileLength"].overwrite(1 << 15)
        with pytest.raises(Unusable, match="LIMIT"):
            reader.describe(tmp_path / "x.tif")


class TestPng:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
    def test_grey_is_scaled_to_whole_bytes_and_no_further(self, tmp_path: Path, depth: int) -> None:
        samples = np.arange(8) % 2**depth if depth < 8 else np.array([0, 1, 255, 128, 7, 9, 200, 3])
        samples = samples * 257 + (samples % 3) if depth == 16 else samples
        bits = "".join(f"{sample % 2**depth:0{depth}b}" for sample in samples)
        row = int(bits, 2).to_bytes(depth, "big")
        values = read_png(tmp_path, png((1, 8), depth, 0, [row]))
        scale = 255 // (2**depth - 1) if depth < 8 else 1
        assert values.dtype == (np.uint16 if depth == 16 else np.uint8)
        assert np.array_equal(values[0, 0], samples % 2**depth * scale)

    @pytest.mark.parametrize("colour", [2, 4, 6])
    def test_deep_colour_is_refused_not_cut(self, tmp_path: Path, colour: int) -> None:
        with pytest.raises(Unusable, match="only 8 would be read"):
            read_png(tmp_path, png((1, 1), 16, colour, [bytes(8)]))

    def test_a_palette_becomes_colours(self, tmp_path: Path) -> None:
        palette = (b"PLTE", bytes([1, 2, 3, 40, 50, 60]))
        values = read_png(tmp_path, png((1, 2), 8, 3, [bytes([1, 0])], palette))
        assert values.tolist() == [[[40, 1]], [[50, 2]], [[60, 3]]]
        assert read_png(tmp_path, png((1, 2), 8, 3, [bytes([1, 0])], palette, (b"tRNS", b"\xff"))).shape == (3, 1, 2)
        with pytest.raises(Unusable, match="transparent"):
            read_png(tmp_path, png((1, 2), 8, 3, [bytes([1, 0])], palette, (b"tRNS", b"\x80")))

    @pytest.mark.parametrize(("colour", "channels"), [(4, 1), (6, 3)])
    def test_alpha_goes_if_it_is_opaque(self, tmp_path: Path, colour: int, channels: int) -> None:
        values = np.random.default_rng(0).integers(0, 256, (2, 3, channels + 1)).astype(np.uint8)
        values[..., -1] = 255
        found = read_png(tmp_path, png((2, 3), 8, colour, [row.tobytes() for row in values]))
        assert np.array_equal(found, values[..., :-1].transpose(2, 0, 1))
        values[1, 1, -1] -= 1
        with pytest.raises(Unusable, match="transparent in part"):
            read_png(tmp_path, png((2, 3), 8, colour, [row.tobytes() for row in values]))

    def test_what_is_no_single_opaque_image(self, tmp_path: Path) -> None:
        for extra, word in (((b"acTL", bytes(8)), "animation"), ((b"tRNS", bytes(2)), "transparent")):
            (tmp_path / "x.png").write_bytes(png((1, 1), 8, 0, [b"\0"], extra))
            with pytest.raises(Unusable, match=word):
                reader.describe(tmp_path / "x.png")

    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=120))
    def test_no_bytes_break_it(self, tmp_path_factory: pytest.TempPathFactory, tail: bytes) -> None:
        folder = tmp_path_factory.mktemp("fuzz")
        for ending, start in ((".png", b"\x89PNG\r\n\x1a\n"), (".jpg", b"\xff\xd8\xff"), (".npy", b"\x93NUMPY\1\0")):
            path = folder / f"x{ending}"
            path.write_bytes(start + tail)
            with pytest.raises(Unusable):
                reader.read(path)
        (folder / "x.tif").write_bytes(b"II*\0" + tail)
        with pytest.raises(Unusable):
            reader.describe(folder / "x.tif")


class TestJpeg:
    def test_grey_and_colour(self, tmp_path: Path) -> None:
        save(tmp_path / "x.jpg", grey(shape=(8, 6)))
        save(tmp_path / "y.jpg", grey(shape=(8, 6, 3)))
        for name, channels in (("x", 1), ("y", 3)):
            values = reader.read(tmp_path / f"{name}.jpg")
            shown = np.asarray(Image.open(tmp_path / f"{name}.jpg")).reshape(8, 6, channels)
            assert np.array_equal(values, shown.transpose(2, 0, 1))
            assert reader.describe(tmp_path / f"{name}.jpg").shape == values.shape

    def test_other_colours_are_refused(self, tmp_path: Path) -> None:
        Image.new("CMYK", (4, 4)).save(tmp_path / "x.jpg")
        with pytest.raises(Unusable, match="CMYK"):
            reader.describe(tmp_path / "x.jpg")


def write(path: Path, values: np.ndarray, axes: str | None = None, **options: Any) -> np.ndarray:
    tifffile.imwrite(path, values, metadata={"axes": axes} if axes else {}, **{"photometric": "minisblack", **options})
    found, read = reader.describe(path), reader.read(path)
    assert (found.shape, found.dtype) == (read.shape, read.dtype.name)
    assert read.dtype.isnative
    return read


class TestTiff:
    @pytest.mark.parametrize("channels", [1, 2, 3, 5])
    @pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float16", "float64"])
    def test_types_and_channels(self, tmp_path: Path, channels: int, dtype: str) -> None:
        values = grey(shape=(channels, 7, 6), dtype=dtype)
        assert np.array_equal(write(tmp_path / "a.tif", values, "CYX"), values)
        last = np.ascontiguousarray(values.transpose(1, 2, 0))
        assert np.array_equal(write(tmp_path / "b.tif", last, "YXC"), values)
        planar = {"planarconfig": "contig"} if channels > 1 else {}
        assert np.array_equal(write(tmp_path / "c.tif", last, **planar), values)
        assert np.array_equal(write(tmp_path / "d.tif", values, byteorder=">"), values)
        assert np.array_equal(write(tmp_path / "e.tif", last), values)

    def test_named_axes_win_over_the_smallest(self, tmp_path: Path) -> None:
        values = grey(shape=(5, 4, 3))
        assert np.array_equal(write(tmp_path / "a.tif", values, "CYX"), values)
        assert np.array_equal(write(tmp_path / "b.tif", values), values.transpose(2, 0, 1))

    def test_pages_without_names_are_channels(self, tmp_path: Path) -> None:
        values = grey(shape=(5, 4, 3))
        with tifffile.TiffWriter(tmp_path / "x.tif") as file:
            for page in values:
                file.write(page, photometric="minisblack", metadata=None)
        assert np.array_equal(reader.read(tmp_path / "x.tif"), values)

    @pytest.mark.parametrize("kind", ["imagej", "ome"])
    def test_imagej_and_ome(self, tmp_path: Path, kind: str) -> None:
        values = grey(shape=(2, 4, 5), dtype="uint16")
        name = "x.ome.tif" if kind == "ome" else "x.tif"
        assert np.array_equal(write(tmp_path / name, values, "CYX", **{kind: True}), values)
        assert np.array_equal(write(tmp_path / name, values, "ZYX", **{kind: True}), values[None])
        with pytest.raises(Unusable, match="a series of 2 times"):
            write(tmp_path / name, values, "TYX", **{kind: True})

    @pytest.mark.parametrize("compression", ["zlib", "lzma"])
    def test_compressed_and_tiled(self, tmp_path: Path, compression: str) -> None:
        values = grey(shape=(2, 40, 33), dtype="uint16")
        tile = {"tile": (16, 16)} if compression == "zlib" else {}
        predictor = {"predictor": True} if compression == "zlib" else {}
        read = write(tmp_path / "x.tif", values, "CYX", compression=compression, **tile, **predictor)
        assert np.array_equal(read, values)

    def test_a_missing_codec_is_named(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "x.tif", grey(), metadata=None)
        with tifffile.TiffFile(tmp_path / "x.tif", mode="r+") as file:
            file.pages.first.tags["Compression"].overwrite(33005)
        with pytest.raises(Unusable, match="APERIO_JP2000_RGB, which needs the package imagecodecs"):
            reader.describe(tmp_path / "x.tif")

    def test_bits_become_bytes(self, tmp_path: Path) -> None:
        values = np.array([[True, False, True]])
        assert write(tmp_path / "x.tif", values).tolist() == [[[255, 0, 255]]]

    def test_all_samples_are_channels(self, tmp_path: Path) -> None:
        values = grey(shape=(6, 7, 4))
        read = write(tmp_path / "x.tif", values, photometric="rgb")
        assert np.array_equal(read, values.transpose(2, 0, 1))

    def test_colours_are_named_and_palettes_refused(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "x.tif", grey(shape=(4, 4, 3)), photometric="rgb")
        assert reader.describe(tmp_path / "x.tif").channels == ("red", "green", "blue")
        colours = np.zeros((3, 256), np.uint16)
        tifffile.imwrite(tmp_path / "x.tif", grey(), photometric="palette", colormap=colours)
        with pytest.raises(Unusable, match="indices into a palette"):
            reader.describe(tmp_path / "x.tif")
        tifffile.imwrite(tmp_path / "x.tif", grey(shape=(4, 4, 3)), photometric="cielab", metadata=None)
        with pytest.raises(Unusable, match="CIELAB"):
            reader.describe(tmp_path / "x.tif")

    def test_a_lookup_table_of_imagej_does_not_change_intensities(self, tmp_path: Path) -> None:
        colours = np.zeros((3, 256), np.uint8)
        tifffile.imwrite(tmp_path / "x.tif", grey(), imagej=True, colormap=colours)
        assert np.array_equal(reader.read(tmp_path / "x.tif")[0], grey())

    def test_several_images_are_refused(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / "x.tif") as file:
            file.write(grey(), metadata=None)
            file.write(grey(shape=(9, 9)), metadata=None)
        with pytest.raises(Unusable, match="2 images of different kinds"):
            reader.describe(tmp_path / "x.tif")
        tifffile.imwrite(tmp_path / "x.tif", grey(shape=(2, 3, 4, 5)), photometric="minisblack")
        with pytest.raises(Unusable, match="names for all of them"):
            reader.describe(tmp_path / "x.tif")


class TestNumpy:
    @pytest.mark.parametrize("shape", [(2, 5, 6), (5, 6, 2), (5, 2, 6)])
    def test_the_smallest_axis_is_the_channels(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        for values in (grey(shape=shape), np.asfortranarray(grey(shape=shape))):
            save(tmp_path / "x.npy", values)
            read = reader.read(tmp_path / "x.npy")
            assert np.array_equal(read, np.moveaxis(values, shape.index(2), 0))
            assert reader.describe(tmp_path / "x.npy").shape == read.shape == (2, 5, 6)

    def test_bits_and_byte_order(self, tmp_path: Path) -> None:
        save(tmp_path / "x.npy", np.array([[True, False]]))
        assert reader.read(tmp_path / "x.npy").tolist() == [[[255, 0]]]
        save(tmp_path / "x.npy", grey(dtype=">i4"))
        assert reader.describe(tmp_path / "x.npy").dtype == "int32"
        assert reader.read(tmp_path / "x.npy").dtype.isnative

    def test_nothing_is_unpickled(self, tmp_path: Path) -> None:
        class Payload:
            def __reduce__(self) -> tuple[object, ...]:
                return os.mkdir, (str(tmp_path / "made"),)

        np.save(tmp_path / "x.npy", np.array([[Payload()]], object), allow_pickle=True)
        with pytest.raises(Unusable, match="object"):
            reader.read(tmp_path / "x.npy")
        assert not (tmp_path / "made").exists()

    @pytest.mark.parametrize(
        "values",
        [np.zeros(3), np.zeros((2, 2, 2, 2)), np.zeros((0, 3)), np.zeros((2, 2), complex), np.zeros((2, 2), "S3")],
    )
    def test_what_is_no_image(self, tmp_path: Path, values: np.ndarray) -> None:
        save(tmp_path / "x.npy", values)
        with pytest.raises(Unusable):
            reader.describe(tmp_path / "x.npy")


def assert_round_trip(folder: Path, values: np.ndarray, declared: tuple[float, float] | None) -> None:
    """Bring what is ``in`` a folder into a store, from there into a folder and back: it holds ``values`` each time."""
    images = Images(convert(folder / "in", folder / "one", declared))
    write_folder(images, folder / "two")
    for found in (images, Images(convert(folder / "two", folder / "three", declared))):
        assert found.dtype == values.dtype
        assert np.array_equal(found.take(np.arange(len(values))), values)


class TestLossless:
    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def test_round_trip_through_file_store_and_folder(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        dtype = data.draw(st.sampled_from([*INTEGERS, "float32"]))
        shape = data.draw(st.tuples(st.integers(1, 5), st.integers(6, 9), st.integers(6, 9)))
        elements = {"allow_nan": False, "allow_infinity": False} if dtype == "float32" else {}
        values = data.draw(arrays(dtype, (3, *shape), elements=elements or None))
        folder = tmp_path_factory.mktemp("trip")
        endings = data.draw(st.lists(st.sampled_from([".npy", ".tif"]), min_size=3, max_size=3))
        if dtype in ("uint8", "uint16") and shape[0] == 1:
            endings[0] = ".png"
        for row, ending in enumerate(endings):
            image = values[row]
            if ending == ".tif":
                (folder / "in" / "a").mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(
                    folder / "in" / f"a/{row}.tif", image, photometric="minisblack", metadata={"axes": "CYX"}
                )
            else:
                save(folder / "in" / f"a/{row}{ending}", image[0] if ending == ".png" else image)
        assert_round_trip(folder, values, (0.0, 1.0) if dtype == "float32" else None)


class TestFolder:
    def store(self, tmp_path: Path, files: list[str]) -> Images:
        for value, name in enumerate(files):
            save(tmp_path / "in" / name, grey(value, (5, 6), "uint16"))
        return Images(convert(tmp_path / "in", tmp_path / "store", seed=3))

    def trip(self, tmp_path: Path, files: list[str]) -> Images:
        images = self.store(tmp_path, files)
        write_folder(images, tmp_path / "folder")
        again = Images(convert(tmp_path / "folder", tmp_path / "again"))
        everything = np.arange(len(images))
        assert again.classes == images.classes
        assert np.array_equal(again.labels, images.labels)
        assert np.array_equal(again.splits, images.splits)
        assert np.array_equal(again.take(everything), images.take(everything))
        return again

    def test_names_and_splits_survive(self, tmp_path: Path) -> None:
        again = self.trip(tmp_path, [f"{name}/{row:02d}.tif" for name in ("a", "b") for row in range(12)])
        assert all(one.split("/")[0] in SPLITS for one in again.ids)
        assert [one.split("/", 1)[1] for one in again.ids[:12]] == [f"a/{row:02d}.tif" for row in range(12)]

    @pytest.mark.parametrize(
        "files",
        [
            ["a/x.tif", "a/x.npy", "a/p/x.tif", "b/x.tif"],
            ["a/x.tif", "a/x-1.npy", "a/x_1.tiff"],
            ["train/a/x.tif", "val/a/x.tif", "test/a/w.tif", "train/b/y.tif"],
            ["a/" + "é" * 120 + ".tif", "a/p/" + "é" * 120 + ".tif"],
        ],
    )
    def test_order_survives_names_that_clash(self, tmp_path: Path, files: list[str]) -> None:
        again = self.trip(tmp_path, files)
        assert len(set(again.ids)) == len(files)

    def test_what_is_written_is_plain_tiff(self, tmp_path: Path) -> None:
        images = self.store(tmp_path, ["a/x.tif"])
        write_folder(images, tmp_path / "folder")
        with tifffile.TiffFile(tmp_path / "folder" / "train" / "a" / "x.tif") as file:
            assert file.series[0].get_axes(squeeze=False) == "CYX"
            assert file.pages[0].compression == 1
            assert file.asarray().dtype == np.uint16
        assert scan(tmp_path / "folder").checked().channels == images.channels

    def test_a_class_that_cannot_be_a_folder(self, tmp_path: Path) -> None:
        images = self.store(tmp_path, ["a/x.tif"])
        for name in ("../out", ".hidden", "", "x.zarr"):
            images.classes = (name,)
            with pytest.raises(RequestError, match="cannot be the name of a folder"):
                write_folder(images, tmp_path / "folder")
        assert not (tmp_path / "folder").exists()

    def test_an_id_cannot_leave_the_folder(self, tmp_path: Path) -> None:
        images = self.store(tmp_path, ["a/x.tif", "a/y.tif", "a/z.tif"])
        images.ids = ["../../../x", "/root/y", ".."]
        write_folder(images, tmp_path / "folder")
        assert sorted(os.listdir(tmp_path)) == ["folder", "in", "store"]
        assert len(scan(tmp_path / "folder").ids[0]) == 3


class TestAtomic:
    def test_nothing_is_left_of_a_failure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = two_classes(tmp_path / "in")

        def stop(path: Path, planes: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(reader, "read", stop)
        with pytest.raises(KeyboardInterrupt):
            convert(source, tmp_path / "out")
        assert os.listdir(tmp_path) == ["in"]

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(converting, "write_images", full)
        with pytest.raises(ResourceError, match="the disk is full"):
            convert(two_classes(tmp_path / "in"), tmp_path / "out")

    def test_what_is_there_is_not_replaced(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        (tmp_path / "out").mkdir()
        convert(source, tmp_path / "out")
        with pytest.raises(RequestError, match="expected a name that is free"):
            convert(source, tmp_path / "out")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(RequestError, match="expected a name that is free"):
            convert(source, tmp_path / "link")

    def test_remains_of_a_killed_process_do_not_matter(self, tmp_path: Path) -> None:
        source = two_classes(tmp_path / "in")
        (tmp_path / ".out.part" / "images" / "7").mkdir(parents=True)
        (tmp_path / ".out.lock").touch()
        assert len(Images(convert(source, tmp_path / "out"))) == 6
        assert sorted(os.listdir(tmp_path)) == ["in", "out"]
        assert not (tmp_path / "out" / "images" / "7").exists()

    def test_two_at_once(self, tmp_path: Path) -> None:
        with converting.beside(tmp_path / "out") as part:
            with pytest.raises(RequestError, match="another process"):
                convert(two_classes(tmp_path / "in"), tmp_path / "out")
            assert part.is_dir()
