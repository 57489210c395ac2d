import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from aliter.ops.spectrum import radial_power, sharpness


def test_white_noise_is_as_strong_everywhere() -> None:
    power = radial_power(2.0 * np.random.default_rng(0).standard_normal((256, 256)))
    np.testing.assert_allclose(power[8:].reshape(4, 6).mean(1), 4.0, rtol=0.05)


def test_a_wave_is_where_its_frequency_is() -> None:
    wave = np.tile(np.cos(2 * np.pi * 0.25 * np.arange(128)), (128, 1))
    assert radial_power(wave).argmax() == 16


def test_blur_is_less_sharp() -> None:
    x = np.random.default_rng(0).standard_normal((64, 64))
    assert sharpness(x, x) == pytest.approx(1)
    assert sharpness(x, 3 * x) == pytest.approx(9)
    assert sharpness(x, gaussian_filter(x, 1.0)) < 0.1
