"""Filters of a function whose derivatives are known: a blurred Gaussian, and a plane wave."""

import numpy as np
import pytest

from aliter.ops.filters import filter_bank


@pytest.mark.parametrize("spacing", [None, (2.0, 1.0)], ids=["even", "flat"])
def test_a_bell_becomes_a_wider_bell(spacing):
    steps = np.array(spacing or (1.0, 1.0))
    size = (61 / steps).astype(int)
    y, x = np.meshgrid(*[(np.arange(n) - n // 2) * s for n, s in zip(size, steps, strict=True)], indexing="ij")
    width, scale = 5.0, 4.0
    image = np.exp(-(y**2 + x**2) / (2 * width**2))
    found = filter_bank(image[None], spacing, (scale,))
    assert found.shape == (5, *size)
    wide = width**2 + scale**2
    bell = width**2 / wide * np.exp(-(y**2 + x**2) / (2 * wide))
    middle = (slice(size[0] // 2 - 6, size[0] // 2 + 7), slice(size[1] // 2 - 6, size[1] // 2 + 7))
    radius = np.hypot(y, x)
    around = -bell / wide * scale**2
    outward = bell * (radius**2 / wide - 1) / wide * scale**2
    expected = [bell, bell * radius / wide * scale, around + outward, np.minimum(around, outward)]
    for made, wanted in zip(found[[0, 1, 2, 3]], expected, strict=True):
        np.testing.assert_allclose(made[middle], wanted[middle], atol=0.01)
    np.testing.assert_allclose(found[4][middle], np.maximum(around, outward)[middle], atol=0.01)


def test_scales_and_channels_stand_one_after_the_other_and_the_laplacian_sums_the_eigenvalues():
    image = np.random.default_rng(0).normal(size=(2, 9, 20, 18)).astype(np.float32)
    found = filter_bank(image, (2.0, 1.0, 1.0), (1.0, 2.0))
    assert found.shape == (2 * 2 * 6, 9, 20, 18)
    np.testing.assert_allclose(found[12:], filter_bank(image[1:], (2.0, 1.0, 1.0), (1.0, 2.0)))
    per = found.reshape(4, 6, *image.shape[1:])
    np.testing.assert_allclose(per[:, 3:].sum(1), per[:, 2], atol=1e-4)
    assert (np.diff(per[:, 3:], axis=1) >= 0).all()


def test_a_plane_wave_is_damped_as_the_formula_says():
    x = np.arange(96.0)
    image = np.broadcast_to(np.sin(2 * np.pi * x / 16), (12, 96))[None]
    smooth, _, _, *eigenvalues = filter_bank(image, None, (2.0,))
    k = 2 * np.pi / 16
    damped = np.exp(-((2 * k) ** 2) / 2)
    middle = slice(16, 80)
    np.testing.assert_allclose(smooth[:, middle], damped * image[0][:, middle], atol=0.01)
    curved = -((2 * k) ** 2) * damped * image[0]
    np.testing.assert_allclose(sum(eigenvalues)[:, middle], curved[:, middle], atol=0.02)
