"""What transmitted light makes of a thin, clear specimen: phase contrast, defocused brightfield, recovered phase.

A specimen is the phase that it gives to light, in radians, and what it absorbs. Lengths are micrometres, frequencies
cycles per micrometre. Images are periodic: what leaves at one border comes in at the other, so draw more than is shown.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi, sqrt, tau

import numpy as np
from jaxtyping import Complex, Float
from scipy.fft import fft2, ifft2

_Plane = Float[np.ndarray, "H W"]
Pupil = Callable[[Float[np.ndarray, "H 1"], Float[np.ndarray, "1 W"]], Complex[np.ndarray, "H W"]]
"""What the objective makes of light of these frequencies along y and x."""


def frequencies(shape: tuple[int, int], pixel_um: float) -> tuple[Float[np.ndarray, "H 1"], Float[np.ndarray, "1 W"]]:
    """Return the frequencies of the rows and of the columns of a transformed image."""
    return np.fft.fftfreq(shape[0], pixel_um)[:, None], np.fft.fftfreq(shape[1], pixel_um)[None, :]


def partially_coherent(
    field: Complex[np.ndarray, "H W"], sources: Float[np.ndarray, "S 2"], pupil: Pupil, pixel_um: float
) -> _Plane:
    """Return the image under light from ``sources``, frequencies along y and x, that do not interfere.

    References
    ----------
    Abbe 1873, Beitraege zur Theorie des Mikroskops und der mikroskopischen Wahrnehmung: one image a source, summed.
    """
    spectrum, (fy, fx) = fft2(field), frequencies(field.shape, pixel_um)
    image = np.zeros(field.shape)
    for y, x in sources:
        image += np.abs(ifft2(spectrum * pupil(fy + y, fx + x))) ** 2
    return image / len(sources)


@dataclass(frozen=True)
class PhaseContrast:
    """A microscope after Zernike: direct light, which comes through a ring, is dimmed and shifted against the rest.

    References
    ----------
    Zernike 1942, Phase contrast, a new method for the microscopic observation of transparent objects, Physica 9.
    """

    wavelength_um: float = 0.55
    aperture: float = 0.45
    """Numerical aperture of the objective."""
    ring: tuple[float, float] = (0.28, 0.32)
    """Numerical apertures between which light falls in; the plate is wider by a tenth of that on each side."""
    transmission: float = 0.25
    """Share of the direct light that the plate lets through."""
    shift: float = pi / 2
    """Phase of the direct light behind the plate; positive makes what delays light bright."""
    points: int = 16
    """Points of the ring that are summed."""

    @property
    def sources(self) -> Float[np.ndarray, "S 2"]:
        """The points of the ring, on three circles."""
        low, high = self.ring
        angle = tau * np.arange(self.points) / self.points
        radius = low + (high - low) * np.resize([0.5, 1 / 6, 5 / 6], self.points)
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1) / self.wavelength_um

    def pupil(self, defocus_um: float) -> Pupil:
        """Return what the objective does; the specimen lies so far out of focus."""
        margin = 0.1 * (self.ring[1] - self.ring[0])
        plate = sqrt(self.transmission) * np.exp(1j * self.shift)

        def through(fy: Float[np.ndarray, "H 1"], fx: Float[np.ndarray, "1 W"]) -> Complex[np.ndarray, "H W"]:
            square = fy**2 + fx**2
            sine = self.wavelength_um * np.sqrt(square)
            inside = (sine >= self.ring[0] - margin) & (sine <= self.ring[1] + margin)
            phase = np.exp(-1j * pi * self.wavelength_um * defocus_um * square)
            return np.where(sine <= self.aperture, np.where(inside, plate, 1.0) * phase, 0.0)

        return through

    def image(self, phase: _Plane, pixel_um: float, defocus_um: float = 0.0) -> _Plane:
        """Return the image of a specimen, its background being 1."""
        seen = partially_coherent(np.exp(1j * phase), self.sources, self.pupil(defocus_um), pixel_um)
        return seen / self.transmission


def brightfield(
    phase: _Plane, absorption: _Plane, pixel_um: float, defocus_um: float, wavelength_um: float = 0.55
) -> _Plane:
    """Return the defocused image of a weak specimen, its background being 1.

    References
    ----------
    Guigay 1977, Fourier transform analysis of Fresnel diffraction patterns and in-line holograms, Optik 49: phase
    passes by twice the sine, absorption by minus twice the cosine, of pi wavelength defocus frequency squared.
    """
    fy, fx = frequencies(phase.shape, pixel_um)
    turn = pi * wavelength_um * defocus_um * (fy**2 + fx**2)
    spectrum = 2 * fft2(phase) * np.sin(turn) - 2 * fft2(absorption) * np.cos(turn)
    return np.asarray(1 + ifft2(spectrum).real)


def transport_of_intensity(phase: _Plane, pixel_um: float, defocus_um: float, wavelength_um: float = 0.55) -> _Plane:
    """Return the limit of ``brightfield`` for little defocus: 1 less the curvature of the phase, scaled.

    References
    ----------
    Teague 1983, Deterministic phase retrieval: a Green's function solution, equation 5.
    """
    fy, fx = frequencies(phase.shape, pixel_um)
    turn = pi * wavelength_um * defocus_um * (fy**2 + fx**2)
    return np.asarray(1 + ifft2(2 * fft2(phase) * turn).real)


def recovered_phase(
    images: Sequence[_Plane],
    pixel_um: float,
    defoci_um: Sequence[float],
    strength: float = 1e-2,
    wavelength_um: float = 0.55,
) -> _Plane:
    """Return the phase that best explains ``brightfield`` images at several defoci; slow changes are lost.

    References
    ----------
    Tikhonov 1963, Solution of incorrectly formulated problems and the regularization method.
    """
    fy, fx = frequencies(images[0].shape, pixel_um)
    over = np.zeros(images[0].shape, complex)
    under = np.full(images[0].shape, strength)
    for image, defocus in zip(images, defoci_um, strict=True):
        transfer = 2 * np.sin(pi * wavelength_um * defocus * (fy**2 + fx**2))
        over += transfer * fft2(image - 1)
        under += transfer**2
    return np.asarray(ifft2(over / under).real)
