"""A gallery: images that are ranked, filtered and looked at closely."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Num, Shaped, UInt8

from aliter.report.pixels import Depth

RESERVED = (
    *("item", "view", "page", "sort", "channel", "window", "limit", "hide", "compare", "at"),
    *("plane", "colour", "blind"),
)
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

    @classmethod
    def fitted(
        cls,
        sample: Num[np.ndarray, "N C *space"],
        channels: tuple[str, ...],
        declared: tuple[float, float],
        pixel_um: float | None = None,
    ) -> "Look":
        """Return the look whose window holds nearly all of a ``sample`` of the images, in their own type."""
        values = np.moveaxis(sample, 1, 0).reshape(sample.shape[1], -1)
        low, high = np.percentile(values, (0.1, 99.9), axis=1)
        window = tuple((float(a), float(b) if b > a else float(a) + 1.0) for a, b in zip(low, high, strict=True))
        return cls(channels, declared, window, depth=8 if sample.dtype.itemsize == 1 else 16, pixel_um=pixel_um)


def unit(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return images in [-1, 1], as networks see and draw them, in [0, 1], as items hold them; beyond is clipped."""
    return np.clip((np.asarray(x, np.float64) + 1) / 2, 0, 1)


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
    frames: Mapping[str, Float[np.ndarray, "C *space"]]
    """Name and image, in [0, 1] of the declared range, in the order of showing; the first is the one to start from.

    A volume, ``(C, Z, H, W)``, is shown plane by plane; all else of its item then has planes too.
    """
    paintings: Mapping[str, UInt8[np.ndarray, "*space 3"]] = field(default_factory=dict)
    """Name and picture in colours of its own, red green blue: embeddings, segmentations; see ``report.pictures``."""
    outlines: Mapping[str, Shaped[np.ndarray, "_ *space"]] = field(default_factory=dict)
    """Name and region to be outlined: bool, or whole numbers whose regions have an outline each; 0 is none.

    One for each channel, or one for all of them.
    """
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
    place: tuple[float, float] | None = None
    """Where it lies on the map of its gallery."""
    truths: Mapping[str, str] = field(default_factory=dict)
    """Of one or two frames: the right answer to the question of a blinded reader."""
    facts: Mapping[str, str] = field(default_factory=dict)
    caption: str = ""
    """One sentence that says what is seen."""
    warnings: tuple[str, ...] = ()
    """What must not be overlooked; shown on the card too."""


@dataclass(frozen=True)
class Map:
    """A map of the items by their ``place``, coloured by a facet; a point opens its item."""

    axes: tuple[str, str]
    colour: str
    """The facet that colours it at first."""
    equal: bool = True
    """Whether both axes have one scale: distances mean something, as in an embedding."""


@dataclass(frozen=True)
class Blind:
    """What a reader is asked who judges the items without names and scores, in an order drawn from a seed.

    Shown are the frames that have ``truths``; of two, in an order that is drawn too.
    """

    question: str
    """About the only, or the left, picture."""
    choices: tuple[str, ...]
    second: str = ""
    """To be answered yes or no, where there are two pictures."""


@dataclass(frozen=True)
class Gallery:
    """Many items; they are taken one by one, so memory does not grow with their number."""

    items: Iterable[Item]
    look: Look
    compare: tuple[str, str] | None = None
    """Frames that wipe and blink compare at first, and that the signed difference is of: the second minus the first.

    None if a difference of frames means nothing here; wipe and blink then compare the first two pictures, if any.
    """
    legend: Mapping[str, str] = field(default_factory=dict)
    """What each name of a frame, a painting, an outline or a number means, in plain words."""
    classes: tuple[str, ...] = ()
    """Names of the bars."""
    axes: tuple[str, str] = ("", "")
    """What a curve shows, along and up."""
    blur_px: float = 0.0
    """Width of the Gaussian, 11 taps an axis, that softens a growing region."""
    noun: str = "images"
    map: Map | None = None
    blind: Blind | None = None


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
