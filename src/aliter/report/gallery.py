"""A gallery: images that are ranked, filtered and looked at closely."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8

from aliter.core.errors import RequestError
from aliter.report.pixels import Depth, packed_bits, packed_bytes, packed_levels, quantized

RESERVED = ("item", "view", "page", "sort", "channel", "window", "limit", "hide", "compare", "at")
"""Names that the address of a page gives a meaning of its own."""

_NEVER = 255


@dataclass(frozen=True)
class Look:
    """How all images of a gallery are shown: one range, one set of colours."""

    channels: tuple[str, ...]
    range: tuple[float, float]
    """The declared intensities that 0 and 1 stand for."""
    window: tuple[tuple[float, float], ...] = ()
    """Of each channel: the intensities shown as black and as its full colour at first; the whole range if empty."""
    colours: tuple[str, ...] = ()
    """Of each channel: its colour in the composite, as ``#rrggbb``; chosen by their number if empty."""
    depth: Depth = 8
    """Bits kept of each value: 16 where the source has more than 8."""
    pixel_um: float | None = None
    """Micrometres a pixel, if known: then there is a scale bar."""


@dataclass(frozen=True)
class Item:
    """One thing to look at: images of the same place that can be laid over each other, and what is known of them."""

    id: str
    """Unique in its gallery; part of the address."""
    title: str
    subtitle: str
    facets: Mapping[str, str]
    """What it can be filtered by: name and value."""
    numbers: Mapping[str, float]
    """What it can be sorted by; the first one ranks. NaN comes last."""
    frames: Mapping[str, Float[np.ndarray, "C H W"]]
    """Name and image, in [0, 1] of the declared range, in the order of showing; the first is the one to start from."""
    outlines: Mapping[str, Bool[np.ndarray, "C H W"]] = field(default_factory=dict)
    """Name and region to be outlined."""
    bars: Mapping[str, Float[np.ndarray, " K"]] = field(default_factory=dict)
    """Of a frame: the share of each class."""
    highlight: tuple[int, ...] = ()
    """Classes that matter here."""
    curve: Float[np.ndarray, "T 2"] | None = None
    chosen: int | None = None
    """Index of the curve's point that was chosen."""
    walk: Float[np.ndarray, "T C H W"] | None = None
    """One image for each point of the curve."""
    growth: UInt8[np.ndarray, "C H W"] | None = None
    """Instead of a walk: the point of the curve from which on a value is replaced; 255 is never."""
    facts: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    """One sentence that says what is seen."""
    warnings: tuple[str, ...] = ()
    """What must not be overlooked; shown on the card too."""


@dataclass(frozen=True)
class Gallery:
    """Many items; they are taken one by one, so memory does not grow with their number."""

    items: Iterable[Item]
    look: Look
    compare: tuple[str, str]
    """Frames that wipe and blink compare at first, and that the signed difference is of: the second minus the first."""
    legend: Mapping[str, str] = field(default_factory=dict)
    """What each name of a frame, an outline or a number means, in plain words."""
    classes: tuple[str, ...] = ()
    """Names of the bars."""
    axes: tuple[str, str] = ("", "")
    """What a curve shows, along and up."""
    blur_px: float = 0.0
    """Width of the Gaussian, 11 taps an axis, that softens a growing region."""
    noun: str = "images"


class Packing:
    """Turns items into what a page carries, and gathers the index of them while they pass."""

    def __init__(self, gallery: Gallery):
        self.gallery = gallery
        self._ids: dict[str, None] = {}
        self._titles: list[str] = []
        self._facets: dict[str, list[str]] = {}
        self._numbers: dict[str, list[float | None]] = {}
        self._subtitles: list[str] = []
        self._changes: list[float] = []
        self._shape: tuple[int, ...] = ()
        self._frames: tuple[str, ...] = ()
        self._outlines: tuple[str, ...] = ()

    def payloads(self) -> Iterator[dict[str, Any]]:
        """Yield what the page needs to show each item, in turn, as plain JSON values."""
        for item in self.gallery.items:
            self._check(item)
            self._note(item)
            yield _payload(item, self.gallery.look.depth)

    def index(self) -> dict[str, Any]:
        """Return what the page needs to rank and filter all items that have passed, as plain JSON values."""
        gallery, look = self.gallery, self.gallery.look
        return {
            "noun": gallery.noun,
            "ids": list(self._ids),
            "titles": _coded(self._titles),
            "subtitles": _coded(self._subtitles),
            "facets": {name: _coded(values) for name, values in self._facets.items()},
            "numbers": self._numbers,
            "legend": dict(gallery.legend),
            "classes": list(gallery.classes),
            "axes": list(gallery.axes),
            "compare": list(gallery.compare),
            "frames": list(self._frames),
            "outlines": list(self._outlines),
            "blur": gallery.blur_px,
            "shape": list(self._shape),
            "limit": _limit(self._changes, look),
            "look": {
                "channels": list(look.channels),
                "range": list(look.range),
                "window": [list(pair) for pair in look.window or [look.range] * len(look.channels)],
                "colours": list(look.colours or _colours(look.channels)),
                "depth": look.depth,
                "pixel": look.pixel_um,
            },
        }

    def _check(self, item: Item) -> None:
        shapes = {np.shape(image) for image in (*item.frames.values(), *item.outlines.values())}
        if len(shapes) != 1 or len(next(iter(shapes))) != 3:
            raise RequestError(f"{item.id}: expected images of one shape (C, H, W), found {sorted(shapes)}; cut them")
        if next(iter(shapes))[0] != len(self.gallery.look.channels):
            raise RequestError(f"{item.id}: expected {len(self.gallery.look.channels)} channels, found {shapes}")
        if item.id in self._ids:
            raise RequestError(f"expected a different id for each item, found '{item.id}' twice; make them unique")
        if missing := set(self.gallery.compare) - set(item.frames):
            raise RequestError(f"{item.id}: expected a frame '{missing.pop()}' to compare, found {list(item.frames)}")
        if taken := {*item.facets, *item.numbers} & set(RESERVED):
            raise RequestError(f"expected a name that the address does not use, found '{taken.pop()}'; rename it")

    def _note(self, item: Item) -> None:
        count = len(self._ids)
        self._ids[item.id] = None
        self._titles.append(item.title)
        self._subtitles.append(item.subtitle)
        for name in {**self._facets, **item.facets}:
            self._facets.setdefault(name, [""] * count).append(item.facets.get(name, ""))
        for name in {**self._numbers, **item.numbers}:
            value = float(item.numbers.get(name, np.nan))
            self._numbers.setdefault(name, [None] * count).append(round(value, 6) if np.isfinite(value) else None)
        before, after = (np.asarray(item.frames[name], np.float32) for name in self.gallery.compare)
        self._changes.append(float(np.nan_to_num(np.quantile(np.abs(after - before), 0.995))))
        self._shape = before.shape
        self._frames = tuple(dict.fromkeys((*self._frames, *item.frames)))
        self._outlines = tuple(dict.fromkeys((*self._outlines, *item.outlines)))


def _payload(item: Item, depth: Depth) -> dict[str, Any]:
    """Return all of ``item`` that is not in the index."""
    frames = {name: quantized(image, depth) for name, image in item.frames.items()}
    start = next(iter(frames.values()))
    walk = [quantized(image, depth) for image in item.walk] if item.walk is not None else []
    return {
        "shape": list(start.shape),
        "frames": [
            {"name": name, **packed_levels(levels, None if levels is start else start)}
            for name, levels in frames.items()
        ],
        "walk": [packed_levels(levels, start) for levels in walk],
        "outlines": [{"name": name, "data": packed_bits(region)} for name, region in item.outlines.items()],
        "growth": None if item.growth is None else packed_bytes(item.growth),
        "bars": {name: _rounded(shares) for name, shares in item.bars.items()},
        "highlight": list(item.highlight),
        "curve": [] if item.curve is None else [_rounded(point) for point in item.curve],
        "chosen": item.chosen,
        "facts": [[name, value] for name, value in item.facts.items()],
        "caption": item.caption,
        "warnings": list(item.warnings),
    }


def growth_of(
    field: Float[np.ndarray, "C H W"], thresholds: Float[np.ndarray, " T"]
) -> UInt8[np.ndarray, "C H W"] | None:
    """Return the first of descending ``thresholds`` that each value of ``field`` exceeds, 255 where there is none.

    None if there are more than 255 thresholds: they do not fit into a byte.
    """
    if len(thresholds) > _NEVER:
        return None
    ascending = -np.asarray(thresholds, np.float32)
    first = np.searchsorted(ascending, -np.asarray(field, np.float32), side="right")
    return np.where(first < len(thresholds), first, _NEVER).astype(np.uint8)


def _colours(channels: tuple[str, ...]) -> tuple[str, ...]:
    """Return a colour for each channel, told apart without telling red from green."""
    if tuple(name.lower() for name in channels) == ("red", "green", "blue"):
        return "#ff0000", "#00ff00", "#0000ff"
    if len(channels) <= 2:
        return ("#ffffff",) if len(channels) == 1 else ("#ff40ff", "#40ff40")
    wheel = ("#ffb000", "#ff3fb4", "#2f9bff", "#4ce0b3", "#f0f0f0", "#a67cff")
    return tuple(wheel[number % len(wheel)] for number in range(len(channels)))


def _limit(changes: list[float], look: Look) -> float:
    """Return the difference shown at full: what nine of ten items stay below, two digits of its intensity kept."""
    span = look.range[1] - look.range[0]
    intensity = float(np.quantile(changes, 0.9)) * span if changes else 0.0
    return min(1.0, float(f"{intensity:.1e}") / span) if intensity else 1.0


def _coded(values: list[str]) -> dict[str, Any]:
    """Return ``values`` as the distinct ones, in the order met, and the place of each among them."""
    places = {value: place for place, value in enumerate(dict.fromkeys(values))}
    return {"values": list(places), "codes": [places[value] for value in values]}


def _rounded(values: Float[np.ndarray, " N"]) -> list[float | None]:
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]
