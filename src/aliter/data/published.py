"""Image sets of ten classes in the files that they are published as; the files are the user's."""

import gzip
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import UInt8

from aliter.core.errors import DataError, RequestError
from aliter.core.spec import Spec
from aliter.data.digits import TenClasses
from aliter.data.splits import SPLITS, draw_splits

_IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_CIFAR = {"train": [f"data_batch_{number}.bin" for number in range(1, 6)], "test": ["test_batch.bin"]}
_ROW = 1 + 3 * 32 * 32
"""Bytes of one image of CIFAR-10, its label before it."""

_Set = dict[str, tuple[np.ndarray, np.ndarray]]


class IDX(Spec):
    """MNIST, Fashion-MNIST and what else is in four IDX files, packed by gzip or not; classes are named by number.

    The files for testing are the test split; of each class of the others one in ten is for validation.

    References
    ----------
    LeCun et al. 1998, Gradient-based learning applied to document recognition, doi:10.1109/5.726791.
    Xiao et al. 2017, Fashion-MNIST, arXiv:1708.07747.
    """

    idx: Path
    """Folder with ``train-images-idx3-ubyte`` and the other three."""
    classes: TenClasses = tuple(range(10))
    seed: int = 0
    """Fixes which images are for validation."""

    channels: ClassVar[tuple[str, ...]] = ("light",)
    range: ClassVar[tuple[float, float]] = (0.0, 255.0)

    def load(self) -> tuple[UInt8[np.ndarray, "N 1 H W"], ...]:
        """Return the images of each class.

        Raises
        ------
        RequestError
            If a file is missing.
        DataError
            If a file is not what its name says.
        """
        return tuple(images for images, _ in _by_class(_idx(self.idx), self.classes, self.seed))

    def splits(self) -> tuple[UInt8[np.ndarray, " N"], ...]:
        """Return the index into ``SPLITS`` for each image of each class."""
        return tuple(splits for _, splits in _by_class(_idx(self.idx), self.classes, self.seed))


class CIFAR10(Spec):
    """CIFAR-10 in its binary version, 32 x 32 in three colours; classes are named by number.

    References
    ----------
    Krizhevsky 2009, Learning multiple layers of features from tiny images, chapter 3.
    """

    cifar10: Path
    """Folder with ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``."""
    classes: TenClasses = tuple(range(10))
    seed: int = 0
    """Fixes which images are for validation."""

    channels: ClassVar[tuple[str, ...]] = ("red", "green", "blue")
    range: ClassVar[tuple[float, float]] = (0.0, 255.0)

    def load(self) -> tuple[UInt8[np.ndarray, "N 3 32 32"], ...]:
        """Return the images of each class; errors are those of ``IDX.load``."""
        return tuple(images for images, _ in _by_class(_cifar(self.cifar10), self.classes, self.seed))

    def splits(self) -> tuple[UInt8[np.ndarray, " N"], ...]:
        """Return the index into ``SPLITS`` for each image of each class."""
        return tuple(splits for _, splits in _by_class(_cifar(self.cifar10), self.classes, self.seed))


def _by_class(found: _Set, classes: tuple[int, ...], seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return images and splits of each class: those for learning first."""
    parts = []
    for label in classes:
        train, test = (found[split][0][found[split][1] == label] for split in ("train", "test"))
        drawn = draw_splits(len(train), seed, label)
        # Those that would be held out for testing learn instead: files for testing there are.
        own = np.where(drawn == SPLITS.index("val"), SPLITS.index("val"), SPLITS.index("train"))
        parts.append((np.concatenate([train, test]), np.concatenate([own, np.full(len(test), 2)]).astype(np.uint8)))
    return parts


@cache
def _idx(folder: Path) -> _Set:
    return {split: (_array(folder, names[0], 3)[:, None], _array(folder, names[1], 1)) for split, names in _IDX.items()}


def _array(folder: Path, name: str, axes: int) -> np.ndarray:
    """Return the array of bytes in an IDX file: its magic number tells the type, 8, and how many axes."""
    raw = _bytes(folder, name)
    head = 4 + 4 * axes
    shape = tuple(int.from_bytes(raw[start : start + 4], "big") for start in range(4, head, 4))
    if raw[:4] != bytes((0, 0, 8, axes)) or len(raw) != head + int(np.prod(shape, dtype=np.int64)):
        raise DataError(
            f"{folder / name}: expected an IDX file of bytes with {axes} axes, found another; fetch it again"
        )
    return np.frombuffer(raw, np.uint8, offset=head).reshape(shape)


@cache
def _cifar(folder: Path) -> _Set:
    found = {}
    for split, names in _CIFAR.items():
        raw = [_bytes(folder, name) for name in names]
        for name, one in zip(names, raw, strict=True):
            if not one or len(one) % _ROW:
                raise DataError(f"{folder / name}: expected rows of {_ROW} bytes, found {len(one)}; fetch it again")
        rows = np.concatenate([np.frombuffer(one, np.uint8).reshape(-1, _ROW) for one in raw])
        found[split] = rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0]
    return found


def _bytes(folder: Path, name: str) -> bytes:
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            try:
                return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            except (OSError, EOFError) as error:
                raise DataError(
                    f"{path}: expected a file packed by gzip, found a broken one; fetch it again"
                ) from error
    raise RequestError(f"{folder}: expected the file {name}, packed by gzip or not, found none; check the path")
