"""Fictus aggregatum in three dimensions, as published: a cell in a volume, seen through a microscope."""

from dataclasses import dataclass, replace
from functools import lru_cache
from math import tau
from typing import Annotated, ClassVar, Literal

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16
from pydantic import Field, PositiveInt
from scipy.ndimage import gaussian_filter, map_coordinates

from aliter.core.rng import chance
from aliter.core.spec import Spec
from aliter.data.simulate.asked import require_cell
from aliter.data.simulate.optics import edge, noise, spots, to_uint16
from aliter.data.simulate.spheroid import Axes, Lattice, depth, smoothed_sd

_SIZE = 128
"""Lengths in this file are voxels of a volume of so many on a side."""
_RADIUS, _SHELL = 25.0, 3.0
_ELONGATIONS, _CLUSTERS = (1.5, 2.5), (50, 200)
_PUNCTA, _LIGHT = 10, 10.0
"""Of a cluster, on average; and what each adds."""
_CANDIDATES = 12_000
"""Places that are tried for clusters, of which about one in nine is taken."""
_PSF = (5.0, 1.0, 1.0)
_REACH = 20
"""Planes on each side that reach into one."""
_JITTER = smoothed_sd(500.0, 10.0)
_CHROMATIN = smoothed_sd(5.0, 1.0)
_STAIN = smoothed_sd(25.0, 15.0)
_NOISE, _CHANGE = 0.1, 0.05
_COARSE = np.arange(-_SIZE / 2, _SIZE / 2 + 1, 4.0)
_WHITE = np.array([3.2, 1.3, 2.2])[:, None, None]
"""Intensity that the camera stores as its largest value, of each channel."""
_NAMES = tuple(f"{shape}_{number}" for shape in ("short", "long") for number in ("few", "many"))

_Plane = Float[np.ndarray, "C H W"]


@dataclass(frozen=True)
class _Cell:
    """A cell with all that its class does not decide but its number."""

    axis: Float[np.ndarray, " 3"]
    """Direction of its long axis: z, y, x."""
    elongation: float
    jitter: Lattice
    grid: Float[np.ndarray, "N N N"]
    """Distance to the surface at every fourth voxel."""
    nucleus: Float[np.ndarray, " 3"]
    radius: float

    def inside(self, axes: Axes) -> Float[np.ndarray, "D H W"]:
        """Return the distance to the surface, positive inside, where these places on the three axes cross."""
        return depth(self.axis, _RADIUS, self.elongation, axes) + _JITTER * self.jitter(axes)


class FictusVolume(Spec):
    """Draw cells in volumes of 128 voxels a side; an image is the middle plane. Four classes, as published.

    A spheroid of radius 25 and elongation 1.5 or 2.5, turned at random, with a rough membrane; in its deepest place a
    nucleus with chromatin; 50 or 200 clusters of puncta, most often 20 below the surface. Seen through a Gaussian
    point spread function of (5, 1, 1), with noise. Distances are exact where the original counts voxels; the many
    clusters contain the few; each has a Poisson number of puncta about 10. Every component has a random stream of its
    own, so a cell can be drawn again as another class. At a smaller ``size`` the same cells are seen coarser.

    References
    ----------
    Adjavon et al. 2024, Quantitative attributions with counterfactuals, bioRxiv 2024.11.26.625505.
    """

    simulate: Literal["fictus_volume"] = "fictus_volume"
    count: PositiveInt = 400
    """Cells per class."""
    size: Annotated[int, Field(ge=16)] = _SIZE
    """Pixels per side."""
    seed: int = 0
    """Fixes every cell."""

    range: ClassVar[tuple[float, float]] = (0.0, 65535.0)
    """Intensity range of the images."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; the original calls them 0 to 3, in this order."""
        return _NAMES

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return ("aggregates", "membrane", "nucleus")

    def draw(self, label: int, index: int) -> UInt16[np.ndarray, "C H W"]:
        """Return the middle plane of cell ``index`` of class ``label``."""
        return self.oracle(label, index, label, "plain")

    def oracle(
        self, label: int, index: int, target: int, kind: Literal["plain", "nuisance"]
    ) -> UInt16[np.ndarray, "C H W"]:
        """Return the same cell as if it were of class ``target``; ``nuisance`` draws noise and uneven stain anew."""
        self._check(label, index, target)
        take = "own" if kind == "plain" else f"for {target}"
        image = _clean(self, label, index, target) + self._nuisance(label, index, take, self.size // 2)
        return to_uint16(image / _WHITE, 1.0)

    def truth(self, label: int, index: int, target: int) -> Bool[np.ndarray, "C H W"]:
        """Return where the cell differs from itself as class ``target``, before noise.

        There its intensity changes by more than a twentieth of the largest that the camera stores.
        """
        self._check(label, index, target)
        change = np.abs(_clean(self, label, index, target) - _clean(self, label, index, label))
        return np.asarray(change > _CHANGE * _WHITE)

    def volume(self, label: int, index: int) -> UInt16[np.ndarray, "C D H W"]:
        """Return the whole volume, whose middle plane is the image."""
        self._check(label, index, label)
        cell, planes = _cell(self, label, index, label >> 1), range(self.size)
        raw = {z: self._raw(cell, label, index, z) for z in range(-self._reach, self.size + self._reach)}
        clean = [self._blurred(raw, z) for z in planes]
        puncta = [self._puncta(label, index, label, z) for z in planes]
        seen = [
            np.concatenate([one[None], two]) + self._nuisance(label, index, "own", z)
            for z, one, two in zip(planes, puncta, clean, strict=True)
        ]
        return np.stack([to_uint16(one / _WHITE, 1.0) for one in seen], axis=1)

    def labels(self, label: int, index: int) -> UInt8[np.ndarray, "D H W"]:
        """Return what each voxel is: 0 background, 1 cytoplasm, 2 membrane, 3 nucleus."""
        self._check(label, index, label)
        cell = _cell(self, label, index, label >> 1)
        out = np.zeros((self.size,) * 3, np.uint8)
        for z in range(self.size):
            depth = self._depth(cell, z)
            out[z][depth > 0] = 1
            out[z][np.abs(depth) < _SHELL] = 2
            out[z][self._from_nucleus(cell, label, index, z) < 0] = 3
        return out

    def record(self, label: int, index: int) -> dict[str, float]:
        """Return the factors of a cell; places are voxels of 128, counted from the centre."""
        self._check(label, index, label)
        cell = _cell(self, label, index, label >> 1)
        places = {f"nucleus_{name}": float(one) for name, one in zip("zyx", cell.nucleus, strict=True)}
        return {
            "clusters": float(self._count(label, index, label)),
            "elongation": cell.elongation,
            "tilt_rad": float(np.arccos(abs(cell.axis[0]))),
            "nucleus_radius": cell.radius,
            **places,
        }

    @property
    def _step(self) -> float:
        """Voxels of a volume of 128 per pixel."""
        return _SIZE / self.size

    @property
    def _reach(self) -> int:
        return int(np.ceil(_REACH / self._step))

    def _at(self, place: int | np.ndarray) -> np.ndarray:
        """Return where pixels are, in voxels from the centre; the middle plane goes through it."""
        return np.asarray((place - self.size // 2) * self._step)

    def _chance(self, label: int, index: int, *component: str | int) -> np.random.Generator:
        return chance(self.seed, "fictus_volume", label, index, *component)

    def _check(self, label: int, index: int, target: int) -> None:
        require_cell(self.classes, self.count, index, label, target)

    def _count(self, label: int, index: int, target: int) -> int:
        return round(_CLUSTERS[target & 1] + self._chance(label, index, "clusters").standard_normal())

    def _axes(self, z: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        row = self._at(np.arange(self.size))
        return self._at(np.array([z])), row, row

    def _depth(self, cell: _Cell, z: int) -> Float[np.ndarray, "H W"]:
        """Return the distance to the surface at each pixel of a plane, positive inside."""
        return np.asarray(cell.inside(self._axes(z))[0])

    def _from_nucleus(self, cell: _Cell, label: int, index: int, z: int) -> Float[np.ndarray, "H W"]:
        """Return the distance to the surface of the nucleus at each pixel of a plane, negative inside."""
        (depth,), rows, columns = (one - place for one, place in zip(self._axes(z), cell.nucleus, strict=True))
        if abs(depth) > 2 * cell.radius:
            return np.full((self.size, self.size), np.inf)
        rough = _lattice(self, label, index, "nucleus", 10.0)((np.array([depth]), rows, columns))[0]
        return np.asarray(np.sqrt(depth**2 + rows[:, None] ** 2 + columns**2) - cell.radius + _JITTER * rough)

    def _raw(self, cell: _Cell, label: int, index: int, z: int) -> Float[np.ndarray, "2 H W"]:
        """Return membrane and nucleus in a plane, sharp."""
        depth = self._depth(cell, z)
        membrane = 1 / (1 + np.exp(np.minimum(np.abs(depth) - _SHELL, 50)))
        return np.stack([membrane, self._chromatin(cell, label, index, z)])

    def _chromatin(self, cell: _Cell, label: int, index: int, z: int) -> Float[np.ndarray, "H W"]:
        mask = edge(np.minimum(self._from_nucleus(cell, label, index, z), 99), 0.5)
        image = np.zeros((self.size, self.size))
        rows, columns = (np.flatnonzero(mask.max(axis) > 1e-6) for axis in (1, 0))
        if rows.size:
            box = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
            depth, y, x = (one - place for one, place in zip(self._axes(z), cell.nucleus, strict=True))
            texture = _lattice(self, label, index, "chromatin", 1.0)((depth, y[box[0]], x[box[1]]))[0]
            image[box] = mask[box] * (1 + _CHROMATIN * texture)
        return image

    def _blurred(self, raw: dict[int, Float[np.ndarray, "2 H W"]], z: int) -> Float[np.ndarray, "2 H W"]:
        """Return plane ``z`` as the microscope shows it."""
        offsets = np.arange(-self._reach, self._reach + 1)
        weights = np.exp(-((offsets * self._step / _PSF[0]) ** 2) / 2)
        weights /= weights.sum()
        # One after the other: the order of a sum must not depend on how many planes are drawn.
        plane = np.zeros((2, self.size, self.size))
        for offset, weight in zip(offsets.tolist(), weights, strict=True):
            plane += weight * raw[z + offset]
        blur = (0.0, _PSF[1] / self._step, _PSF[2] / self._step)
        return np.asarray(gaussian_filter(plane, blur, mode="nearest", truncate=5))

    def _puncta(self, label: int, index: int, target: int, z: int) -> Float[np.ndarray, "H W"]:
        """Return the puncta as the microscope shows them in a plane."""
        clusters = _clusters(self, label, index, target >> 1)
        places = np.concatenate(clusters[: self._count(label, index, target)])
        away = places[:, 0] - self._at(z)
        near = np.abs(away) < _REACH
        peaks = _LIGHT * np.exp(-((away[near] / _PSF[0]) ** 2) / 2) / (tau**1.5 * np.prod(_PSF))
        centres = (places[near, 1:] / self._step) + (self.size // 2 + 0.5 - self.size / 2)
        return spots(self.size, centres, np.full(near.sum(), _PSF[1] / self._step), peaks)

    def _nuisance(self, label: int, index: int, take: str, z: int) -> _Plane:
        """Return noise, and in the membrane's channel uneven stain."""
        grain = noise((3, self.size, self.size), _NOISE, self._chance(label, index, "noise", take, z))
        stain = _lattice(self, label, index, f"stain {take}", 15.0)(self._axes(z))[0]
        grain = grain.astype(np.float64)
        grain[1] += _STAIN * stain
        return grain


@lru_cache(maxsize=4)
def _cell(cells: FictusVolume, label: int, index: int, long: int) -> _Cell:
    """Return a cell as short or long; its deepest voxel holds the nucleus."""
    direction = cells._chance(label, index, "pose").standard_normal(3)
    shape = Lattice.drawn(1.5 * _SIZE, 10.0, cells._chance(label, index, "shape"))
    nothing = np.zeros((0, 0, 0))
    cell = _Cell(direction / np.linalg.norm(direction), _ELONGATIONS[long], shape, nothing, np.zeros(3), 0.0)
    grid = cell.inside((_COARSE, _COARSE, _COARSE))
    centre = _COARSE[list(np.unravel_index(int(grid.argmax()), grid.shape))]
    near = tuple(place + np.arange(-4.0, 5.0) for place in centre)
    inside = cell.inside((near[0], near[1], near[2]))
    deepest = np.unravel_index(int(inside.argmax()), inside.shape)
    nucleus = np.array([axis[place] for axis, place in zip(near, deepest, strict=True)])
    radius = min(float(round(2 * _RADIUS / 3)), float(inside[deepest]) - 9)
    return replace(cell, grid=grid, nucleus=nucleus, radius=radius)


@lru_cache(maxsize=12)
def _lattice(cells: FictusVolume, label: int, index: int, name: str, sigma: float) -> Lattice:
    """Return one of a cell's random fields; that of chromatin reaches no further than a nucleus."""
    reach = 2.0 * round(2 * _RADIUS / 3) if sigma < 2 else 1.5 * _SIZE
    return Lattice.drawn(reach, sigma, cells._chance(label, index, name))


@lru_cache(maxsize=4)
def _clusters(cells: FictusVolume, label: int, index: int, long: int) -> tuple[Float[np.ndarray, "N 3"], ...]:
    """Return the puncta of each cluster that the cell may have, from the first to the last.

    Places that are even over the spheroid are taken with the probability that the depth gives them.
    """
    cell, rng = _cell(cells, label, index, long), cells._chance(label, index, "aggregates")
    ball = rng.standard_normal((_CANDIDATES, 3))
    ball *= (np.cbrt(rng.random(_CANDIDATES)) / np.linalg.norm(ball, axis=1))[:, None]
    keep, counts = rng.random(_CANDIDATES), rng.poisson(_PUNCTA, _CANDIDATES)
    along = ball @ cell.axis
    places = _RADIUS * (ball + (cell.elongation - 1) * along[:, None] * cell.axis)
    inside = map_coordinates(cell.grid, (places.T - _COARSE[0]) / 4, order=1, cval=-1.0)
    taken = (inside > 0) & (keep < np.exp(-(((inside - 20) / 10) ** 2)))
    ends = np.cumsum(counts)
    offsets = cells._chance(label, index, "puncta").standard_normal((int(ends[-1]), 3))
    rows = np.flatnonzero(taken)[: _CLUSTERS[1] + 8]
    return tuple(places[row] + offsets[ends[row] - counts[row] : ends[row]] for row in rows)


@lru_cache(maxsize=4)
def _structures(cells: FictusVolume, label: int, index: int, long: int) -> Float[np.ndarray, "2 H W"]:
    """Return membrane and nucleus in the middle plane, as the microscope shows them."""
    cell, middle = _cell(cells, label, index, long), cells.size // 2
    planes = range(middle - cells._reach, middle + cells._reach + 1)
    return cells._blurred({z: cells._raw(cell, label, index, z) for z in planes}, middle)


def _clean(cells: FictusVolume, label: int, index: int, target: int) -> _Plane:
    """Return the middle plane of a cell drawn as ``target``, without noise."""
    puncta = cells._puncta(label, index, target, cells.size // 2)
    return np.concatenate([puncta[None], _structures(cells, label, index, target >> 1)])
