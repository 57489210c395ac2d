"""Fictus aggregatum: a cell that never was, whose classes differ in what was asked and in nothing else."""

from dataclasses import dataclass
from itertools import product
from math import cos, sin, sqrt, tau
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt16
from pydantic import Field, PositiveInt, field_validator

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.simulate.asked import require_cell
from aliter.data.simulate.optics import centred, edge, ellipse_distance, line, noise, smooth_field, spots, to_uint16

Factor = Literal["aggregates", "elongation", "nucleus"]
"""What classes may differ in."""

_NAMES: dict[Factor, tuple[str, str]] = {
    "aggregates": ("few", "many"),
    "elongation": ("round", "long"),
    "nucleus": ("small", "large"),
}
LEVELS: dict[Factor, tuple[float, float]] = {"aggregates": (12, 45), "elongation": (1.15, 2.2), "nucleus": (5.5, 9.0)}
"""A count, a ratio of axes, a radius; all lengths in this file are pixels of an image of 64."""
_CHANGE = 0.05
"""Structures have intensities up to about 1; a smaller change than this is none."""
_WHITE = 1.25
"""Intensity that the camera stores as its largest value."""

_Image = Float[np.ndarray, "C H W"]
_Places = Float[np.ndarray, "..."]
_Channel = Float[np.ndarray, "H W"]


@dataclass(frozen=True)
class _Cell:
    """The factors of one cell, and the image it is drawn in."""

    size: int
    aggregates: int
    elongation: float
    nucleus: float
    rotation: float
    y: float
    x: float

    @property
    def scale(self) -> float:
        """Pixels of this image per pixel of an image of 64."""
        return self.size / 64

    @property
    def semi_axes(self) -> tuple[float, float]:
        """Half the short and half the long axis; the area is the same for every elongation."""
        return 17.5 / sqrt(self.elongation), 17.5 * sqrt(self.elongation)


class Fictus(Spec):
    """Draw cells with puncta, a membrane and a nucleus, in classes that are all combinations of two-level factors.

    Every component of a cell has a random stream of its own, named by class, index and component. So a cell can be
    drawn again as another class: only what depends on the factors that differ changes, and where it does is known.
    A larger ``count`` adds cells and leaves the others as they are; a larger ``size`` shows the same cells finer.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505: a simulation in
    three dimensions with two counts and two elongations, which this one follows in two, faster and with nuisance.
    """

    simulate: Literal["fictus"] = "fictus"
    count: PositiveInt = 400
    """Cells per class."""
    size: Annotated[int, Field(ge=16)] = 64
    """Pixels per side; all lengths scale with it."""
    seed: int = 0
    """Fixes every cell."""
    factors: tuple[Factor, ...] = ("aggregates", "elongation")
    """What the classes differ in: aggregates (12 or 45), elongation (1.15 or 2.2), nucleus (radius 5.5 or 9 px at
    size 64). A factor that is not named varies between its levels from cell to cell, whatever the class."""

    shortcut: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How far debris gives the class away, which it should not: at 0 half of all cells have it, whatever their class,
    at 1 all cells of odd labels and no others."""

    range: ClassVar[tuple[float, float]] = (0.0, 65535.0)
    """Intensity range of the images."""

    @field_validator("factors")
    @classmethod
    def _distinct(cls, factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
        if not factors or len(set(factors)) < len(factors):
            raise ValueError("expected one or more different factors; name each once")
        return factors

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes: labels count in binary, the first factor being the highest digit, low level first.

        Two factors give ``few_round``, ``few_long``, ``many_round``, ``many_long``.
        """
        return tuple("_".join(words) for words in product(*(_NAMES[factor] for factor in self.factors)))

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return ("aggregates", "membrane", "nucleus")

    def draw(self, label: int, index: int) -> UInt16[np.ndarray, "C H W"]:
        """Return the image of cell ``index`` of class ``label``."""
        return self.oracle(label, index, label, "plain")

    def oracle(
        self, label: int, index: int, target: int, kind: Literal["plain", "nuisance"]
    ) -> UInt16[np.ndarray, "C H W"]:
        """Return the same cell as if it were of class ``target``.

        ``plain`` keeps its background, debris and noise; ``nuisance`` draws these again, for a difference of
        images that also shows what no class depends on.
        """
        take = "own" if kind == "plain" else f"for {target}"
        shown = label if kind == "plain" else target
        return to_uint16(self._clean(label, index, target) + self._nuisance(label, index, take, shown), _WHITE)

    def truth(self, label: int, index: int, target: int) -> Bool[np.ndarray, "C H W"]:
        """Return where the cell differs from itself as class ``target``, before background, debris and noise.

        There the intensity of its structures, whose brightest are about 1, changes by more than 0.05.
        """
        changed: np.ndarray = np.abs(self._clean(label, index, target) - self._clean(label, index, label)) > _CHANGE
        return changed

    def detour(self, label: int, index: int, target: int) -> Bool[np.ndarray, "C H W"]:
        """Return where the debris of a cell differs from what its ``nuisance`` pair shows: where a shortcut would lie.

        There its intensity changes by more than 0.05.
        """
        takes = ((label, "own"), (target, f"for {target}"))
        own, other = (
            _debris(self.size, self._chance(label, index, "debris", take), self._odds(one)) for one, take in takes
        )
        found = np.zeros((len(self.channels), self.size, self.size), bool)
        found[2] = np.abs(other - own) > _CHANGE
        return found

    def record(self, label: int, index: int) -> dict[str, float]:
        """Return the factors of a cell; ``debris`` is 1 or 0, and places are counted from the centre of the image."""
        cell = self._cell(label, index, label)
        return {
            "aggregates": float(cell.aggregates),
            "elongation": cell.elongation,
            "nucleus_px": cell.nucleus * cell.scale,
            "rotation_rad": cell.rotation,
            "y_px": cell.y * cell.scale,
            "x_px": cell.x * cell.scale,
            "debris": float(_has_debris(self._chance(label, index, "debris", "own"), self._odds(label))),
        }

    def _chance(self, label: int, index: int, *component: str) -> np.random.Generator:
        return chance(self.seed, "fictus", label, index, *component)

    def _odds(self, label: int) -> float:
        """Return the share of cells of class ``label`` that have debris."""
        return 0.5 + self.shortcut * (0.5 if label % 2 else -0.5)

    def _cell(self, label: int, index: int, target: int) -> _Cell:
        """Return the factors of a cell of class ``label`` drawn as class ``target``."""
        require_cell(self.classes, self.count, index, label, target)
        levels = {name: LEVELS[name][target >> digit & 1] for digit, name in enumerate(reversed(self.factors))}
        for name in LEVELS.keys() - levels.keys():
            levels[name] = self._chance(label, index, "level", name).uniform(*LEVELS[name])
        pose = self._chance(label, index, "pose")
        return _Cell(
            size=self.size,
            aggregates=round(levels["aggregates"]),
            elongation=levels["elongation"],
            nucleus=levels["nucleus"],
            rotation=pose.uniform(0, tau),
            y=pose.uniform(-2, 2),
            x=pose.uniform(-2, 2),
        )

    def _clean(self, label: int, index: int, target: int) -> _Image:
        """Return the structures of a cell of class ``label`` drawn as class ``target``."""
        cell = self._cell(label, index, target)
        parts = (("aggregates", _aggregates), ("membrane", _membrane), ("nucleus", _nucleus))
        return np.stack([render(cell, self._chance(label, index, name)) for name, render in parts])

    def _nuisance(self, label: int, index: int, take: str, shown: int) -> _Image:
        """Return what should tell nothing of the class ``shown``: background, noise, and debris beside the nucleus."""
        background = self._chance(label, index, "background", take)
        glow = background.uniform(0.08, 0.2, (3, 1, 1))
        shape, width_px = (self.size, self.size), 10 * self.size / 64
        image: _Image = glow + 0.04 * np.stack([smooth_field(shape, width_px, background) for _ in self.channels])
        image[2] += _debris(self.size, self._chance(label, index, "debris", take), self._odds(shown))
        image += noise(image.shape, 0.04, self._chance(label, index, "noise", take))
        return image


def _turned(y: _Places, x: _Places, angle: float) -> tuple[_Places, _Places]:
    """Return rows and columns in axes turned by ``angle``."""
    return cos(angle) * y - sin(angle) * x, sin(angle) * y + cos(angle) * x


def _aggregates(cell: _Cell, rng: np.random.Generator) -> _Channel:
    """Return the puncta: the first ones of a ranked list that is as long as any cell needs."""
    most = int(LEVELS["aggregates"][1])
    angle, reach = rng.uniform(0, tau, most), np.sqrt(rng.uniform(0.06, 0.75, most))
    sigma, peak = rng.uniform(0.8, 1.4, most), rng.uniform(0.6, 1.6, most)
    short, long = cell.semi_axes
    across, along = short * reach * np.sin(angle), long * reach * np.cos(angle)
    y, x = _turned(across, along, -cell.rotation)
    centres = np.stack([y + cell.y, x + cell.x], axis=1)
    first = slice(cell.aggregates)
    light: _Channel = -np.expm1(-spots(cell.size, cell.scale * centres[first], cell.scale * sigma[first], peak[first]))
    return light


def _membrane(cell: _Cell, rng: np.random.Generator) -> _Channel:
    """Return the outline: an ellipse, slightly rough, unevenly stained."""
    y, x = centred(cell.size)
    y, x = y - cell.y * cell.scale, x - cell.x * cell.scale
    short, long = cell.semi_axes
    distance = ellipse_distance(*_turned(y, x, cell.rotation), short * cell.scale, long * cell.scale)
    shape = (cell.size, cell.size)
    rough, stain = (smooth_field(shape, width * cell.scale, rng) for width in (7, 5))
    stained = np.clip(rng.uniform(0.75, 0.95) * (1 + 0.15 * stain), 0.3, 1.2)
    image: _Channel = stained * line(distance + 0.6 * cell.scale * rough, 1.3 * cell.scale)
    return image


def _nucleus(cell: _Cell, rng: np.random.Generator) -> _Channel:
    """Return the nucleus: nearly a disc, nearly in the middle, with the texture of chromatin."""
    y, x = centred(cell.size)
    dy, dx = rng.uniform(-1, 1, 2)
    y, x = y - (cell.y + dy) * cell.scale, x - (cell.x + dx) * cell.scale
    angle, aspect = rng.uniform(0, tau), sqrt(rng.uniform(1, 1.2))
    radius = cell.nucleus * cell.scale
    distance = ellipse_distance(*_turned(y, x, angle), radius / aspect, radius * aspect)
    shape = (cell.size, cell.size)
    rough, chromatin = (smooth_field(shape, width * cell.scale, rng) for width in (5, 1.5))
    stained = np.clip(rng.uniform(0.65, 0.85) * (1 + 0.2 * chromatin), 0.3, 1.2)
    image: _Channel = stained * edge(distance + 0.4 * cell.scale * rough, 0.9 * cell.scale)
    return image


def _has_debris(rng: np.random.Generator, odds: float) -> bool:
    return bool(rng.random() < odds)


def _debris(size: int, rng: np.random.Generator, odds: float) -> _Channel:
    """Return three bright discs near the border, in a share of the cells."""
    if not _has_debris(rng, odds):
        return np.zeros((size, size))
    y, x = centred(size)
    scale = size / 64
    angles = rng.uniform(0, tau) + tau / 3 * np.arange(3) + rng.uniform(-0.4, 0.4, 3)
    squares = [(y - 26 * scale * sin(angle)) ** 2 + (x - 26 * scale * cos(angle)) ** 2 for angle in angles]
    return rng.uniform(0.7, 1.0) * edge(np.sqrt(np.min(squares, axis=0)) - 5 * scale, 0.9 * scale)
