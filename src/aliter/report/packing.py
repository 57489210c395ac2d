"""What a page carries of a gallery: each item as plain JSON values, and an index to rank and filter them by."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from aliter.core.errors import RequestError
from aliter.report.gallery import RESERVED, Gallery, Item, Look
from aliter.report.pixels import Depth, packed_bits, packed_bytes, packed_levels, quantized

_LABELS = 1 << 16


class Packing:
    """Turns items into what a page carries, and gathers the index of them while they pass."""

    def __init__(self, gallery: Gallery):
        self.gallery = gallery
        self._ids: dict[str, None] = {}
        self._titles: list[str] = []
        self._facets: dict[str, list[str]] = {}
        self._numbers: dict[str, list[float | None]] = {}
        self._subtitles: list[str] = []
        self._places: list[list[float] | None] = []
        self._changes: list[float] = []
        self._shape: tuple[int, ...] = ()
        self._names: dict[str, dict[str, None]] = {"frames": {}, "paintings": {}, "outlines": {}}

    def payloads(self) -> Iterator[dict[str, Any]]:
        """Yield what the page needs to show each item, in turn, as plain JSON values.

        Raises
        ------
        RequestError
            If an item contradicts its gallery: shapes, channels, ids, names.
        """
        for item in self.gallery.items:
            _check(item, self.gallery)
            if item.id in self._ids:
                raise RequestError(f"expected a different id for each item, found '{item.id}' twice; rename one")
            self._note(item)
            yield _payload(item, self.gallery.look.depth)

    def index(self) -> dict[str, Any]:
        """Return what the page needs to rank and filter all items that have passed, as plain JSON values."""
        gallery, look, names = (
            self.gallery,
            self.gallery.look,
            {kind: list(found) for kind, found in self._names.items()},
        )
        pictures = names["frames"] + names["paintings"]
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
            "compare": list(gallery.compare or pictures[: 2 if len(pictures) > 1 else 0]),
            "subtracts": gallery.compare is not None,
            **names,
            "blur": gallery.blur_px,
            "shape": list(self._shape),
            "limit": _limit(self._changes, look),
            "map": self._map(),
            "blind": None if gallery.blind is None else asdict(gallery.blind),
            "look": _look(look),
        }

    def _map(self) -> dict[str, Any] | None:
        chart = self.gallery.map
        if chart is None or not any(self._places):
            return None
        return {"axes": list(chart.axes), "colour": chart.colour, "equal": chart.equal, "places": self._places}

    def _note(self, item: Item) -> None:
        count = len(self._ids)
        self._ids[item.id] = None
        self._titles.append(item.title)
        self._subtitles.append(item.subtitle)
        self._places.append(None if item.place is None else [float(f"{value:.4g}") for value in item.place])
        for name in {**self._facets, **item.facets}:
            self._facets.setdefault(name, [""] * count).append(item.facets.get(name, ""))
        for name in {**self._numbers, **item.numbers}:
            value = float(item.numbers.get(name, np.nan))
            self._numbers.setdefault(name, [None] * count).append(round(value, 6) if np.isfinite(value) else None)
        if self.gallery.compare:
            before, after = (np.asarray(item.frames[name], np.float32) for name in self.gallery.compare)
            self._changes.append(float(np.nan_to_num(np.quantile(np.abs(after - before), 0.995))))
        shape = next(iter(item.frames.values())).shape
        self._shape = (shape[0], *shape[-2:])
        for kind, found in self._names.items():
            found.update(dict.fromkeys(getattr(item, kind)))


def _check(item: Item, gallery: Gallery) -> None:
    """Raise a RequestError if ``item`` contradicts its gallery."""
    shapes = {np.shape(image) for image in item.frames.values()}
    first = next(iter(shapes), ())
    if len(shapes) != 1 or len(first) not in (3, 4):
        raise RequestError(f"{item.id}: expected images of one shape (C, H, W), found {sorted(shapes)}; cut them")
    channels = len(gallery.look.channels)
    if first[0] != channels:
        raise RequestError(f"{item.id}: expected {channels} channels, found {first[0]}; name each in the look")
    for name, region in item.outlines.items():
        if region.shape[1:] != first[1:] or region.shape[0] not in (1, channels):
            raise RequestError(
                f"{item.id}: expected an outline '{name}' of shape {first}, found {region.shape}; cut it"
            )
    for name, painting in item.paintings.items():
        if painting.shape != (*first[1:], 3):
            found = (*first[1:], 3)
            raise RequestError(f"{item.id}: expected a painting '{name}' of shape {found}, found {painting.shape}")
    if len(first) == 4 and (item.walk is not None or item.growth is not None):
        raise RequestError(f"{item.id}: expected images without planes to walk through, found volumes; take a plane")
    if missing := set(gallery.compare or ()) - set(item.frames):
        raise RequestError(f"{item.id}: expected a frame '{missing.pop()}' to compare, found {list(item.frames)}")
    if taken := {*item.facets, *item.numbers} & set(RESERVED):
        raise RequestError(f"expected a name that the address does not use, found '{taken.pop()}'; rename it")
    if gallery.blind and not (0 < len(item.truths) < 3 and set(item.truths) <= set(item.frames)):
        raise RequestError(f"{item.id}: expected the truth of one or two frames to ask for, found {list(item.truths)}")
    if gallery.map and gallery.map.colour not in item.facets:
        raise RequestError(f"{item.id}: expected a facet '{gallery.map.colour}' to colour the map, found none; add it")


def _payload(item: Item, depth: Depth) -> dict[str, Any]:
    """Return all of ``item`` that is not in the index."""
    frames = {name: quantized(_planes_first(image), depth) for name, image in item.frames.items()}
    start = next(iter(frames.values()))
    walk = [quantized(image, depth) for image in item.walk] if item.walk is not None else []
    shape = next(iter(item.frames.values())).shape
    return {
        "shape": [shape[0], *shape[-2:]],
        "planes": shape[1] if len(shape) == 4 else 1,
        "frames": [
            {"name": name, **packed_levels(levels, None if levels is start else start)}
            for name, levels in frames.items()
        ],
        "paintings": [
            {"name": name, **packed_levels(np.moveaxis(picture, -1, -3), None)}
            for name, picture in item.paintings.items()
        ],
        "walk": [packed_levels(levels, start) for levels in walk],
        "outlines": [{"name": name, **_outlined(region)} for name, region in item.outlines.items()],
        "growth": None if item.growth is None else packed_bytes(item.growth),
        "bars": {name: _rounded(shares) for name, shares in item.bars.items()},
        "highlight": list(item.highlight),
        "curve": [] if item.curve is None else [_rounded(point) for point in item.curve],
        "chosen": item.chosen,
        "truths": dict(item.truths),
        "facts": [[name, value] for name, value in item.facts.items()],
        "caption": item.caption,
        "warnings": list(item.warnings),
    }


def _planes_first(image: Shaped[np.ndarray, "C *space"]) -> Shaped[np.ndarray, "*planes C H W"]:
    """Return a volume as planes, so that each of them lies in one piece."""
    return image if image.ndim == 3 else np.swapaxes(image, 0, 1)


def _outlined(region: Shaped[np.ndarray, "_ *space"]) -> dict[str, Any]:
    """Return a region as bits, or labels as levels, numbered anew so that they fit."""
    planes = _planes_first(region)
    if planes.dtype == bool:
        return {"labels": False, "channels": len(region), "data": packed_bits(planes)}
    found, numbered = np.unique(planes, return_inverse=True)
    shift = 0 if found[0] == 0 else 1
    if len(found) + shift > _LABELS:
        raise RequestError(f"expected fewer than {_LABELS} labels to outline, found {len(found)}; show a part")
    return {
        "labels": True,
        "channels": len(region),
        **packed_levels((numbered.reshape(planes.shape) + shift).astype(np.uint16), None),
    }


def _look(look: Look) -> dict[str, Any]:
    return {
        "channels": list(look.channels),
        "range": list(look.range),
        "window": [list(pair) for pair in look.window or [look.range] * len(look.channels)],
        "colours": list(look.colours or _colours(look.channels)),
        "depth": look.depth,
        "pixel": look.pixel_um,
    }


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
