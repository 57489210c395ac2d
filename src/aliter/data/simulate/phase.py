"""Fields of cells without stain and with: what light makes of one layout, and what two dyes would show of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import exp, pi
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Float, Float32, UInt8, UInt16
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator
from scipy.ndimage import gaussian_filter

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.simulate.asked import require_drawn
from aliter.data.simulate.cells import PIXEL_UM, Cell, cells_of
from aliter.data.simulate.microscope import PhaseContrast, brightfield, recovered_phase
from aliter.data.simulate.optics import smooth_field

_Plane = Float[np.ndarray, "H W"]

MARGIN = 32
"""Pixels that are drawn around a field and not shown: images of light are periodic, cells go on."""
_WAVELENGTH_UM = 0.55
_WHITE = 16383
"""The camera has 14 bits."""
_PHOTONS = {"phase": 1500.0, "nuclei": 110.0, "membrane": 70.0}
"""Of the background of the phase image; of a micrometre of nucleus; of a membrane that lies flat."""
_OFFSET, _READ, _HAZE = 20.0, 2.0, 15.0
_HAZE_WAVE = 0.2
_BLUR_PX = {"nuclei": 0.21 * 0.46 / 0.45 / PIXEL_UM, "membrane": 0.21 * 0.60 / 0.45 / PIXEL_UM}
"""Deviation of a Gaussian as wide as the objective's point spread function, for either dye's light."""
_FOCI_UM = (-12.0, -6.0, 6.0, 12.0)
_SLIVER = 30
"""Nuclei of which fewer pixels are seen have no number."""


@dataclass(frozen=True)
class Pair:
    """One field, without stain and with, and all that is known of it."""

    image: UInt16[np.ndarray, "3 H W"]
    """Phase, nuclei, membrane: counts of a camera."""
    nuclei: UInt16[np.ndarray, "H W"]
    """Number of the nucleus at each pixel, 0 where there is none."""
    cells: UInt16[np.ndarray, "H W"]
    mean: Float32[np.ndarray, "2 H W"]
    """The stains, averaged over all that light without stain cannot tell: what an oracle would predict."""
    variance: Float32[np.ndarray, "2 H W"]
    """Of the stains about that mean: no prediction has a smaller mean squared error in the long run."""


class Phase(Spec):
    """Draw cells by what they do to light, and by what two dyes would show.

    How strongly a cell takes up a dye, the texture of a dye, haze and noise do not depend on anything that is seen
    without stain. They are all that the oracle does not know, so its mean and variance have a closed form: with
    ``S`` a cell's stain and ``e`` its strength, a pixel's light is ``sum(e S) (1 + a T)`` plus haze, ``T`` of variance
    1. Each field has random streams of its own, named by index and component: other optics show the same cells.
    """

    simulate: Literal["phase"] = "phase"
    count: Annotated[int, Field(ge=4)] = 48
    """Fields."""
    held: Annotated[float, Field(gt=0, lt=0.5)] = 0.25
    """Share of the fields to calibrate, and of those to test; all others are to learn from."""
    size: Annotated[int, Field(ge=64)] = 256
    """Pixels a side, of 0.325 um."""
    modality: Literal["phase_contrast", "brightfield", "quantitative"] = "phase_contrast"
    """How the field is seen without stain: after Zernike, out of focus, or as phase recovered from four planes."""
    defocus_um: float = 0.0
    """How far out of focus; brightfield lies 5 um further."""
    polarity: Literal["positive", "negative"] = "positive"
    """Of phase contrast: whether what delays light is bright or dark."""
    density: NonNegativeFloat = 1.0
    """Cells, as a multiple of about 20 in 256 x 256 pixels."""
    drift_rad: NonNegativeFloat = 0.05
    """Deviation of slow changes of phase."""
    expression: NonNegativeFloat = 0.3
    """Deviation of the logarithm of how strongly a cell takes up a dye."""
    texture: NonNegativeFloat = 0.18
    """Deviation of the texture of a dye, of 1."""
    unlabelled: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of nuclei that take up no dye."""
    empty: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of fields without cells."""
    bare: NonNegativeInt = 0
    """So many of the fields to learn from are without cells, the first ones: who has seen some leaves others empty."""
    photons: PositiveFloat = 1.0
    """Light, as a multiple."""
    seed: int = 0
    """Fixes every field."""

    classes: ClassVar[tuple[str, ...]] = ("fields",)
    channels: ClassVar[tuple[str, ...]] = ("phase", "nuclei", "membrane")
    stains: ClassVar[tuple[str, ...]] = ("nuclei", "membrane")
    range: ClassVar[tuple[float, float]] = (0.0, float(_WHITE))

    @property
    def splits(self) -> UInt8[np.ndarray, " N"]:
        """The split of each field: 0 to train, 1 to calibrate, 2 to test."""
        held = max(1, round(self.count * self.held))
        return np.repeat(np.array([0, 1, 2], np.uint8), (self.count - 2 * held, held, held))

    @model_validator(mode="after")
    def _some_have_cells(self) -> "Phase":
        if self.bare >= (learned := int(np.sum(self.splits == 0))):
            raise ValueError(f"bare: expected fewer than the {learned} fields to learn from, found {self.bare}")
        return self

    def draw(self, index: int) -> Pair:
        """Return field ``index`` with its truth.

        Raises
        ------
        RequestError
            If there is no such field.
        """
        require_drawn("field", index, self.count)
        return _Drawing(self, index).pair()


@dataclass(frozen=True)
class _Drawing:
    """One field while it is drawn, with its margin."""

    phase: Phase
    index: int

    @cached_property
    def shape(self) -> tuple[int, int]:
        return (self.phase.size + 2 * MARGIN,) * 2

    def chance(self, *component: str) -> np.random.Generator:
        return chance(self.phase.seed, "phase", self.index, *component)

    @cached_property
    def cells(self) -> list[Cell]:
        spec = self.phase
        if self.index < spec.bare or self.chance("empty").random() < spec.empty:
            return []
        return cells_of(self.shape, spec.density, self.chance("layout"))

    def pair(self) -> Pair:
        stains = [self.stain(name) for name in self.phase.stains]
        seen = [self.counted("phase", self.light()), *(image for image, _, _ in stains)]
        nuclei, cells = self.labels()
        return Pair(
            _cropped(np.stack([np.clip(np.rint(one), 0, _WHITE) for one in seen])).astype(np.uint16),
            _without_slivers(_cropped(nuclei)),
            _cropped(cells),
            _cropped(np.stack([mean for _, mean, _ in stains])).astype(np.float32),
            _cropped(np.stack([variance for _, _, variance in stains])).astype(np.float32),
        )

    def labels(self) -> tuple[UInt16[np.ndarray, "H W"], UInt16[np.ndarray, "H W"]]:
        nuclei, cells = np.zeros((2, *self.shape), np.uint16)
        for number, cell in enumerate(self.cells, start=1):
            nuclei[cell.box][cell.nucleus] = number
            cells[cell.box][cell.inside] = number
        return nuclei, cells

    def light(self) -> _Plane:
        """Return what is seen without stain, its background being 1."""
        spec, phase = self.phase, self.retardation()
        if spec.modality == "phase_contrast":
            shift = pi / 2 if spec.polarity == "positive" else -pi / 2
            return PhaseContrast(shift=shift).image(phase, PIXEL_UM, spec.defocus_um)
        none = np.zeros(self.shape)
        if spec.modality == "brightfield":
            return np.asarray(np.clip(brightfield(phase, none, PIXEL_UM, 5.0 + spec.defocus_um), 0, None))
        planes = [np.clip(brightfield(phase, none, PIXEL_UM, z + spec.defocus_um), 0, None) for z in _FOCI_UM]
        noisy = [self.counted("phase", one, str(z)) / self.full for one, z in zip(planes, _FOCI_UM, strict=True)]
        return np.asarray(np.clip(1 + recovered_phase(noisy, PIXEL_UM, _FOCI_UM), 0, None))

    @cached_property
    def full(self) -> float:
        """Counts of the background without stain."""
        return _PHOTONS["phase"] * self.phase.photons

    def counted(self, name: str, light: _Plane, *keys: str) -> _Plane:
        """Return the counts of a camera; a recovered phase has its noise already."""
        if name == "phase" and self.phase.modality == "quantitative" and not keys:
            return np.asarray(light * self.full)
        rng = self.chance("photons", name, *keys)
        return np.asarray(rng.poisson(light * self.full) + _READ * rng.standard_normal(light.shape))

    def retardation(self) -> _Plane:
        """Return the phase that the specimen gives to light, in radians."""
        path = np.zeros(self.shape)
        for cell in self.cells:
            path[cell.box] += cell.path_um
        drift = self.phase.drift_rad * smooth_field(self.shape, 50.0, self.chance("drift"))
        found: _Plane = 2 * pi / _WAVELENGTH_UM * path + drift
        return found

    def stain(self, name: str) -> tuple[_Plane, _Plane, _Plane]:
        """Return the counts of one stain, and the mean and variance that the oracle states."""
        spec, gain = self.phase, _PHOTONS[name] * self.phase.photons
        first, second = _moments(spec.expression, spec.unlabelled if name == "nuclei" else 0.0)
        shown, mean, spread = np.zeros((3, *self.shape))
        for (box, light), strength in zip(self.emitted(name), self.strengths(name), strict=True):
            shown[box] += strength * gain * light
            mean[box] += first * gain * light
            spread[box] += (second - first**2) * (gain * light) ** 2
        texture = spec.texture * smooth_field(self.shape, 1.5, self.chance("texture", name))
        haze = _HAZE * spec.photons
        slow = haze * (1 + _HAZE_WAVE * smooth_field(self.shape, 40.0, self.chance("haze", name)))
        light = np.clip(shown * (1 + texture) + slow, 0, None)
        rng = self.chance("photons", name)
        counts = _OFFSET + rng.poisson(light) + _READ * rng.standard_normal(self.shape)
        expected = mean + haze
        variance = (1 + spec.texture**2) * (spread + mean**2) - mean**2 + (haze * _HAZE_WAVE) ** 2
        return counts, _OFFSET + expected, variance + expected + _READ**2 + 1 / 12

    def emitted(self, name: str) -> Iterator[tuple[tuple[slice, ...], _Plane]]:
        """Yield where each cell gives light of one stain, and how much, through the objective."""
        for cell in self.cells:
            light = np.pad(cell.nucleus_um if name == "nuclei" else cell.membrane, 4)
            box = tuple(slice(one.start - 4, one.stop + 4) for one in cell.box)
            inside = tuple(
                slice(max(0, -one.start), n - max(0, one.stop - full))
                for one, n, full in zip(box, light.shape, self.shape, strict=True)
            )
            there = tuple(
                slice(max(0, one.start), min(full, one.stop)) for one, full in zip(box, self.shape, strict=True)
            )
            yield there, gaussian_filter(light, _BLUR_PX[name], mode="constant")[inside]

    def strengths(self, name: str) -> Float[np.ndarray, " K"]:
        """Return how strongly each cell takes up a dye."""
        rng, count = self.chance("expression", name), len(self.cells)
        strengths = np.exp(self.phase.expression * rng.standard_normal(count))
        dark = rng.random(count) < self.phase.unlabelled
        return np.where(dark & (name == "nuclei"), 0.0, strengths)


def _moments(deviation: float, dark: float) -> tuple[float, float]:
    """Return first and second moment of a log-normal strength that is 0 for a share of cells."""
    return (1 - dark) * exp(deviation**2 / 2), (1 - dark) * exp(2 * deviation**2)


def _cropped(planes: np.ndarray) -> np.ndarray:
    return planes[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def _without_slivers(labels: UInt16[np.ndarray, "H W"]) -> UInt16[np.ndarray, "H W"]:
    small = np.bincount(labels.ravel()) < _SLIVER
    return np.where(small[labels], 0, labels).astype(np.uint16)
