"""Light without stain follows the formulas of optics; stains scatter as the oracle says."""

import numpy as np
import pytest

from aliter.core.errors import RequestError
from aliter.data import layout
from aliter.data.fields import Fields
from aliter.data.simulate import Phase
from aliter.data.simulate.microscope import (
    PhaseContrast,
    brightfield,
    frequencies,
    partially_coherent,
    recovered_phase,
    transport_of_intensity,
)
from aliter.data.simulate.store import write_simulation

EPSILON, FREQUENCY, WAVELENGTH = 0.01, 0.3125, 0.532
PIXEL = 0.1
SMALL = Phase(count=4, size=64)


def grating() -> np.ndarray:
    """Return a weak grating of 32 pixels a period."""
    x = np.arange(128) * PIXEL
    return np.tile(EPSILON * np.cos(2 * np.pi * FREQUENCY * x), (64, 1))


def amplitude(image: np.ndarray) -> float:
    """Return the amplitude of an image at the frequency of the grating."""
    return float(2 * np.abs(np.fft.fft(image[0])[4]) / image.shape[1])


@pytest.mark.parametrize(
    ("defocus_um", "expected"), [(0, 0), (1, 3.2498e-3), (2, 6.4133e-3), (5, 1.4569e-2), (10, 1.9962e-2)]
)
def test_brightfield_of_a_weak_grating(defocus_um: float, expected: float) -> None:
    image = brightfield(grating(), np.zeros((64, 128)), PIXEL, float(defocus_um), WAVELENGTH)
    assert amplitude(image) == pytest.approx(expected, rel=1e-3, abs=1e-12)


def test_absorption_and_the_limit_of_little_defocus() -> None:
    absorbed = brightfield(np.zeros((64, 128)), grating(), PIXEL, 5.0, WAVELENGTH)
    assert amplitude(absorbed) == pytest.approx(1.3702e-2, rel=1e-3)
    assert amplitude(transport_of_intensity(grating(), PIXEL, 10.0, WAVELENGTH)) == pytest.approx(3.2643e-2, rel=1e-3)


@pytest.mark.parametrize(("transmission", "expected"), [(1.0, 0.02), (0.25, 0.04)])
def test_phase_contrast_of_a_weak_grating(transmission: float, expected: float) -> None:
    axial = PhaseContrast(WAVELENGTH, ring=(0.0, 0.0), transmission=transmission)
    seen = partially_coherent(np.exp(1j * grating()), np.zeros((1, 2)), axial.pupil(0.0), PIXEL) / transmission
    assert amplitude(seen) == pytest.approx(expected, rel=1e-3)
    dark = PhaseContrast(WAVELENGTH, ring=(0.0, 0.0), transmission=transmission, shift=-np.pi / 2)
    other = partially_coherent(np.exp(1j * grating()), np.zeros((1, 2)), dark.pupil(0.0), PIXEL) / transmission
    np.testing.assert_allclose(other - 1, 1 - seen, atol=1e-3)


def test_a_background_without_specimen_is_one() -> None:
    for defocus in (0.0, 8.0):
        np.testing.assert_allclose(PhaseContrast().image(np.zeros((32, 32)), 0.325, defocus), 1, atol=1e-12)


def test_phase_is_recovered_where_the_microscope_passes_it() -> None:
    y, x = np.meshgrid(*(np.arange(128) - 64.0,) * 2, indexing="ij")
    phase = 0.05 * np.exp(-(y**2 + x**2) / (2 * 4**2))
    foci = (-12.0, -6.0, 6.0, 12.0)
    images = [brightfield(phase, np.zeros_like(phase), 0.325, z) for z in foci]
    found = recovered_phase(images, 0.325, foci)
    fy, fx = frequencies(phase.shape, 0.325)
    square = sum((2 * np.sin(np.pi * 0.55 * z * (fy**2 + fx**2))) ** 2 for z in foci)
    np.testing.assert_allclose(np.fft.fft2(found), np.fft.fft2(phase) * square / (square + 1e-2), atol=1e-9)
    assert np.corrcoef(found.ravel(), phase.ravel())[0, 1] > 0.9


def test_fields_are_as_they_were_and_other_optics_show_the_same_cells() -> None:
    pair = SMALL.draw(1)
    again = SMALL.model_copy(update={"count": 50}).draw(1)
    for name in ("image", "nuclei", "cells", "mean", "variance"):
        np.testing.assert_array_equal(getattr(pair, name), getattr(again, name))
    assert (SMALL.model_copy(update={"seed": 1}).draw(1).image != pair.image).any()
    for change in ({"defocus_um": 6.0}, {"polarity": "negative"}, {"modality": "quantitative"}, {"drift_rad": 0.3}):
        other = SMALL.model_copy(update=change).draw(1)
        assert (other.image[0] != pair.image[0]).any()
        np.testing.assert_array_equal(other.image[1:], pair.image[1:])
        np.testing.assert_array_equal(other.nuclei, pair.nuclei)
    with pytest.raises(RequestError, match="expected a field from 0 to 3, found 4"):
        SMALL.draw(4)


def test_nuclei_lie_in_their_cells_and_are_brighter() -> None:
    pair = Phase(count=4, size=128, density=0.4).draw(0)
    inside = pair.nuclei > 0
    assert (pair.cells[inside] == pair.nuclei[inside]).all()
    assert pair.image[1][inside].mean() > 5 * pair.image[1][~inside].mean()
    assert pair.image[2][pair.cells > 0].mean() > 2 * pair.image[2][pair.cells == 0].mean()


def test_stains_scatter_as_the_oracle_says() -> None:
    pairs = [Phase(count=8, size=128).draw(index) for index in range(8)]
    error = np.stack([one.image[1:] - one.mean.astype(float) for one in pairs])
    variance = np.stack([one.variance for one in pairs])
    ratio = np.square(error).sum((0, 2, 3)) / variance.sum((0, 2, 3))
    np.testing.assert_allclose(ratio, 1, atol=0.3)
    background = np.stack([one.cells == 0 for one in pairs])
    z = error / np.sqrt(variance)
    for stain in range(2):
        # A third of the variance there is haze, of which a field holds about two independent values.
        assert z[:, stain][background].std() == pytest.approx(1, abs=0.15)
        assert abs(z[:, stain].mean()) < 0.1


def test_without_chance_in_the_dyes_only_light_and_camera_scatter() -> None:
    pairs = [Phase(count=4, size=128, expression=0.0, texture=0.0).draw(index) for index in range(2)]
    error = np.stack([one.image[1:] - one.mean.astype(float) for one in pairs])
    variance = np.stack([one.variance for one in pairs])
    # Haze is the same at neighbours, so their difference holds none of its variance, (15 * 0.2) ** 2; what is left is
    # as uncertain as the mean of the haze in few fields.
    expected = variance[..., 1:] + variance[..., :-1] - 2 * 3.0**2
    ratio = (np.square(np.diff(error)) / expected).mean((0, 2, 3))
    np.testing.assert_allclose(ratio, 1, atol=0.08)


def test_empty_fields_and_nuclei_without_dye() -> None:
    empty = Phase(count=4, size=64, empty=1.0).draw(0)
    assert empty.nuclei.max() == empty.cells.max() == 0
    assert empty.image[1].max() < 80
    usual, dark = (Phase(count=4, size=128, unlabelled=share).draw(0) for share in (0.0, 0.9))
    inside = usual.nuclei > 0
    assert dark.image[1][inside].mean() < 0.6 * usual.image[1][inside].mean()
    light = [np.mean(one.mean[0][inside] - 35.0) for one in (usual, dark)]
    assert light[1] == pytest.approx(0.1 * light[0], rel=1e-3)


def test_a_store_holds_pairs_truth_oracle_and_splits(tmp_path) -> None:
    write_simulation(SMALL, tmp_path / "a.zarr")
    fields = Fields(tmp_path / "a.zarr")
    assert fields.channels == ("phase", "nuclei", "membrane")
    assert [len(fields.split(name)) for name in ("train", "val", "test")] == [2, 1, 1]
    pair = SMALL.draw(3)
    np.testing.assert_array_equal(fields.stored(3), pair.image)
    np.testing.assert_array_equal(fields.objects(3), pair.nuclei)
    root = layout.open_store(tmp_path / "a.zarr")
    for name in ("mean", "variance", "cells"):
        np.testing.assert_array_equal(layout.array(root, f"{name}/0")[3], getattr(pair, name))


def test_some_fields_to_learn_from_are_bare_and_all_others_stay_as_they_were() -> None:
    spec = SMALL.model_copy(update={"bare": 1})
    assert spec.draw(0).nuclei.max() == 0
    np.testing.assert_array_equal(spec.draw(1).image, SMALL.draw(1).image)
    assert np.bincount(Phase(count=40, held=0.1).splits).tolist() == [32, 4, 4]
    with pytest.raises(ValueError, match="bare: expected fewer than the 2 fields to learn from, found 2"):
        Phase(count=4, bare=2)
