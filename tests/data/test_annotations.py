"""Slides in files with a list of boxes: two forms, three file types, and what is said of lists that are wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from aliter.core.errors import DataError, RequestError
from aliter.data.annotations import Listed, listed_slides, write_listed
from aliter.data.boxes import FIGURE, LOOK_ALIKE
from aliter.data.simulate.tissue import Tissue
from aliter.data.slides import drawn_slides

EVERY = slice(None)


def listed(folder: Path, **changes: Any) -> Path:
    """Write three slides of three types and a list in the form of MIDOG."""
    rng = np.random.default_rng(0)
    names = ["a.tiff", "sub/b.png", "c.jpg"]
    (folder / "sub").mkdir(parents=True)
    for name in names:
        values = rng.integers(0, 255, (40, 60, 3), np.uint8)
        tifffile.imwrite(folder / name, values) if name.endswith("tiff") else Image.fromarray(values).save(
            folder / name
        )
    images = [
        {"id": 7 + n, "file_name": name, "width": 60, "height": 40, "case": str(n)} for n, name in enumerate(names)
    ]
    boxes = [
        {"image_id": 7, "bbox": [30, 20, 50, 35], "category_id": 1},
        {"image_id": 7, "bbox": [5, 5, 15, 15], "category_id": 2},
        {"image_id": 9, "bbox": [0, 0, 10, 10], "category_id": 1},
    ]
    categories = [{"id": 1, "name": "mitotic figure"}, {"id": 2, "name": "hard negative"}]
    path = folder / "list.json"
    path.write_text(json.dumps({"images": images, "annotations": boxes, "categories": categories} | changes))
    return path


def test_the_form_of_midog_with_its_hard_negatives(tmp_path: Path) -> None:
    found = listed_slides(Listed(slides=tmp_path, boxes=listed(tmp_path), format="midog", patients="case"))
    assert [one.id for one in found] == ["a", "sub/b", "c"]
    assert found[0].corners.tolist() == [[30, 20, 50, 35], [5, 5, 15, 15]]
    assert found[0].label.tolist() == [FIGURE, LOOK_ALIKE]
    assert [len(one.label) for one in found] == [2, 0, 1]
    assert {one.split for one in found} == {0, 1, 2}
    np.testing.assert_array_equal(
        found[0].read(slice(3, 9), slice(2, 4)), tifffile.imread(tmp_path / "a.tiff").transpose(2, 0, 1)[:, 3:9, 2:4]
    )
    assert found[1].read(EVERY, EVERY).shape == (3, 40, 60)


def test_figures_by_name(tmp_path: Path) -> None:
    path = listed(tmp_path)
    found = listed_slides(Listed(slides=tmp_path, boxes=path, format="midog", figures=("hard negative",)))
    assert found[0].label.tolist() == [LOOK_ALIKE, FIGURE]


def test_boxes_of_the_other_form_are_noticed(tmp_path: Path) -> None:
    path = listed(tmp_path)
    with pytest.raises(DataError, match=r"a\.tiff: expected boxes inside 60 x 40 .*'format: midog'"):
        listed_slides(Listed(slides=tmp_path, boxes=path))


def test_simulated_slides_come_back_with_their_splits(tmp_path: Path) -> None:
    slides = drawn_slides(Tissue(count=4, size=96, figures=4))
    write_listed(slides, tmp_path / "out")
    found = listed_slides(Listed(slides=tmp_path / "out" / "slides", boxes=tmp_path / "out" / "boxes.json"))
    for one, other in zip(slides, found, strict=True):
        assert one.split == other.split
        np.testing.assert_allclose(np.clip(one.corners, 0, 96), other.corners, atol=1e-4)
        np.testing.assert_array_equal(one.label, other.label)
        np.testing.assert_array_equal(one.read(EVERY, EVERY), other.read(EVERY, EVERY))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"images": "none"}, "expected lists 'images' and 'annotations'"),
        ({"images": [{"id": 1, "file_name": "a.tiff"}]}, "expected height, width in each of 'images'"),
        ({"annotations": [{"bbox": [1, 2, 3, 4], "category_id": 1}]}, "expected image_id in each of 'annotations'"),
    ],
)
def test_a_list_that_lacks_something(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        listed_slides(Listed(slides=tmp_path, boxes=listed(tmp_path, **changes), format="midog"))


def test_files_that_are_not_there_or_not_slides(tmp_path: Path) -> None:
    path = listed(tmp_path)
    with pytest.raises(RequestError, match=r"found no sub/b\.png"):
        (tmp_path / "sub" / "b.png").unlink()
        listed_slides(Listed(slides=tmp_path, boxes=path, format="midog"))
    with pytest.raises(RequestError, match="expected a JSON file"):
        listed_slides(Listed(slides=tmp_path, boxes=tmp_path / "none.json"))
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match="expected JSON"):
        listed_slides(Listed(slides=tmp_path, boxes=tmp_path / "broken.json"))
    tifffile.imwrite(tmp_path / "a.tiff", np.zeros((40, 60), np.uint16))
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "sub" / "b.png")
    found = listed_slides(Listed(slides=tmp_path, boxes=path, format="midog"))
    with pytest.raises(DataError, match="40 x 60 of uint16"):
        found[0].read(EVERY, EVERY)
