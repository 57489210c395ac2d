"""What the embeddings workflow shows: curves over clicks, and fields with what was found in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int, Integer, UInt8

from aliter.report.figures import Axes, Band, bands
from aliter.report.gallery import Gallery, Item, Look
from aliter.report.page import Drawing, Drawings
from aliter.report.pictures import Picture, Pictures, composite, gif, grey, label_colours, png

_OBJECT, _BACKGROUND = (255, 176, 0), (40, 80, 220)
"""Colours of the clicks, that the colour-blind can tell apart."""
_CROSS = np.array([(0, 0), *((step, 0) for step in (-2, -1, 1, 2)), *((0, step) for step in (-2, -1, 1, 2))])
Curves = dict[str, dict[int, list[dict[str, float]]]]
"""Of each learner and number of clicks: the metrics with each set of clicks; 0 clicks are all labels."""

_NAMES = {"iou": "foreground IoU", "ap50": "AP at IoU 0.5", "seg": "SEG", "det": "DET"}
_LEGEND = {
    "field": "a field for testing",
    "embedding": "the three directions in which the embedding varies most over all fields, as red, green and blue",
    "foreground": "how likely the learner finds an object at each voxel; of affinities, the least over the axes",
    "objects": "the objects that were made of it; a colour for each",
    "truth": "the true objects; a colour for each",
    "SEG": "mean overlap of true objects with what covers over half of each; 1 is perfect",
    "AP at IoU 0.5": "objects found, over all found, missed and invented",
    "foreground IoU": "overlap of the foreground with the true one",
    "VOI": "variation of information in bits, what was split and what was merged; 0 is perfect",
}


@dataclass(frozen=True)
class Shown:
    """One field, as one learner sees it."""

    id: str
    learner: str
    clicks: int
    """0 are all labels."""
    field: Float32[np.ndarray, "C *space"]
    embedding: UInt8[np.ndarray, "*space 3"]
    """In colours."""
    foreground: Float32[np.ndarray, "*space"]
    objects: Integer[np.ndarray, "*space"]
    truth: Integer[np.ndarray, "*space"]
    scores: Mapping[str, float]
    walk: Sequence[tuple[float, Integer[np.ndarray, "*space"]]]
    """Some thresholds, and the objects there."""
    curve: Float[np.ndarray, "T 2"]
    """Threshold, and variation of information there."""
    chosen: int


@dataclass(frozen=True)
class Clicked:
    """A field that was clicked in."""

    id: str
    caption: str
    field: Float32[np.ndarray, "C *space"]
    at: Int[np.ndarray, "P n"]
    label: UInt8[np.ndarray, " P"]


def click_curves(curves: Curves) -> Drawings:
    """Return, for each metric, how each learner does with more and more clicks."""
    counts = sorted({count for found in curves.values() for count in found if count})
    ends = (float(np.log2(counts[0])), float(np.log2(counts[-1]))) if len(counts) > 1 else (0.0, 1.0)
    axes = Axes("clicks (powers of 2)", "mean over fields for testing", ends)
    drawings = []
    for metric, title in _NAMES.items():
        series = []
        for name, found in curves.items():
            told = [count for count in counts if count in found]
            rows = [[one[metric] for one in found[count]] for count in told] or [[one[metric] for one in found[0]]] * 2
            x = np.log2(told) if told else np.array(ends)
            low, middle, high = (np.array([f(row) for row in rows]) for f in (np.min, np.mean, np.max))
            series.append(Band(name, x, low, middle, high))
        drawings.append(Drawing(bands(series, axes, f"{title} against clicks"), title))
    return Drawings(drawings)


def cost_curves(seconds: Mapping[str, Mapping[int, Sequence[float]]]) -> Drawing:
    """Return how long each learner took to learn from more and more clicks: processor time, on a logarithmic scale."""
    counts = sorted({count for found in seconds.values() for count in found if count}) or [1]
    ends = (float(np.log2(counts[0])), float(np.log2(counts[-1]))) if len(counts) > 1 else (-0.5, 0.5)
    series = []
    for name, found in seconds.items():
        told = [count for count in counts if count in found]
        rows = [np.log10(np.maximum(found[count], 1e-3)) for count in told] or [
            np.log10(np.maximum(found[0], 1e-3))
        ] * 2
        x = np.log2(told) if told else np.array(ends)
        series.append(Band(name, x, *(np.array([f(row) for row in rows]) for f in (np.min, np.mean, np.max))))
    labels = ("clicks (powers of 2)", "seconds (powers of 10)")
    axes = Axes.around(labels, ends, [value for one in series for value in (*one.low, *one.high)])
    return Drawing(bands(series, axes, "seconds of learning against clicks"), "seconds of learning")


def click_pictures(fields: Iterable[Clicked]) -> Pictures:
    """Return each field with a mark on each click: orange in objects, blue in the background."""
    return Pictures([Picture(png(_marked(one)), one.id, one.caption) for one in fields])


def merge_walk(name: str, thresholds: Sequence[float], found: Sequence[Integer[np.ndarray, "*space"]]) -> Picture:
    """Return the objects of a field as more and more fragments merge, forth and back; of a volume its middle plane."""
    frames = np.stack([label_colours(_plane(one).astype(np.int64)) for one in found])
    counts = ", ".join(
        f"{len(np.unique(one[one > 0]))} up to {at:g}" for at, one in zip(thresholds, found, strict=True)
    )
    return Picture(gif(frames), name, f"Objects: {counts}.")


def field_gallery(shown: Iterable[Shown], look: Look) -> Gallery:
    """Return the gallery of what was ``shown``; it is taken one by one, when the page is written."""

    def items() -> Iterator[Item]:
        for one in shown:
            yield _item(one)

    return Gallery(items(), look, None, _LEGEND, (), ("fragments merged up to", "VOI, bits"), noun="fields")


def _item(one: Shown) -> Item:
    clicks = str(one.clicks) if one.clicks else "all labels"
    found = len(np.unique(one.objects[one.objects > 0]))
    return Item(
        id=f"{one.learner}/{clicks}/{one.id}",
        title=one.learner,
        subtitle=f"{clicks} clicks" if one.clicks else clicks,
        facets={"learner": one.learner, "clicks": clicks, "field": one.id},
        numbers={
            "SEG": one.scores["seg"],
            "AP at IoU 0.5": one.scores["ap50"],
            "foreground IoU": one.scores["iou"],
            "VOI": one.scores["voi_split"] + one.scores["voi_merge"],
        },
        frames={"field": (one.field + 1) / 2},
        paintings={
            "embedding": one.embedding,
            "foreground": np.repeat(grey(one.foreground)[..., None], 3, -1),
            "objects": label_colours(one.objects.astype(np.int64)),
            "truth": label_colours(one.truth.astype(np.int64)),
            **{f"merged up to {at:g}": label_colours(labels.astype(np.int64)) for at, labels in one.walk},
        },
        outlines={"objects": one.objects.astype(np.int64)[None], "truth": one.truth.astype(np.int64)[None]},
        curve=one.curve,
        chosen=one.chosen,
        facts={"field": one.id, "threshold": f"{one.curve[one.chosen, 0]:g}"},
        caption=f"{len(np.unique(one.truth[one.truth > 0]))} true objects, {found} found.",
    )


def _marked(one: Clicked) -> UInt8[np.ndarray, "H W 3"]:
    """Return a field, of a volume its brightest planes, with a cross of three pixels' width on each click."""
    flat = one.field if one.field.ndim == 3 else one.field.max(1)
    found = composite(flat)
    for at, inside in zip(one.at[:, -2:], one.label, strict=True):
        rim = (at + np.concatenate([_CROSS, _CROSS + 1, _CROSS - 1])).clip(0, np.array(found.shape[:2]) - 1)
        found[rim[:, 0], rim[:, 1]] = 0 if inside else 255
        cross = (at + _CROSS).clip(0, np.array(found.shape[:2]) - 1)
        found[cross[:, 0], cross[:, 1]] = _OBJECT if inside else _BACKGROUND
    return found


def _plane(labels: Integer[np.ndarray, "*space"]) -> Integer[np.ndarray, "H W"]:
    return labels if labels.ndim == 2 else labels[len(labels) // 2]
