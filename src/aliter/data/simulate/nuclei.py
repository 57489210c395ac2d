"""Fields of nuclei: crowded, hazy, blurred and noisy, in two or three dimensions, with every nucleus known."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod, tau
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from pydantic import Field
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.simulate.asked import require_drawn
from aliter.data.simulate.optics import smooth_field, to_uint16

_Field = Float[np.ndarray, "*space"]

_SEMI_PX = (11.0, 17.0)
_FLAT = 2.0
"""Lengths along z are shorter by this factor: planes stand further apart than pixels."""
_BLUR_PX = 1.3
_COVER = 0.27
"""Share of the field that nuclei would take if none overlapped."""
_OVERLAP = 0.08
_WHITE = 2.5
_TRIES = 40


@dataclass(frozen=True)
class Scene:
    """One field and what is in it."""

    image: UInt16[np.ndarray, "1 *space"]
    objects: UInt16[np.ndarray, "*space"]
    """Number of the nucleus at each voxel, 0 where there is none; the upper one where two overlap."""
    others: UInt16[np.ndarray, "*space"]
    """Number of the object that is no such nucleus."""


@dataclass(frozen=True)
class _Body:
    """A shape in the field: where, and how bright it is."""

    box: tuple[slice, ...]
    inside: Bool[np.ndarray, "*space"]
    bright: float
    own: bool
    """Whether it is a nucleus that is looked for."""


class Nuclei(Spec):
    """Draw fields of textured nuclei that touch and overlap, under haze, blur, photon noise and read noise.

    Each field has random streams of its own, named by index and component; a larger ``count`` adds fields and
    leaves the others as they are.

    References
    ----------
    Svoboda and Ulman 2017, MitoGen: a framework for generating 3D synthetic time-lapse sequences, IEEE TMI 36(1): how
    the simulated nuclei of the Cell Tracking Challenge are made, which this follows in spirit.
    """

    simulate: Literal["nuclei"] = "nuclei"
    count: Annotated[int, Field(ge=4)] = 20
    """Fields: two fifths to train, a fifth to validate, two fifths to test."""
    size: Annotated[int, Field(ge=32)] = 256
    """Pixels per side."""
    depth: Annotated[int, Field(ge=8)] | None = None
    """Planes of a volume, twice as far apart as pixels; None makes flat fields."""
    among: Literal["nothing", "texture", "debris"] = "nothing"
    """What else is there, as bright and as common: ``texture``, nuclei of coarser texture, all else alike;
    ``debris``, ragged bodies without texture."""
    seed: int = 0
    """Fixes every field."""

    range: ClassVar[tuple[float, float]] = (0.0, 65535.0)
    """Intensity range of the images."""
    classes: ClassVar[tuple[str, ...]] = ("fields",)
    channels: ClassVar[tuple[str, ...]] = ("nuclei",)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a field."""
        return (self.size, self.size) if self.depth is None else (self.depth, self.size, self.size)

    @property
    def splits(self) -> UInt8[np.ndarray, " N"]:
        """The split of each field: 0 to train, 1 to validate, 2 to test."""
        val, test = max(1, round(self.count / 5)), max(1, round(self.count * 2 / 5))
        return np.repeat(np.array([0, 1, 2], np.uint8), (self.count - val - test, val, test))

    def draw(self, index: int) -> Scene:
        """Return field ``index`` with its truth.

        Raises
        ------
        RequestError
            If there is no such field.
        """
        require_drawn("field", index, self.count)
        return _Drawing(self, index).scene()


@dataclass(frozen=True)
class _Drawing:
    """One field while it is drawn."""

    nuclei: Nuclei
    index: int

    @cached_property
    def scales(self) -> tuple[float, ...]:
        """Voxels per pixel of the plane, along each axis."""
        return (1 / _FLAT, 1.0, 1.0)[-len(self.nuclei.shape) :]

    def chance(self, *component: str) -> np.random.Generator:
        return chance(self.nuclei.seed, "nuclei", self.index, *component)

    def scene(self) -> Scene:
        shape, bodies = self.nuclei.shape, self.bodies()
        objects, others = np.zeros((2, *shape), np.uint16)
        signal = np.zeros(shape)
        textures = {own: self.texture(own) for own in {body.own for body in bodies}}
        counts = {True: 0, False: 0}
        for body in bodies:
            counts[body.own] += 1
            free = body.inside & (objects[body.box] == 0) & (others[body.box] == 0)
            (objects if body.own else others)[body.box][free] = counts[body.own]
            signal[body.box] += body.bright * body.inside * textures[body.own][body.box]
        return Scene(to_uint16(self.seen(signal)[None], _WHITE), objects, others)

    def bodies(self) -> list[_Body]:
        """Place bodies at random, none of which hides more than a little of another."""
        rng, shape = self.chance("places"), self.nuclei.shape
        among = self.nuclei.among != "nothing"
        mean = float(np.mean(_SEMI_PX))
        volume = tau / 2 * mean**2 * (1 if len(shape) == 2 else 4 / 3 * mean / _FLAT)
        wanted = max(2, round(_COVER * prod(shape) / volume))
        taken, bodies = np.zeros(shape, bool), list[_Body]()
        for number in range(wanted):
            own = not among or number % 2 == 0
            for _ in range(_TRIES):
                body = self.body(rng, own)
                hidden = taken[body.box][body.inside]
                if hidden.size and hidden.mean() <= _OVERLAP:
                    taken[body.box] |= body.inside
                    bodies.append(body)
                    break
        return bodies

    def body(self, rng: np.random.Generator, own: bool) -> _Body:
        """Return a body somewhere: an ellipse or ellipsoid whose radius waves with the angle."""
        shape, ragged = self.nuclei.shape, not own and self.nuclei.among == "debris"
        centre = rng.uniform(0, 1, len(shape)) * shape
        semi = rng.uniform(*_SEMI_PX, len(shape)) * self.scales
        angle, bright = rng.uniform(0, tau), rng.uniform(0.18, 1)
        waves = rng.normal(0, 0.14 if ragged else 0.05, (3, 2))
        reach = np.array([*semi[:-2], *([semi[-2:].max()] * 2)]) * 1.5
        low = np.maximum(np.floor(centre - reach), 0).astype(int)
        high = np.minimum(np.ceil(centre + reach), shape).astype(int)
        box = tuple(slice(int(a), int(max(a, b))) for a, b in zip(low, high, strict=True))
        axes = [np.arange(one.start, one.stop) + 0.5 - at for one, at in zip(box, centre, strict=True)]
        *z, y, x = np.meshgrid(*axes, indexing="ij", sparse=True)
        along, across = y * np.cos(angle) + x * np.sin(angle), x * np.cos(angle) - y * np.sin(angle)
        u, v = along / semi[-2], across / semi[-1]
        around = np.arctan2(v, u)
        radius = 1 + sum(a * np.cos(n * around) + b * np.sin(n * around) for n, (a, b) in enumerate(waves, start=2))
        level = (u**2 + v**2) / radius**2 + sum((one / semi[0]) ** 2 for one in z)
        return _Body(box, np.asarray(level < 1), float(bright), own)

    def texture(self, own: bool) -> _Field:
        """Return how the inside of bodies varies about 1."""
        rng = self.chance("texture", "own" if own else "other")
        match self.nuclei.among, own:
            case "texture", True:
                return np.clip(1 + 0.3 * self.blurred(2.0, rng), 0, None)
            case "texture", False:
                return np.clip(1 + 0.3 * self.blurred(5.0, rng), 0, None)
            case "debris", False:
                return np.ones(self.nuclei.shape)
        return np.clip(1 + 0.45 * (0.7 * self.field(2.2, rng) + 0.5 * self.field(5.0, rng)), 0, None)

    def field(self, width_px: float, rng: np.random.Generator) -> _Field:
        """Return a smooth random field of deviation 1."""
        return smooth_field(self.nuclei.shape, tuple(width_px * scale for scale in self.scales), rng)

    def blurred(self, width_px: float, rng: np.random.Generator) -> _Field:
        """Return a smooth random field whose deviation is 1 once the microscope has blurred it."""
        kept = (1 + (_BLUR_PX / width_px) ** 2) ** (len(self.nuclei.shape) / 4)
        found: _Field = self.field(width_px, rng) * kept
        return found

    def seen(self, signal: _Field) -> _Field:
        """Return what the camera sees: haze, blur, photons, read noise."""
        haze = 0.25 + 0.35 * ndtr(self.field(25.0, self.chance("haze")))
        sharp = gaussian_filter(signal, _widths(self.scales), mode="nearest") + haze
        photons = self.chance("photons")
        gain = photons.uniform(40, 60)
        counted = photons.poisson(np.clip(sharp, 0, None) * gain) / gain
        read: _Field = counted + 0.015 * self.chance("read").standard_normal(signal.shape)
        return read


def _widths(scales: Sequence[float]) -> list[float]:
    """Return the deviations of the point spread function in voxels; along z it is three times as wide."""
    return [_BLUR_PX * scale * (3.0 if axis < len(scales) - 2 else 1.0) for axis, scale in enumerate(scales)]
