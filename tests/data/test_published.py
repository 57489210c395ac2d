"""Image sets in the files that they are published as, written here byte by byte."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from aliter.core.errors import DataError, RequestError
from aliter.data.images import Images
from aliter.data.labelled import write_labelled
from aliter.data.published import CIFAR10, IDX
from aliter.data.splits import SPLITS


def idx(path: Path, values: np.ndarray) -> None:
    head = bytes((0, 0, 8, values.ndim)) + b"".join(length.to_bytes(4, "big") for length in values.shape)
    raw = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files(ending: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 256, (count, 6, 5)) for count in (40, 8))
    labels, others = np.arange(40) % 4, np.arange(8) % 4
    for name, values in (("train-images-idx3", train), ("train-labels-idx1", labels), ("t10k-images-idx3", test)):
        idx(tmp_path / f"{name}-ubyte{ending}", values)
    idx(tmp_path / f"t10k-labels-idx1-ubyte{ending}", others)
    write_labelled(IDX(idx=tmp_path, classes=(3, 0)), tmp_path / "store.zarr")
    images = Images(tmp_path / "store.zarr")
    assert images.classes == ("3", "0")
    np.testing.assert_array_equal(images.take(images.split("test", 0))[:, 0], test[others == 3])
    first = np.flatnonzero(images.labels == 0)
    np.testing.assert_array_equal(images.take(first)[:10, 0], train[labels == 3])
    assert [int((images.splits == place).sum()) for place in range(len(SPLITS))] == [18, 2, 4]


def test_cifar_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (24, 3073)).astype(np.uint8)
    rows[:, 0] = np.arange(24) % 2
    for number in range(5):
        (tmp_path / f"data_batch_{number + 1}.bin").write_bytes(rows[4 * number : 4 * number + 4].tobytes())
    (tmp_path / "test_batch.bin").write_bytes(rows[20:].tobytes())
    write_labelled(CIFAR10(cifar10=tmp_path, classes=(0, 1)), tmp_path / "store.zarr")
    images = Images(tmp_path / "store.zarr")
    assert images.channels == ("red", "green", "blue")
    np.testing.assert_array_equal(images.take(images.split("test", 1)).reshape(2, -1), rows[21::2, 1:])


def test_what_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected the file train-images-idx3-ubyte, packed by gzip or not"):
        IDX(idx=tmp_path / "none").load()
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (tmp_path / f"{name}-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\x01")
    with pytest.raises(DataError, match="expected an IDX file of bytes with 3 axes"):
        IDX(idx=tmp_path).load()
    (tmp_path / "data_batch_1.bin").write_bytes(b"12")
    for number in (2, 3, 4, 5):
        (tmp_path / f"data_batch_{number}.bin").write_bytes(b"")
    (tmp_path / "test_batch.bin").write_bytes(b"")
    with pytest.raises(DataError, match="expected rows of 3073 bytes, found 2"):
        CIFAR10(cifar10=tmp_path).load()
