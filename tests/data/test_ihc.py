"""One real section in two dyes: what is stored is its optical density, and no column is in two splits."""

import numpy as np
import pytest
from pydantic import ValidationError
from skimage.color import rgb2hed
from skimage.data import immunohistochemistry

from aliter.data.fields import Fields
from aliter.data.ihc import Ihc, write_ihc


def test_tiles_are_the_separated_dyes_and_split_by_column(tmp_path) -> None:
    write_ihc(Ihc(size=64), tmp_path / "a.zarr")
    fields = Fields(tmp_path / "a.zarr")
    assert fields.channels == ("haematoxylin", "dab")
    assert [len(fields.split(name)) for name in ("train", "val", "test")] == [32, 16, 16]
    assert not fields.labelled
    density = rgb2hed(immunohistochemistry())
    for number in (0, 9, 63):
        column, row = divmod(number, 8)
        assert (
            fields.ids[number] == f"fields/column{column}/row{row}" or fields.ids[number] == f"column{column}/row{row}"
        )
        part = density[64 * row : 64 * row + 64, 64 * column : 64 * column + 64, [0, 2]].transpose(2, 0, 1)
        np.testing.assert_allclose(fields.stored(number) / 1e4, np.minimum(part, 1.6383), atol=0.51e-4)
    assert {fields.groups[number] for number in fields.split("test")} == {"column6", "column7"}


def test_tiles_that_would_lie_in_two_splits_are_refused() -> None:
    with pytest.raises(ValidationError, match="expected 32, 64 or 128 pixels, found 256"):
        Ihc(size=256)
