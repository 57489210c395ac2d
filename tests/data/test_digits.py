"""Digits that come in packages: as they are, in the order asked for."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.datasets import load_digits

from aliter.core.errors import RequestError
from aliter.data.digits import Digits
from aliter.data.images import Images
from aliter.data.labelled import write_labelled
from aliter.data.sample import census
from aliter.data.splits import SPLITS


@pytest.mark.parametrize(("name", "side", "sevens", "ones"), [("mnist", 28, 500, 500), ("small", 8, 179, 182)])
def test_a_pair_of_digits_becomes_a_store(name: str, side: int, sevens: int, ones: int, tmp_path: Path) -> None:
    source = Digits.model_validate({"digits": name, "classes": [7, 1]})
    write_labelled(source, tmp_path / "store.zarr")
    images = Images(tmp_path / "store.zarr")
    assert images.classes == ("7", "1")
    assert images.shape == (1, side, side)
    assert np.bincount(images.labels).tolist() == [sevens, ones]
    assert {SPLITS[one] for one in images.splits} == set(SPLITS)
    signed = images.signed(np.arange(len(images)))
    assert signed.min() == -1
    assert signed.max() == 1
    found = census(source, None)
    assert (found.classes, found.shape, found.range) == (images.classes, images.shape, images.range)
    np.testing.assert_array_equal(found.counts.sum(1), [sevens, ones])


def test_small_digits_are_those_of_scikit_learn(tmp_path: Path) -> None:
    write_labelled(Digits(digits="small"), tmp_path / "store.zarr")
    found = load_digits()
    images = Images(tmp_path / "store.zarr", only=("3",))
    np.testing.assert_array_equal(images.take(np.arange(len(images)))[:, 0], found.images[found.target == 3])


def test_some_classes_of_a_store_are_as_a_store_of_their_own(tmp_path: Path) -> None:
    write_labelled(Digits(digits="small"), tmp_path / "all.zarr")
    write_labelled(Digits(digits="small", classes=(7, 1)), tmp_path / "pair.zarr")
    one, other = Images(tmp_path / "all.zarr", only=("7", "1")), Images(tmp_path / "pair.zarr")
    np.testing.assert_array_equal(one.take(np.arange(len(one))), other.take(np.arange(len(other))))
    np.testing.assert_array_equal(one.splits, other.splits)
    assert one.ids == other.ids
    with pytest.raises(RequestError, match=r"expected a class of 0, 1, .*, 9; found 'seven'"):
        Images(tmp_path / "all.zarr", only=("seven", "1"))


def test_what_is_no_pair_of_digits_is_refused() -> None:
    for classes in ([7], [7, 7], [7, 10]):
        with pytest.raises(ValidationError, match="expected two or more different classes"):
            Digits.model_validate({"digits": "small", "classes": classes})
