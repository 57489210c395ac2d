"""Simulated slides: what is planted is there, nothing depends on anything else, and tiles cover it all once."""

from pathlib import Path

import numpy as np
import pytest

from aliter.core.errors import DataError, RequestError
from aliter.data.boxes import FIGURE, LOOK_ALIKE, Boxes
from aliter.data.images import Images
from aliter.data.simulate.tissue import CONCEPTS, KINDS, Tissue
from aliter.data.slides import Slide, drawn_slides, stored_slides, write_slides
from aliter.data.splits import straddling
from aliter.data.tiles import Cut, Tiles, owned, starts, write_tiles

SMALL = Tissue(count=4, size=112, figures=4, look_alikes=4, nuclei=4)
CUT = Cut(side=64, overlap=24, empty=None)


def test_a_slide_is_a_function_of_seed_and_number() -> None:
    first = SMALL.draw(1)
    again = SMALL.model_copy(update={"count": 9}).draw(1)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    assert (first.image != SMALL.model_copy(update={"seed": 1}).draw(1).image).any()
    with pytest.raises(RequestError, match="from 0 to 3"):
        SMALL.draw(4)


def test_every_box_holds_what_it_says() -> None:
    slide = SMALL.draw(0)
    assert set(slide.labels.tolist()) == {FIGURE, LOOK_ALIKE}
    for (left, top, right, low), label, concept in zip(slide.boxes, slide.labels, slide.concepts, strict=True):
        inside = slide.kinds[int(max(top, 0)) : int(low), int(max(left, 0)) : int(right)]
        there = set(np.unique(inside)) & {KINDS.index(name) for name in (*CONCEPTS, "look-alike")}
        assert there == {concept if label == FIGURE else KINDS.index("look-alike")}


def test_figures_are_denser_than_what_looks_like_them() -> None:
    dark = {FIGURE: [], LOOK_ALIKE: []}
    for number in range(4):
        slide = SMALL.draw(number)
        for (left, top, right, low), label in zip(slide.boxes, slide.labels, strict=True):
            window = slide.image[0, int(max(top, 0)) : int(low), int(max(left, 0)) : int(right)].astype(float)
            dark[int(label)].append(np.mean(window < 60))
    assert np.mean(dark[FIGURE]) > 3 * np.mean(dark[LOOK_ALIKE])


def test_ink_lies_beside_that_share_of_figures_and_nowhere_else() -> None:
    assert not any((SMALL.draw(number).kinds == KINDS.index("ink")).any() for number in range(4))
    inked = SMALL.model_copy(update={"shortcut": 1.0})
    slide, plain = inked.draw(2), SMALL.draw(2)
    np.testing.assert_array_equal(slide.boxes, plain.boxes)
    np.testing.assert_array_equal(slide.marked == 1, slide.labels == FIGURE)
    rows, columns = np.nonzero(slide.kinds == KINDS.index("ink"))
    centres = (slide.boxes[:, :2] + slide.boxes[:, 2:]) / 2
    near = np.hypot(columns[:, None] - centres[:, 0], rows[:, None] - centres[:, 1]).argmin(axis=1)
    assert (slide.labels[near] == FIGURE).all()
    assert set(near.tolist()) == set(np.flatnonzero(slide.labels == FIGURE).tolist())


@pytest.fixture(scope="module")
def tiles(tmp_path_factory: pytest.TempPathFactory) -> Tiles:
    path = tmp_path_factory.mktemp("tiles") / "tiles.zarr"
    write_tiles(drawn_slides(SMALL), CUT, path, {})
    return Tiles(path)


def test_every_pixel_is_answered_for_once(tiles: Tiles) -> None:
    count = np.zeros((4, 112, 112), int)
    for slide, _, _, left, top, right, low in tiles.places.tolist():
        count[slide, top:low, left:right] += 1
    assert (count == 1).all()
    assert not straddling(tiles.groups, tiles.splits)


def test_every_figure_is_answered_for_once_and_boxes_lie_on_their_pixels(tiles: Tiles) -> None:
    slides = drawn_slides(SMALL)
    seen = sum(int(tiles.answers(number, tiles.boxes.of(number).corners).sum()) for number in range(len(tiles)))
    assert seen == sum(len(one.label) for one in slides)
    for number in range(len(tiles)):
        slide, y, x = tiles.places[number, :3].tolist()
        image = SMALL.draw(slide).image[:, y : y + 64, x : x + 64]
        np.testing.assert_array_equal(tiles.take(np.array([number]))[0], image)
        for corners in tiles.boxes.of(number).corners:
            there = np.clip(SMALL.draw(slide).boxes - [x, y, x, y], 0, 64)
            assert np.abs(there - corners).max(axis=1).min() < 1e-4


def test_tiles_reach_the_end_and_slides_may_not_be_smaller() -> None:
    assert starts(112, CUT) == [0, 40, 48]
    assert starts(64, CUT) == [0]
    assert owned(112, CUT) == [(0, 52), (52, 76), (76, 112)]
    with pytest.raises(DataError, match="at least 64 pixels"):
        starts(60, CUT)


def test_of_tiles_for_training_without_boxes_only_some_are_kept(tmp_path: Path) -> None:
    bare = SMALL.model_copy(update={"figures": 0, "look_alikes": 0})
    write_tiles(drawn_slides(bare), Cut(64, 24, 2), tmp_path / "tiles.zarr", {})
    found = Tiles(tmp_path / "tiles.zarr")
    assert np.bincount(found.places[:, 0]).tolist() == [2, 2, 9, 9]
    assert len(found.boxes) == 0


def test_a_store_of_slides_comes_back(tmp_path: Path) -> None:
    write_slides(SMALL, tmp_path / "slides.zarr")
    found = stored_slides(tmp_path / "slides.zarr")
    part = slice(10, 40), slice(20, 60)

    def same(a: Slide, b: Slide) -> None:
        assert (a.id, a.split, a.height, a.width) == (b.id, b.split, b.height, b.width)
        np.testing.assert_array_equal(a.corners, b.corners)
        np.testing.assert_array_equal(a.read(*part), b.read(*part))
        assert a.kinds is not None
        assert b.kinds is not None
        np.testing.assert_array_equal(a.kinds(*part), b.kinds(*part))

    for a, b in zip(found, drawn_slides(SMALL), strict=True):
        same(a, b)
    assert len(Boxes.read(tmp_path / "slides.zarr").of(0)) == len(SMALL.draw(0).labels)
    assert Images(tmp_path / "slides.zarr").source["simulate"] == "tissue"
