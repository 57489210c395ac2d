import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from aliter.core.errors import DataError, RequestError
from aliter.data import images as module
from aliter.data import layout
from aliter.data.images import Header, Images, from_signed, full_range, to_signed, write_images
from aliter.data.splits import SPLITS

COUNTS = (70, 3, 130)
SHAPE = (2, 3, 4)


def values(label: int, start: int, stop: int) -> np.ndarray:
    """Return images whose every value tells class, row and place."""
    rows = np.arange(start, stop).reshape(-1, 1, 1, 1)
    return (label * 10_000 + rows * 30 + np.arange(24).reshape(SHAPE)).astype(np.uint16)


def header(counts: Sequence[int] = COUNTS, **changes: Any) -> Header:
    facts: dict[str, Any] = {
        "classes": tuple(f"class {label}" for label in range(len(counts))),
        "channels": ("one", "two"),
        "range": (0.0, 65535.0),
        "shape": SHAPE,
        "dtype": "uint16",
        "ids": tuple(tuple(f"é/{label}/{row}" for row in range(count)) for label, count in enumerate(counts)),
        "splits": tuple((np.arange(count) % 3).astype(np.uint8) for count in counts),
        "source": {"kind": "test"},
    }
    return Header(**{**facts, **changes})


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write_images(tmp_path / "store", header(), values)
    return tmp_path / "store"


@pytest.fixture(params=["in memory", "streaming"])
def images(store: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Images:
    if request.param == "streaming":
        monkeypatch.setattr(module, "IN_MEMORY", 0)
    opened = Images(store)
    opened.take(np.array([0]))
    assert (opened._whole is None) == (request.param == "streaming")
    return opened


def test_facts(images: Images) -> None:
    assert len(images) == 203
    assert images.shape == SHAPE
    assert images.dtype == np.uint16
    assert images.classes == ("class 0", "class 1", "class 2")
    assert images.channels == ("one", "two")
    assert images.source == {"kind": "test"}
    assert images.labels.tolist() == [0] * 70 + [1] * 3 + [2] * 130
    assert images.ids[70:74] == ["é/1/0", "é/1/1", "é/1/2", "é/2/0"]


@settings(max_examples=20, deadline=None)
@given(numbers=st.lists(st.integers(0, 202), max_size=12))
def test_take_gives_any_numbers_in_any_order(tmp_path_factory: pytest.TempPathFactory, numbers: list[int]) -> None:
    path = tmp_path_factory.getbasetemp() / "taken"
    if not path.exists():
        write_images(path, header(), values)
    whole = np.concatenate([values(label, 0, count) for label, count in enumerate(COUNTS)])
    opened, streaming = Images(path), Images(path)
    streaming.__dict__["_whole"] = None
    for one in (opened, streaming):
        taken = one.take(np.array(numbers, int))
        assert taken.dtype == np.uint16
        assert np.array_equal(taken, whole[numbers] if numbers else np.empty((0, *SHAPE)))


def test_signed_maps_the_range_of_the_store(images: Images) -> None:
    numbers = np.array([200, 3, 71])
    taken, signed = images.take(numbers), images.signed(numbers)
    assert signed.dtype == np.float32
    slow = [2 * float(value) / 65535 - 1 for value in taken.ravel()]
    assert np.allclose(signed.ravel(), slow, atol=1e-6)


def test_a_declared_range_takes_the_place_of_the_stated_one(store: Path) -> None:
    images = Images(store, (0.0, 4095.0))
    assert images.range == (0, 4095)
    assert images.signed(np.array([202])).max() > 1


def test_a_store_that_states_no_range_has_that_of_its_type(store: Path) -> None:
    note = json.loads((store / "zarr.json").read_text())
    del note["attributes"]["range"]
    (store / "zarr.json").write_text(json.dumps(note))
    assert Images(store).range == (0, 65535)


def test_floats_without_a_range_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "store", header((2,), dtype="float32"), values)
    note = json.loads((tmp_path / "store" / "zarr.json").read_text())
    del note["attributes"]["range"]
    (tmp_path / "store" / "zarr.json").write_text(json.dumps(note))
    with pytest.raises(RequestError, match="declare one"):
        Images(tmp_path / "store")
    assert Images(tmp_path / "store", (0.0, 1.0)).range == (0, 1)


def test_split(images: Images) -> None:
    expected = [number for number in range(203) if images.splits[number] == 1]
    assert images.split("val").tolist() == expected
    assert images.split("val", 1).tolist() == [71]
    parts = [images.split(name, label) for name in SPLITS for label in range(3)]
    assert sorted(np.concatenate(parts)) == list(range(203))


def test_an_empty_split_is_named(tmp_path: Path) -> None:
    splits = (np.zeros(2, np.uint8), np.array([0, 1], np.uint8))
    write_images(tmp_path / "store", header((2, 2), splits=splits), values)
    images = Images(tmp_path / "store")
    with pytest.raises(DataError, match="in the split 'test', found none"):
        images.split("test")
    with pytest.raises(DataError, match="of class 'class 0' in the split 'val'"):
        images.split("val", 0)


def test_blocks_cover_everything_once(images: Images) -> None:
    numbers = images.split("train")
    blocks = list(images.blocks(numbers))
    assert np.array_equal(np.concatenate([block for _, block in blocks]), numbers)
    assert [start for start, _ in blocks] == list(range(0, len(numbers), layout.ROWS))
    assert all(len(block) <= layout.ROWS for _, block in blocks)
    assert list(images.blocks(np.arange(0))) == []


def test_writing_asks_for_one_shard_at_a_time(tmp_path: Path) -> None:
    asked: list[tuple[int, int, int]] = []

    def block(label: int, start: int, stop: int) -> np.ndarray:
        asked.append((label, start, stop))
        return values(label, start, stop)

    write_images(tmp_path / "store", header(), block)
    assert asked == [(0, 0, 64), (0, 64, 70), (1, 0, 3), (2, 0, 64), (2, 64, 128), (2, 128, 130)]


def test_groups_are_stored(tmp_path: Path) -> None:
    groups = (("plate 1", "plate 2"), ("plate 1", "plate 3"))
    write_images(tmp_path / "store", header((2, 2), groups=groups), values)
    root = layout.open_store(tmp_path / "store")
    assert [layout.unpack(np.asarray(root[f"groups/{label}"])) for label in range(2)] == [list(one) for one in groups]
    assert Images(tmp_path / "store").groups == ["plate 1", "plate 2", "plate 1", "plate 3"]


def test_no_groups_are_none(store: Path) -> None:
    assert Images(store).groups == []


@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 2, 5, 6)])
def test_two_and_three_dimensions(tmp_path: Path, shape: tuple[int, ...]) -> None:
    whole = np.random.default_rng(0).integers(-9, 9, (3, *shape)).astype(np.int16)
    changed = header((3,), shape=shape, dtype="int16", channels=("c",) * shape[0])
    write_images(tmp_path / "store", changed, lambda label, start, stop: whole[start:stop])
    assert np.array_equal(Images(tmp_path / "store").take(np.arange(3)), whole)
    names = ("index", "channel", *"zyx"[-len(shape) + 1 :])
    note = json.loads((tmp_path / "store" / "images" / "0" / "zarr.json").read_text())
    assert tuple(note["dimension_names"]) == names


# Refusals


@pytest.mark.parametrize("version", [layout.VERSION + 1, 99, "2", None])
def test_a_newer_layout_is_refused(store: Path, version: object) -> None:
    note = json.loads((store / "zarr.json").read_text())
    note["attributes"]["aliter"]["layout"] = version
    (store / "zarr.json").write_text(json.dumps(note))
    with pytest.raises(DataError, match=r"expected layout 1 or older, found .*; update aliter"):
        Images(store)


def test_an_older_layout_is_read(store: Path) -> None:
    note = json.loads((store / "zarr.json").read_text())
    note["attributes"]["aliter"]["layout"] = 0
    (store / "zarr.json").write_text(json.dumps(note))
    assert len(Images(store)) == 203


def test_what_is_no_store_of_images(tmp_path: Path, store: Path) -> None:
    with pytest.raises(DataError, match="expected a Zarr store, found none"):
        Images(tmp_path / "none")
    zarr.open_group(tmp_path / "group", mode="w", zarr_format=3)
    with pytest.raises(DataError, match="names its classes"):
        Images(tmp_path / "group")
    zarr.open_group(tmp_path / "group", mode="a", zarr_format=3).attrs.update({"classes": [], "channels": []})
    with pytest.raises(DataError, match="names its classes"):
        Images(tmp_path / "group")
    with pytest.raises(DataError, match="expected a Zarr store"):
        Images(store / "images" / "0")
    shutil.rmtree(store / "splits")
    assert len(Images(store)) == 203
    with pytest.raises(DataError, match="holds no array 'splits/0'"):
        _ = Images(store).splits
    (store / "zarr.json").write_text("{ broken")
    with pytest.raises(DataError, match="expected a Zarr store"):
        Images(store)


# Intensities


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16"])
def test_integers_survive_being_signed(dtype: str) -> None:
    info = np.iinfo(dtype)
    everything = np.arange(info.min, info.max + 1).astype(dtype)
    declared = full_range(dtype, Path("store"))
    assert declared == (info.min, info.max)
    signed = to_signed(everything, declared)
    assert signed[0] == -1
    assert signed[-1] == 1
    assert np.array_equal(from_signed(signed, declared, dtype), everything)


@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(1e-2, 1e4),
    parts=st.lists(st.floats(-0.5, 1.5), min_size=1, max_size=5),
)
def test_signed_and_back(low: float, width: float, parts: list[float]) -> None:
    declared = (low, low + width)
    intensities = low + width * np.array(parts)
    signed = to_signed(intensities, declared)
    assert np.allclose(signed, 2 * np.array(parts) - 1, atol=1e-4)
    assert np.allclose(from_signed(signed, declared, "float64"), intensities, atol=1e-6 * width)


def test_values_beyond_the_range_stay_beyond() -> None:
    assert to_signed(np.array([-1.0, 3.0]), (0.0, 2.0)).tolist() == [-2, 2]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_integers_are_clipped_not_wrapped(dtype: str) -> None:
    info = np.iinfo(dtype)
    low, high = from_signed(np.array([-3, 3], np.float32), (float(info.min), float(info.max)), dtype)
    assert low == info.min
    assert info.max - high <= 1 << max(0, info.bits - 53)


def test_floats_have_no_range_of_their_own() -> None:
    with pytest.raises(RequestError, match="declare one"):
        full_range("float32", Path("store"))
