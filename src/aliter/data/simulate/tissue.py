"""Slides of stained tissue: nuclei, figures of known concepts in boxes, look-alikes, a shortcut if it is wanted."""

from dataclasses import dataclass
from functools import cached_property
from math import tau
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, UInt8
from pydantic import Field, NonNegativeFloat
from scipy.ndimage import gaussian_filter

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.simulate.asked import require_drawn
from aliter.data.simulate.optics import edge, line, smooth_field

_Map = Float[np.ndarray, "H W"]

KINDS = ("background", "dark", "textured", "ring", "plate", "look-alike", "nucleus", "ink")
"""What a pixel may belong to; the second to the fifth are the concepts that figures are made of."""
CONCEPTS = KINDS[1:5]
FIGURE, LOOK_ALIKE = 1, 2
"""Labels of boxes."""
HALF_BOX_PX = 10.0

_LOOK_ALIKE, _NUCLEUS, _INK = (KINDS.index(name) for name in ("look-alike", "nucleus", "ink"))
_AREA = 128.0**2
_APART_PX = 27.0
_BORDER_PX = 12
_INK_PX = 12.0
_DROP_PX = 4.2
_TRIES = 200
_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.07, 0.99, 0.11])
_GREEN = np.array([0.95, 0.15, 0.45])


@dataclass(frozen=True)
class TissueSlide:
    """One slide and what is in it."""

    image: UInt8[np.ndarray, "3 H W"]
    boxes: Float32[np.ndarray, "N 4"]
    """Of each object: left, top, right, bottom, in pixels."""
    labels: UInt8[np.ndarray, " N"]
    """1 is a figure, 2 a look-alike."""
    concepts: UInt8[np.ndarray, " N"]
    """Index into ``KINDS`` of the form of each object; a look-alike mimics it."""
    marked: UInt8[np.ndarray, " N"]
    """1 where ink lies beside the object."""
    kinds: UInt8[np.ndarray, "H W"]
    """Index into ``KINDS`` of what each pixel belongs to."""


class Tissue(Spec):
    """Draw slides in two stains: smooth stroma, pale nuclei, dense figures of four forms, and paler look-alikes.

    A look-alike has the form of a figure but little of its density, or its density but not its size. Stains, sharpness
    and noise differ between slides. With a ``shortcut`` ink lies beside that share of the figures.
    Each slide has random streams of its own; a larger ``count`` adds slides.

    References
    ----------
    Ruifrok and Johnston 2001, Quantification of histochemical staining by color deconvolution: the two stains.
    """

    simulate: Literal["tissue"] = "tissue"
    count: Annotated[int, Field(ge=4)] = 30
    """Slides: six tenths to train, the rest evenly to validate and to test."""
    size: Annotated[int, Field(ge=64)] = 320
    """Pixels per side."""
    figures: NonNegativeFloat = 1.8
    """Figures for each 128 x 128 pixels."""
    look_alikes: NonNegativeFloat = 1.8
    """Look-alikes for each 128 x 128 pixels."""
    nuclei: NonNegativeFloat = 12.0
    """Ordinary nuclei for each 128 x 128 pixels."""
    stain: Annotated[float, Field(ge=0, lt=1)] = 0.12
    """Standard deviation, between slides, of how strong each stain is, as a share."""
    blur_px: NonNegativeFloat = 0.8
    """Widest blur of a slide."""
    shortcut: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the figures that have ink beside them."""
    decoys: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the look-alikes that have ink beside them: as many, and ink says nothing."""
    seed: int = 0
    """Fixes every slide."""

    range: ClassVar[tuple[float, float]] = (0.0, 255.0)
    classes: ClassVar[tuple[str, ...]] = ("slides",)
    channels: ClassVar[tuple[str, ...]] = ("red", "green", "blue")

    @property
    def splits(self) -> UInt8[np.ndarray, " N"]:
        """The split of each slide: 0 to train, 1 to validate, 2 to test."""
        held = max(1, round(self.count / 5))
        return np.repeat(np.array([0, 1, 2], np.uint8), (self.count - 2 * held, held, held))

    def draw(self, index: int) -> TissueSlide:
        """Return slide ``index`` with its truth.

        Raises
        ------
        RequestError
            If there is no such slide.
        """
        require_drawn("slide", index, self.count)
        return _Drawing(self, index).slide()


@dataclass(frozen=True)
class _Object:
    """Something in a box: where, what form, and whether it is a figure."""

    centre: tuple[float, float]
    label: int
    concept: int
    inked: bool


@dataclass(frozen=True)
class _Drawing:
    """One slide while it is drawn."""

    tissue: Tissue
    index: int

    def chance(self, *keys: int | str) -> np.random.Generator:
        return chance(self.tissue.seed, "tissue", self.index, *keys)

    @cached_property
    def shape(self) -> tuple[int, int]:
        return (self.tissue.size, self.tissue.size)

    def slide(self) -> TissueSlide:
        objects = self.objects()
        kinds = np.zeros(self.shape, np.uint8)
        blue = 0.12 + 0.04 * self.field("stroma, blue", 9.0)
        pink = 0.34 + 0.10 * self.field("stroma", 16.0)
        green = np.zeros(self.shape)
        self.add_nuclei(blue, kinds, objects)
        for number, one in enumerate(objects):
            self.add_object(number, one, blue, kinds)
            if one.inked:
                self.add_ink(number, one, green, kinds)
        boxes = [(x - HALF_BOX_PX, y - HALF_BOX_PX, x + HALF_BOX_PX, y + HALF_BOX_PX) for y, x in _centres(objects)]
        return TissueSlide(
            self.seen(blue, np.clip(pink, 0, None), green),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array([one.label for one in objects], np.uint8),
            np.array([one.concept for one in objects], np.uint8),
            np.array([one.inked for one in objects], np.uint8),
            kinds,
        )

    def field(self, name: str, width_px: float) -> _Map:
        return smooth_field(self.shape, width_px, self.chance(name))

    def objects(self) -> list[_Object]:
        """Place figures and look-alikes, none near another."""
        rng, size = self.chance("places"), self.tissue.size
        counts = [round(one * size**2 / _AREA) for one in (self.tissue.figures, self.tissue.look_alikes)]
        placed: list[_Object] = []
        for number in range(sum(counts)):
            figure = number < counts[0]
            for _ in range(_TRIES):
                y, x = rng.uniform(_BORDER_PX, size - _BORDER_PX, 2)
                if all(np.hypot(y - b, x - a) > _APART_PX for b, a in _centres(placed)):
                    inked = bool(rng.random() < (self.tissue.shortcut if figure else self.tissue.decoys))
                    label = FIGURE if figure else LOOK_ALIKE
                    placed.append(_Object((float(y), float(x)), label, 1 + number % len(CONCEPTS), inked))
                    break
        return placed

    def add_nuclei(self, blue: _Map, kinds: UInt8[np.ndarray, "H W"], objects: list[_Object]) -> None:
        """Add pale, softly textured ellipses wherever they are not on an object."""
        rng, size = self.chance("nuclei"), self.tissue.size
        texture = np.clip(1 + 0.25 * self.field("chromatin", 2.0), 0.2, None)
        for _ in range(round(self.tissue.nuclei * size**2 / _AREA)):
            y, x = rng.uniform(0, size, 2)
            semi, angle, dense = rng.uniform(4.5, 8.5, 2), rng.uniform(0, tau), rng.uniform(0.28, 0.5)
            if any(np.hypot(y - b, x - a) < HALF_BOX_PX + semi.max() for b, a in _centres(objects)):
                continue
            box, dy, dx = _around((y, x), 14, size)
            inside = edge(_ellipse(dy, dx, (float(semi[0]), float(semi[1])), angle), 0.7)
            blue[box] = blue[box] * (1 - inside) + inside * np.maximum(blue[box], dense * texture[box])
            kinds[box][inside > 0.5] = _NUCLEUS

    def add_object(self, number: int, one: _Object, blue: _Map, kinds: UInt8[np.ndarray, "H W"]) -> None:
        """Add chromatin in the form of a concept, in a cleared cell."""
        rng = self.chance("object", number)
        box, dy, dx = _around(one.centre, 13, self.tissue.size)
        small = one.label == LOOK_ALIKE and rng.random() < 0.25
        scale, dense = (0.45, rng.uniform(1.1, 1.4)) if small else (1.0, rng.uniform(1.15, 1.55))
        if one.label == LOOK_ALIKE and not small:
            dense *= rng.uniform(0.38, 0.52)
        angle = rng.uniform(0, tau)
        chromatin = _FORMS[one.concept - 1](dy / scale, dx / scale, float(angle), rng)
        cleared = edge(np.hypot(dy, dx) - 9.5, 1.5) * 0.6
        blue[box] = blue[box] * (1 - cleared)
        blue[box] = np.maximum(blue[box], dense * chromatin)
        region = np.hypot(dy, dx) < 8.5 if one.concept in (2, 3) else chromatin > 0.4
        if small:
            region = np.hypot(dy, dx) < 4
        kinds[box][region] = one.concept if one.label == FIGURE else _LOOK_ALIKE

    def add_ink(self, number: int, one: _Object, green: _Map, kinds: UInt8[np.ndarray, "H W"]) -> None:
        """Add a drop of ink beside the object."""
        rng = self.chance("ink", number)
        angle = rng.uniform(0, tau)
        at = (one.centre[0] + _INK_PX * np.sin(angle), one.centre[1] + _INK_PX * np.cos(angle))
        box, dy, dx = _around(at, 7, self.tissue.size)
        drop = edge(np.hypot(dy, dx) - _DROP_PX, 0.7)
        green[box] = np.maximum(green[box], 0.8 * drop)
        kinds[box][drop > 0.5] = _INK

    def seen(self, blue: _Map, pink: _Map, green: _Map) -> UInt8[np.ndarray, "3 H W"]:
        """Return what the scanner sees of the stains: light absorbed, blur, noise, eight bits."""
        rng = self.chance("scanner")
        strength = np.exp(self.tissue.stain * rng.standard_normal(2))
        density = [
            strength[0] * blue * a + strength[1] * pink * b + green * c
            for a, b, c in zip(_HAEMATOXYLIN, _EOSIN, _GREEN, strict=True)
        ]
        light = 10.0 ** -np.stack(density)
        blur = rng.uniform(0.3, 1) * self.tissue.blur_px
        sharp = gaussian_filter(light, [0, blur, blur]) + 0.012 * rng.standard_normal(light.shape)
        return np.asarray(np.rint(np.clip(sharp, 0, 1) * 245), np.uint8)


def _centres(objects: list[_Object]) -> list[tuple[float, float]]:
    return [one.centre for one in objects]


def _around(centre: tuple[float, float], reach: int, size: int) -> tuple[tuple[slice, slice], _Map, _Map]:
    """Return the part of the slide about ``centre``, and how far its pixels are from there."""
    y, x = (slice(max(int(at) - reach, 0), min(int(at) + reach + 1, size)) for at in centre)
    rows, columns = np.arange(y.start, y.stop) + 0.5 - centre[0], np.arange(x.start, x.stop) + 0.5 - centre[1]
    dy, dx = np.meshgrid(rows, columns, indexing="ij")
    return (y, x), dy, dx


def _ellipse(dy: _Map, dx: _Map, semi: tuple[float, float], angle: float) -> _Map:
    """Return the distance to an ellipse, roughly, negative inside."""
    along, across = dy * np.sin(angle) + dx * np.cos(angle), dy * np.cos(angle) - dx * np.sin(angle)
    found: _Map = (np.hypot(along / semi[0], across / semi[1]) - 1) * min(semi)
    return found


def _dark(dy: _Map, dx: _Map, angle: float, rng: np.random.Generator) -> _Map:
    around = np.arctan2(dy, dx)
    radius = 6.2 * (1 + 0.10 * np.sin(3 * around + angle) + 0.06 * np.sin(5 * around + 2 * angle))
    found: _Map = edge(np.hypot(dy, dx) - radius, 0.7)
    return found


def _textured(dy: _Map, dx: _Map, angle: float, rng: np.random.Generator) -> _Map:
    grains = edge(-smooth_field((dy.shape[0], dx.shape[1]), 1.3, rng) * 2, 0.5)
    found: _Map = edge(np.hypot(dy, dx) - 7.5, 0.7) * (0.15 + 0.85 * grains)
    return found


def _ring(dy: _Map, dx: _Map, angle: float, rng: np.random.Generator) -> _Map:
    return line(_ellipse(dy, dx, (6.6, 5.6), angle), 1.4)


def _plate(dy: _Map, dx: _Map, angle: float, rng: np.random.Generator) -> _Map:
    return edge(_ellipse(dy, dx, (8.8, 2.9), angle), 0.6)


_FORMS = (_dark, _textured, _ring, _plate)
