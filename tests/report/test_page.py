"""The page without a browser: what it says, what it escapes, what it lets run."""

import doctest
import gc
import json
import re
import weakref
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib import resources
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from aliter.core.errors import RequestError
from aliter.data.images import Header, Images, write_images
from aliter.data.run import Figure
from aliter.methods.walk.mask_sweep import MaskSweep
from aliter.report import page as module
from aliter.report.counterfactual import (
    Explained,
    best_methods,
    confusion_matrix,
    curves_by_pair,
    explained_gallery,
    explained_item,
    rate_matrices,
    score_matrix,
)
from aliter.report.figures import (
    Axes,
    Band,
    Cloud,
    bands,
    bars,
    histogram,
    interval,
    matrix,
    points,
    scatter,
)
from aliter.report.gallery import Blind, Gallery, Item, Look, Map, growth_of
from aliter.report.packing import Packing
from aliter.report.page import (
    Drawing,
    Drawings,
    Page,
    Prose,
    Provenance,
    Section,
    Table,
    figure_table,
    safe_json,
    write_page,
)
from aliter.report.pictures import (
    Picture,
    Pictures,
    colour_basis,
    embedding_colours,
    gif,
    grey,
    label_colours,
    png,
    signed_colours,
)
from aliter.report.pixels import packed_bits, packed_levels, quantized
from aliter.report.summary import splits

EVIL = "<script>alert(1)</script>"
ATTRIBUTE = '" onmouseover="alert(1)'


def item(name: str = "one", **changes) -> Item:
    rng = np.random.default_rng(0)
    query, generated = rng.random((2, 1, 8, 9), np.float32)
    values = {
        "id": name,
        "title": "a → b",
        "subtitle": "",
        "facets": {"source": "a"},
        "numbers": {"score": 0.5},
        "frames": {"query": query, "generated": generated},
    }
    return Item(**{**values, **changes})


def gallery(items: Sequence[Item] | Iterator[Item], **changes) -> Gallery:
    return Gallery(items, Look(("light",), (0.0, 255.0)), ("query", "generated"), **changes)


def volume(**changes) -> Item:
    """Three planes of four by five pixels, each voxel its own value."""
    levels = np.arange(60).reshape(1, 3, 4, 5) / 255
    labels = (np.arange(60).reshape(1, 3, 4, 5) // 20) * 70_000
    values = {"query": levels, "generated": 1 - levels}
    painting = np.arange(180, dtype=np.uint8).reshape(3, 4, 5, 3)
    return item(**{"frames": values, "outlines": {"cells": labels}, "paintings": {"code": painting}, **changes})


def page(*blocks, **changes) -> Page:
    values = {
        "title": "Title",
        "lead": "Lead.",
        "workflow": "counterfactual",
        "headline": {"images": "3"},
        "sections": (Section("Part", blocks),),
        "provenance": Provenance("seed: 0", {"aliter": "0"}),
    }
    return Page(**{**values, **changes})


def explained(**changes) -> Explained:
    rng = np.random.default_rng(1)
    query, generated = rng.random((2, 2, 12, 12), np.float32)
    attribution = rng.random((2, 12, 12), np.float32)
    sweep = MaskSweep(steps=10, close_px=3)
    walk = sweep(
        lambda x: torch.softmax(4 * torch.stack([x[:, 0].mean((1, 2)), x[:, 1].mean((1, 2))], 1), 1),
        *(torch.from_numpy(each) for each in (query, generated, attribution)),
        1,
    )
    mask = sweep.mask(torch.from_numpy(attribution), 0.5)
    hybrid = sweep.hybrid(torch.from_numpy(query), torch.from_numpy(generated), mask).numpy()
    nothing = np.full((4, 3), np.nan)
    values = {
        "id": "test/a/1.tif",
        "source": 0,
        "target": 1,
        "method": "integrated_gradients",
        "kind": "latent",
        "attempt": 0,
        "query": query,
        "hybrid": hybrid,
        "generated": generated,
        "mask": mask.numpy(),
        "probabilities": (np.array([0.9, 0.1]), np.array([0.2, 0.8]), np.array([0.001, 0.999])),
        "curve": np.concatenate([np.stack([walk.setting, walk.t, walk.change(1)], axis=1), nothing]),
        "threshold": 0.5,
        "score": 0.6,
        "converted": True,
        "origin": 17,
        "attribution": attribution,
    }
    return Explained(**{**values, **changes})


class Elements(HTMLParser):
    """Collects the elements of a page, and its text outside of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self._inside: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))
        if tag == "style":
            self.styles.append("")
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside == "style":
            self.styles[-1] += data
        else:
            self.text += data


def parsed(path: Path) -> Elements:
    elements = Elements()
    elements.feed(path.read_text(encoding="utf-8"))
    return elements


def policy(elements: Elements) -> dict[str, str]:
    metas = [attributes for tag, attributes in elements.found if tag == "meta"]
    text = next(one["content"] for one in metas if one.get("http-equiv") == "Content-Security-Policy")
    return dict(part.strip().split(" ", 1) for part in text.split(";"))


def digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def unpacked(packed: dict[str, str], first: np.ndarray | None, shape: tuple[int, ...], depth: int) -> np.ndarray:
    """The slow twin of what the page does with levels."""
    raw = zlib.decompress(b64decode(packed["data"]))
    count = int(np.prod(shape))
    levels: list[int] = []
    for at in range(count):
        folded = raw[at] if depth == 8 else raw[at] * 256 + raw[count + at]
        residual = folded // 2 if folded % 2 == 0 else -(folded + 1) // 2
        guess = 0
        if packed["mode"] == "left":
            guess = levels[at - 1] if at % shape[-1] else 0
        elif packed["mode"] == "first":
            guess = int(first.reshape(-1)[at])
        levels.append((guess + residual) % 2**depth)
    return np.array(levels).reshape(shape)


# Pixels


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("kind", ["noise", "ramp", "ends", "near the first"])
def test_levels_come_back_exactly(depth, kind):
    rng = np.random.default_rng(0)
    noise = rng.random((2, 5, 7))
    image = {
        "noise": noise,
        "ramp": np.broadcast_to(np.linspace(0, 1, 7), (2, 5, 7)),
        "ends": (noise > 0.5).astype(float),
        "near the first": np.clip(noise + 0.01, 0, 1),
    }[kind]
    levels, first = quantized(image, depth), quantized(noise, depth)
    packed = packed_levels(levels, first)
    np.testing.assert_array_equal(unpacked(packed, first, levels.shape, depth), levels)
    np.testing.assert_array_equal(levels, np.rint(image * (2**depth - 1)))


def test_what_changes_little_costs_little():
    first = quantized(np.random.default_rng(0).random((1, 64, 64)), 16)
    hybrid = first.copy()
    hybrid[:, :8, :8] = 0
    packed = packed_levels(hybrid, first)
    assert packed["mode"] == "first"
    assert len(packed["data"]) < 0.1 * len(packed_levels(hybrid, None)["data"])


def test_levels_are_clipped_and_never_stretched():
    np.testing.assert_array_equal(
        quantized(np.array([-1, 0, 0.5, 1, 2, np.nan, np.inf]), 8), [0, 0, 128, 255, 255, 0, 255]
    )
    np.testing.assert_array_equal(quantized(np.full((1, 2, 2), 0.25), 16), np.full((1, 2, 2), 16384))


def test_bits_come_back():
    mask = np.random.default_rng(0).random((2, 3, 5)) > 0.5
    raw = np.frombuffer(zlib.decompress(b64decode(packed_bits(mask))), np.uint8)
    np.testing.assert_array_equal(np.unpackbits(raw)[: mask.size].reshape(mask.shape), mask)


def test_a_growing_region_is_the_mask_of_every_threshold():
    sweep = MaskSweep(steps=20, close_px=3)
    attribution = torch.rand(2, 9, 9, generator=torch.Generator().manual_seed(0))
    attribution[0, 0, :3] = torch.tensor([0.0, 0.5, 1.0])
    thresholds = np.array([1.0, 0.95, 0.5, 0.25, 0.05, 0.0, -1.0])
    frames = dict.fromkeys(("query", "hybrid", "generated", "attribution"), attribution.numpy())
    curve = np.stack([thresholds, np.linspace(0, 1, 7), np.linspace(0, 1, 7)], axis=1)
    one = replace(explained(), **frames, mask=attribution.numpy() > 0.5, curve=curve)
    shown = explained_item(one, ("a", "b"), MaskSweep(close_px=3))
    for place, threshold in enumerate(thresholds):
        np.testing.assert_array_equal(shown.growth <= place, sweep.mask(attribution, float(threshold)).numpy())


def test_a_growing_region_equals_its_slow_twin():
    field = np.random.default_rng(0).random((1, 4, 4)).astype(np.float32)
    thresholds = np.array([0.9, 0.5, 0.2])
    expected = [next((i for i, t in enumerate(thresholds) if value > np.float32(t)), 255) for value in field.flat]
    np.testing.assert_array_equal(growth_of(field, thresholds).ravel(), expected)
    assert growth_of(field, np.linspace(1, 0, 300)) is None


def test_a_volume_is_packed_plane_by_plane():
    one = volume()
    payload = next(Packing(gallery([one])).payloads())
    assert (payload["shape"], payload["planes"]) == ([1, 4, 5], 3)
    found = unpacked(payload["frames"][0], None, (3, 4, 5), 8)
    np.testing.assert_array_equal(found, np.rint(255 * one.frames["query"][0]))
    painted = unpacked(payload["paintings"][0], None, (9, 4, 5), 8).reshape(3, 3, 4, 5)
    np.testing.assert_array_equal(np.moveaxis(painted, 1, -1), one.paintings["code"])
    labels = unpacked(payload["outlines"][0], None, (3, 4, 5), 16)
    np.testing.assert_array_equal(labels, one.outlines["cells"][0] // 70_000)


def test_labels_without_a_background_keep_all_their_outlines():
    labels = np.array([[[7, 7], [9, 9]]])
    frames = {"query": np.zeros((1, 2, 2)), "generated": np.zeros((1, 2, 2))}
    payload = next(Packing(gallery([item(frames=frames, outlines={"cells": labels})])).payloads())
    np.testing.assert_array_equal(unpacked(payload["outlines"][0], None, (2, 2), 16), [[1, 1], [2, 2]])


def test_one_picture_needs_no_comparison():
    single = item(frames={"image": np.zeros((1, 2, 2))})
    packing = Packing(Gallery([single], Look(("light",), (0.0, 1.0))))
    assert len(list(packing.payloads())) == 1
    assert (packing.index()["compare"], packing.index()["subtracts"]) == ([], False)
    pair = Packing(Gallery([volume()], Look(("light",), (0.0, 1.0))))
    assert len(list(pair.payloads())) == 1
    assert pair.index()["compare"] == ["query", "generated"]


def test_a_map_knows_where_each_item_lies():
    items = [item("a", place=(1.23456, -2)), item("b"), item("c", place=(0, 0))]
    packing = Packing(gallery(items, map=Map(("x", "y"), "source")))
    assert len(list(packing.payloads())) == 3
    assert packing.index()["map"] == {
        "axes": ["x", "y"],
        "colour": "source",
        "equal": True,
        "places": [[1.235, -2.0], None, [0.0, 0.0]],
    }
    with pytest.raises(RequestError, match="expected a facet 'cluster'"):
        list(Packing(gallery([item()], map=Map(("x", "y"), "cluster"))).payloads())


def test_a_look_holds_nearly_all_of_a_sample():
    sample = np.arange(2000, dtype=np.uint16).reshape(10, 2, 10, 10)
    look = Look.fitted(sample, ("a", "b"), (0.0, 65535.0))
    assert look.depth == 16
    for channel, (low, high) in enumerate(look.window):
        values = sample[:, channel]
        assert values.min() <= low < high <= values.max()
        assert np.mean((values >= low) & (values <= high)) >= 0.99
    assert Look.fitted(np.zeros((1, 1, 2, 2), np.uint8), ("a",), (0.0, 255.0)).window == ((0.0, 1.0),)


# Pictures


def test_pictures_come_back_exactly_and_move():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(np.asarray(Image.open(BytesIO(png(picture)))), picture)
    frames = np.stack([np.full((4, 4), 80 * step, np.uint8) for step in range(4)])
    with Image.open(BytesIO(gif(frames, 1.2))) as moving:
        assert moving.n_frames == 6
        shown = []
        for place in range(6):
            moving.seek(place)
            assert moving.info["duration"] == 200
            shown.append(int(np.asarray(moving.convert("L"))[0, 0]))
    assert shown == [0, 80, 160, 240, 160, 80]


def test_brightness_is_never_stretched():
    np.testing.assert_array_equal(grey(np.array([0.0, 0.5, 2.0])), [0, 128, 255])
    np.testing.assert_array_equal(grey(np.array([-1.0, 0.0, 1.0]), (-1.0, 1.0)), [0, 128, 255])


def test_a_label_has_one_colour_everywhere_and_neighbours_differ():
    one, other = label_colours(np.array([[0, 5], [7, 300]])), label_colours(np.array([300, 0, 5]))
    np.testing.assert_array_equal(one[0, 0], [0, 0, 0])
    np.testing.assert_array_equal(other, [one[1, 1], one[0, 0], one[0, 1]])
    many = label_colours(np.arange(1, 40)).astype(int)
    assert np.abs(many[1:] - many[:-1]).sum(axis=1).min() > 60
    assert many.max(axis=1).min() > 120


def test_a_signed_map_has_the_colours_that_differences_have_on_the_page():
    script = (resources.files("aliter.report") / "templates/script/pixels.js").read_text(encoding="utf-8")
    cold, warm = (json.loads(re.search(rf"const {name} = (.*);", script)[1]) for name in ("COLD", "WARM"))
    painted = signed_colours(np.array([[-3.0, -2.0, -1.0, 0.0], [0.0, 1.0, 2.0, 9.0]]), 2.0)
    np.testing.assert_array_equal(painted, [[cold[2], *cold[::-1]], [*warm, warm[2]]])
    np.testing.assert_array_equal(signed_colours(np.array(0.5), 2.0), np.rint(np.array(warm[1]) / 2))


def test_an_embedding_is_coloured_along_its_main_directions():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4)) * [3.0, 1.0, 0.5, 0.01]
    basis, reach = colour_basis(rows)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-9)
    assert abs(basis[0, 0]) > 0.99
    assert np.mean(np.abs(rows @ basis) <= reach) == pytest.approx(0.99, abs=0.01)
    field = rows[:6].T.reshape(4, 2, 3)
    painted = embedding_colours(field, basis, reach)
    expected = np.rint(255 * np.clip((field[:, 1, 2] @ basis + reach) / (2 * reach), 0, 1))
    np.testing.assert_array_equal(painted[1, 2], expected)
    flat, _ = colour_basis(rows[:, :2])
    assert (flat[:, 2] == 0).all()


# Figures


def tree(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_a_matrix_is_as_strong_as_its_values():
    svg = matrix(
        np.array([[1.0, 0.0], [np.nan, 0.5]]), [["1", "0"], ["", "½"]], (["a", "b"], ["c", "d"]), ("r", "c"), "t"
    )
    cells = [node for node in tree(svg) if node.get("class", "").startswith("cell")]
    assert [node.get("class") for node in cells] == ["cell", "cell", "cell empty", "cell"]
    strength = [float(node.get("fill-opacity", "0")) for node in cells]
    assert strength[0] > strength[3] > strength[1] > strength[2]


def test_bands_are_drawn_where_their_values_are():
    x = np.array([0.0, 0.5, 1.0])
    svg = tree(bands([Band("one", x, 0 * x, 0.5 * x, x)], Axes("x", "y"), "t"))
    line = next(node.get("d") for node in svg if node.get("class") == "line series-0")
    ends = [tuple(map(float, part.split())) for part in line[1:].split("L")]
    assert ends[0][0] == 50
    assert ends[2] == (350.0, 110.0)
    assert ends[1] == (200.0, 160.0)
    assert any(node.text == "one" for node in svg)


def test_a_scattered_point_lies_where_its_values_are():
    axes = Axes("x", "y", (1.0, 100.0), (0.0, 2.0), log_x=True)
    svg = tree(scatter([Cloud("one", np.array([[10.0, 1.0]]))], axes, "t"))
    places = [node.get("transform") for node in svg if node.get("class") == "point series-0"]
    assert places[0] == "translate(200 120)"
    labels = [node.text for node in svg if node.get("class") == "tick middle"]
    assert labels == ["1", "2", "4", "8", "16", "32", "64"]


def test_axes_hold_all_that_is_finite():
    axes = Axes.around(("x", "y"), [8, 128, np.nan], [0.0, 10.0], log_x=True)
    assert axes.x == (8.0, 128.0)
    assert axes.y == (0.0, 10.5)
    assert Axes.around(("x", "y"), [], [3.0]).y == pytest.approx((2.45, 3.55))


def test_steps_of_a_histogram_are_shares():
    values = {"a": np.array([0.1, 0.2, 0.9, np.nan]), "b": np.array([0.6])}
    svg = tree(histogram(values, (0.0, 0.5, 1.0), "x", "t"))
    line = next(node.get("d") for node in svg if node.get("class") == "line series-0")
    heights = [210 - float(part.split()[1]) for part in line[1:].split("L")]
    assert heights == pytest.approx(
        [0, 200 / 1.05 * 2 / 3, 200 / 1.05 * 2 / 3, 200 / 1.05 / 3, 200 / 1.05 / 3, 0], abs=0.01
    )


@pytest.mark.parametrize(
    "svg",
    [
        bands([Band(EVIL, np.arange(2.0), np.zeros(2), np.zeros(2), np.ones(2))], Axes(EVIL, EVIL), ATTRIBUTE),
        matrix(np.zeros((1, 1)), [[EVIL]], ([EVIL], [EVIL]), (EVIL, EVIL), ATTRIBUTE),
        bars({EVIL: 0.5, "gone": float("nan")}, (0.0, 1.0), ATTRIBUTE),
        points(np.random.default_rng(0).random((5, 2)), [EVIL, "b", "c", "b", "c"], ATTRIBUTE),
        scatter([Cloud(EVIL, np.array([[0.1, 0.2], [np.nan, 0]]), joined=True)], Axes(EVIL, EVIL), ATTRIBUTE),
        histogram({EVIL: np.arange(5.0), "none": np.array([np.nan])}, (0, 2, 5), EVIL, ATTRIBUTE),
        interval(0.5, 0.4, 0.6, (0.0, 1.0)),
        interval(float("nan"), None, None, (-1.0, 1.0)),
    ],
    ids=["bands", "matrix", "bars", "points", "scatter", "histogram", "interval", "no interval"],
)
def test_figures_are_sound_and_escaped(svg):
    root = tree(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label")
    for node in root.iter():
        assert node.tag in {"svg", "g", "path", "rect", "circle", "text", "title"}
        assert not [name for name in node.attrib if name == "style" or name.startswith("on")]
    assert "nan" not in str(svg)


# The page


def test_a_small_page_is_one_file_whose_policy_admits_it_and_nothing_else(tmp_path):
    path = write_page(page(gallery([item()]), Prose("Once.\n\nTwice.")), tmp_path / "report")
    assert [each.name for each in path.parent.iterdir()] == ["index.html"]
    elements = parsed(path)
    rules = policy(elements)
    run = [text for attributes, text in elements.scripts if attributes.get("type") != "application/json"]
    assert len(run) == len(elements.styles) == 1
    assert rules == {
        "default-src": "'none'",
        "script-src": digest(run[0]),
        "style-src": digest(elements.styles[0]),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_nothing_is_fetched_and_nothing_runs_inline(tmp_path):
    still = Pictures([Picture(png(np.zeros((2, 2), np.uint8)), "t")])
    path = write_page(page(gallery([item()]), still, figure_table([Figure("a", 0.5, 3, 0.4, 0.6)])), tmp_path)
    for tag, attributes in parsed(path).found:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("srcset", "action", "data"):
            assert name not in attributes, tag
        assert (attributes.get("src") or "data:image/png;base64,").startswith("data:image/png;base64,"), tag
        assert (attributes.get("href") or "#").startswith(("#", "data:")), tag
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\"' )]*", text)) <= {"http://www.w3.org/2000/svg"}
    assert "@import" not in text
    assert "url(" not in text


def test_the_script_builds_no_markup_from_text():
    parts = sorted((Path(__file__).parents[2] / "src/aliter/report/templates/script").glob("*.js"))
    script = "".join(part.read_text(encoding="utf-8") for part in parts)
    assert len(parts) > 10
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        'setAttribute("style',
    ):
        assert word not in script
    for word in ("fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "localStorage", "document.cookie"):
        assert word not in script
    assert "</script" not in script.lower()
    assert "<!--" not in script


def test_names_stay_text_wherever_they_stand(tmp_path):
    evil = item(
        EVIL,
        title=EVIL,
        subtitle=EVIL,
        facets={EVIL: EVIL, ATTRIBUTE: ATTRIBUTE},
        numbers={"score": 1.0, EVIL: 2.0},
        facts={EVIL: "</script><script>alert(1)</script>"},
        caption="<!-- <script>",
        warnings=(EVIL,),
    )
    blocks = (
        Prose(EVIL),
        Table((EVIL, "b"), ((EVIL, ATTRIBUTE),), EVIL, (EVIL,)),
        Drawing(bars({EVIL: 1.0}, (0.0, 1.0), EVIL), EVIL, EVIL),
        Drawings((Drawing(bars({EVIL: 1.0}, (0.0, 1.0), EVIL), EVIL, EVIL),)),
        Pictures((Picture(png(np.zeros((2, 2), np.uint8)), ATTRIBUTE, EVIL),)),
        gallery([evil], legend={EVIL: EVIL}, classes=(EVIL,), noun=EVIL, axes=(EVIL, EVIL)),
    )
    clean = write_page(page(gallery([item()])), tmp_path / "clean")
    path = write_page(
        Page(EVIL, EVIL, EVIL, {EVIL: EVIL}, (Section(EVIL, blocks, EVIL),), Provenance(EVIL, {EVIL: EVIL})),
        tmp_path / "evil",
    )
    elements = parsed(path)
    assert len(elements.scripts) == len(parsed(clean).scripts) == 3
    assert elements.text.count(EVIL) >= 15
    assert not [tag for tag, attributes in elements.found if any(name.startswith("on") for name in attributes)]
    carried = json.loads(next(text for attributes, text in elements.scripts if attributes.get("id") == "item-0-0"))
    assert carried["facts"] == [[EVIL, "</script><script>alert(1)</script>"]]
    assert carried["warnings"] == [EVIL]


def test_json_in_a_script_cannot_end_it():
    text = safe_json({"a": "</script><!--", "b": "\u2028é"})
    assert not set("<>&\u2028é") & set(text)
    assert json.loads(text) == {"a": "</script><!--", "b": "\u2028é"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        safe_json(float("nan"))


def test_a_large_page_keeps_its_items_beside_it(tmp_path):
    path = write_page(page(gallery([item("one"), item("two")])), tmp_path, one_file_bytes=100)
    names = ["0-000000.js", "0-000001.js"]
    assert sorted(each.name for each in (tmp_path / "items").iterdir()) == names
    elements = parsed(path)
    assert policy(elements)["script-src"].endswith("'strict-dynamic'")
    assert not [attributes for attributes, _ in elements.scripts if (attributes.get("id") or "").startswith("item")]
    text = (tmp_path / "items" / names[1]).read_text()
    assert text.startswith("aliterItem(0,1,{")
    assert json.loads(text.split(",", 2)[2].removesuffix(");\n"))["shape"] == [1, 8, 9]
    write_page(page(gallery([item("one")])), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]
    assert "'strict-dynamic'" not in path.read_text(encoding="utf-8")


def test_the_same_page_is_the_same_file(tmp_path):
    first, second = (write_page(page(gallery([item()])), tmp_path / name) for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_a_page_that_fails_leaves_the_old_one(tmp_path):
    path = write_page(page(gallery([item()])), tmp_path)
    before = path.read_bytes()
    with pytest.raises(RequestError):
        write_page(page(gallery([item(), item()])), tmp_path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


def test_items_are_let_go_one_by_one(tmp_path):
    alive: weakref.WeakSet[Item] = weakref.WeakSet()
    most = 0

    class Weak(Item):
        __hash__ = object.__hash__

    def items() -> Iterator[Item]:
        nonlocal most
        for number in range(20):
            gc.collect()
            most = max(most, len(alive))
            made = Weak(**item(str(number)).__dict__)
            alive.add(made)
            yield made
            del made

    write_page(page(gallery(items())), tmp_path)
    assert 0 < most <= 2


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([item("a"), item("a")], "found 'a' twice"),
        ([item(frames={"query": np.zeros((1, 4, 4))})], "expected a frame 'generated'"),
        ([item(frames={"query": np.zeros((1, 4, 4)), "generated": np.zeros((1, 4, 5))})], "one shape"),
        ([item(frames=dict.fromkeys(("query", "generated"), np.zeros((2, 4, 4))))], "expected 1 channels"),
        ([item(facets={"view": "a"})], "found 'view'"),
        ([item(outlines={"mask": np.zeros((1, 4, 4), bool)})], "outline 'mask' of shape"),
        ([item(paintings={"labels": np.zeros((4, 4, 3), np.uint8)})], "painting 'labels' of shape"),
        ([volume(growth=np.zeros((1, 3, 4, 5), np.uint8))], "take a plane"),
    ],
    ids=["id", "frame", "shape", "channels", "reserved", "outline", "painting", "volume"],
)
def test_what_cannot_be_shown_is_refused(items, words, tmp_path):
    with pytest.raises(RequestError, match=words):
        write_page(page(gallery(items)), tmp_path)


def test_the_index_knows_every_item():
    packing = Packing(gallery([item("a"), item("b", facets={"x": "1"}, numbers={"score": float("nan"), "size": 2.0})]))
    assert len(list(packing.payloads())) == 2
    index = packing.index()
    assert index["ids"] == ["a", "b"]
    assert index["facets"] == {
        "source": {"values": ["a", ""], "codes": [0, 1]},
        "x": {"values": ["", "1"], "codes": [0, 1]},
    }
    assert index["numbers"] == {"score": [0.5, None], "size": [None, 2.0]}


def test_a_blinded_reader_is_asked_about_frames_that_have_a_truth():
    asked = Blind("Which?", ("a", "b"), "Convincing?")
    packing = Packing(gallery([item(truths={"query": "a", "generated": "b"})], blind=asked))
    assert next(packing.payloads())["truths"] == {"query": "a", "generated": "b"}
    assert packing.index()["blind"] == {"question": "Which?", "choices": ("a", "b"), "second": "Convincing?"}
    with pytest.raises(RequestError, match="truth of one or two frames"):
        list(Packing(gallery([item()], blind=asked)).payloads())


def test_what_the_module_shows_is_true(tmp_path):
    found = doctest.testmod(module, extraglobs={"folder": tmp_path}, verbose=False)
    assert found.attempted > 5
    assert found.failed == 0


def test_an_empty_gallery_is_a_page_too(tmp_path):
    assert write_page(page(gallery([])), tmp_path).is_file()


def test_the_figure_table_says_value_interval_images_and_note():
    table = figure_table([Figure("rate", 0.5, 1200, 0.4, 0.6, "note"), Figure("distance", 12.34567, 3)])
    first, second = table.rows
    assert first[:3] == ("rate", "0.5", "0.4 – 0.6")
    assert first[4:] == ("1,200", "note")
    assert 'class="whisker"' in first[3]
    assert second[:4] == ("distance", "12.35", "", "")


def images(folder: Path, groups: tuple[tuple[str, ...], ...]) -> Images:
    header = Header(
        ("a", "b"),
        ("light",),
        (0.0, 255.0),
        (1, 4, 4),
        "uint8",
        (("1", "2", "3"), ("4",)),
        (np.array([0, 1, 2], np.uint8), np.array([0], np.uint8)),
        groups,
    )
    write_images(folder, header, lambda label, start, stop: np.zeros((stop - start, 1, 4, 4), np.uint8))
    return Images(folder)


@pytest.mark.parametrize(
    ("groups", "words", "count"),
    [
        ((("p1", "p2", "p3"), ("p1",)), "Each of the 3 groups stands in one split only", "1"),
        ((("p1", "p1", "p3"), ("p1",)), "more than one split: p1", "1"),
        ((), "no groups", "–"),
    ],
    ids=["whole", "torn", "none"],
)
def test_splits_are_proved_apart_or_not(tmp_path, groups, words, count):
    said, table = splits(images(tmp_path / "images.zarr", groups))
    assert words in said.text
    assert table.rows[0] == ("train", "1", "1", count)
    assert table.rows[1] == ("val", "1", "0", count)


def test_the_best_method_is_counted():
    table = best_methods({"latent": {"one_way": 3, "other": 1}, "plain": {"other": 2}})
    assert table.columns == ("kind", "one way", "other", "counterfactuals")
    assert table.rows[0] == ("latent", "75\u00a0%", "25\u00a0%", "4")
    assert table.rows[1] == ("plain", "0\u00a0%", "100\u00a0%", "2")
    assert explained_item(explained(best=False), ("a", "b"), MaskSweep()).facets["best method"] == "no"


def test_provenance_flattens_an_environment():
    environment = {"python": "3.11", "packages": {"torch": "2"}, "cores": 2, "devices": []}
    facts = Provenance.of("a: 1", environment, {"seed": "0"}).facts
    assert facts == {"seed": "0", "python": "3.11", "torch": "2", "cores": "2", "devices": "cpu"}


# Counterfactuals


def test_an_explanation_is_said_in_plain_words():
    shown = explained_item(explained(), ("cat", "dog"), MaskSweep(close_px=3))
    size = explained().mask.mean()
    assert shown.caption == (
        f"Replacing {100 * size:.0f} % of the image moves the probability of dog from 10 % to 80 %; "
        "the classifier now says dog."
    ).replace(" %", "\u00a0%")
    assert shown.warnings == ()
    assert shown.facets == {
        "source": "cat",
        "target": "dog",
        "method": "integrated gradients",
        "kind": "latent",
        "classified": "right",
        "converted": "yes",
    }
    assert shown.numbers == {"score": 0.6, "mask size": pytest.approx(size)}
    assert shown.facts["latent seed"] == "17"
    assert list(shown.frames) == ["query", "hybrid", "generated"]


def test_the_chosen_point_is_the_mask_that_is_shown():
    one = explained()
    shown = explained_item(one, ("cat", "dog"), MaskSweep(close_px=3))
    assert np.isfinite(shown.curve).all()
    assert shown.curve[shown.chosen, 0] == pytest.approx(one.mask.mean())
    np.testing.assert_array_equal(shown.growth <= shown.chosen, one.mask)


def test_a_failed_conversion_and_a_wrong_query_are_shown():
    swapped = (np.array([0.1, 0.9]), np.array([0.6, 0.4]), np.array([0.7, 0.3]))
    shown = explained_item(explained(converted=False, probabilities=swapped), ("cat", "dog"), MaskSweep())
    assert shown.warnings == (
        "conversion failed: the generated image is not taken for dog",
        "the query is taken for dog",
    )
    assert shown.facets["converted"] == "no"
    assert shown.facets["classified"] == "wrong"
    assert shown.caption.endswith("the classifier still says cat.")


def test_truth_stands_beside_the_mask_where_it_is_known():
    truth = np.zeros((2, 12, 12), bool)
    shown = explained_item(explained(truth=truth, truth_scores=np.array([0.1, 0.2, 0.3, 0.4])), ("a", "b"), MaskSweep())
    assert list(shown.outlines) == ["mask", "truth"]
    assert shown.numbers["IoU with truth"] == 0.1
    assert shown.numbers["average precision"] == 0.4


def test_a_curve_of_nothing_is_no_curve():
    shown = explained_item(explained(curve=np.full((3, 3), np.nan)), ("a", "b"), MaskSweep())
    assert (shown.curve, shown.chosen, shown.growth) == (None, None, None)


def test_the_gallery_takes_explanations_when_it_is_written(tmp_path):
    taken = []

    def some() -> Iterator[Explained]:
        taken.append(True)
        yield explained()

    made = explained_gallery(some(), Look(("x", "y"), (0.0, 1.0)), ("a", "b"), MaskSweep(close_px=3))
    assert not taken
    write_page(page(made), tmp_path)
    assert taken


def test_median_curves_hold_the_quartiles():
    ends = (0.2, 0.4, 0.6, 0.8)
    curves = [np.array([[1, 0, 0], [0, 0.5, end], [-1, 1, end], [np.nan] * 3]) for end in ends]
    drawn = curves_by_pair({("a", "b", "m"): curves, ("a", "b", "n"): curves[:1], ("b", "a", "m"): []})
    assert [each.title for each in drawn.drawings] == ["a → b", "b → a"]
    svg = tree(drawn.drawings[0].svg)
    line = next(node.get("d") for node in svg if node.get("class") == "line series-0")
    x, y = map(float, line.split("L")[-1].split())
    assert (x, y) == pytest.approx((350, 10 + 200 * (1 - np.median(ends))), abs=0.01)
    band = next(node.get("d") for node in svg if node.get("class") == "band series-0")
    heights = [1 - (float(part.split()[1]) - 10) / 200 for part in band.strip("MZ").split("L")]
    assert heights[100] == pytest.approx(np.quantile(ends, 0.75), abs=1e-3)
    assert heights[101] == pytest.approx(np.quantile(ends, 0.25), abs=1e-3)


def test_matrices_count_and_rate():
    assert (
        "3 images of the test split; 66.7 % are right"
        in confusion_matrix(np.array([[1, 1], [0, 1]]), "ab", "test").caption
    )
    rates = np.full((2, 2, 3), np.nan)
    rates[0, 1] = 0.25, 0.5, 40
    translation, conversion = rate_matrices(rates, ("a", "b"), "latent").drawings
    assert "25 %" in translation.svg
    assert "14 – 40" in translation.svg
    assert "50 %" in conversion.svg
    scores = score_matrix({("a", "b", "some_method"): np.array([0.1, 0.2, 0.3, np.nan]), ("b", "a", "m"): np.array([])})
    assert "0.15 – 0.25" in scores.svg
    assert "some method" in scores.svg
