import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from aliter.core.errors import DataError
from aliter.ops.intensity import mse, nrmse, pearson, psnr, ssim

ROW, COLUMN = np.mgrid[:32, :32]
TRUTH = ((3 * ROW + 5 * COLUMN) % 16) / 15
NOISY = TRUTH + 0.1 * (-1.0) ** (ROW + COLUMN)
DIM = 0.5 * TRUTH + 0.2
ROLLED = np.roll(TRUTH, 1, axis=1)
FLAT = np.full_like(TRUTH, 0.5)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (NOISY, (0.010000, 20.000000, 0.948119, 0.948191, 0.100000)),
        (DIM, (0.026111, 15.831746, 1.000000, 0.797049, 0.161589)),
        (ROLLED, (0.244444, 6.118198, -0.294118, -0.287981, 0.494413)),
        (FLAT, (0.094444, 10.248236, math.nan, 0.009254, 0.307318)),
    ],
    ids=["noisy", "dim", "rolled", "flat"],
)
def test_known_images(image, expected):
    found = (
        mse(TRUTH, image),
        psnr(TRUTH, image, 1),
        pearson(TRUTH, image),
        ssim(TRUTH, image, 1),
        nrmse(TRUTH, image),
    )
    assert found == pytest.approx(expected, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(("data_range", "ratio", "similarity"), [(65535, 43.7736, 0.975733), (4400, 20.3132, 0.950694)])
def test_the_range_decides(data_range, ratio, similarity):
    truth, image = (np.round(4400 * np.clip(one, 0, 1)).astype(np.uint16) for one in (TRUTH, NOISY))
    assert psnr(truth, image, data_range) == pytest.approx(ratio, abs=1e-4)
    assert ssim(truth, image, data_range) == pytest.approx(similarity, abs=1e-6)


def test_ssim_equals_that_of_scikit_image():
    rng = np.random.default_rng(0)
    truth, image = rng.random((2, 3, 19, 23))
    slow = [structural_similarity(a, b, data_range=1.0) for a, b in zip(truth, image, strict=True)]
    assert ssim(truth, image, 1.0) == pytest.approx(np.mean(slow), abs=1e-10)


def test_differences_of_unsigned_integers_do_not_wrap():
    truth, image = np.array([0, 20], np.uint16), np.array([300, 10], np.uint16)
    assert mse(truth, image) == 45_050


def test_equal_images():
    assert mse(TRUTH, TRUTH) == 0
    assert psnr(TRUTH, TRUTH, 1) == math.inf
    assert pearson(TRUTH, TRUTH) == pytest.approx(1)
    assert ssim(TRUTH, TRUTH, 1) == pytest.approx(1)


def test_a_constant_truth_has_no_scale():
    assert math.isnan(nrmse(FLAT, TRUTH))
    assert math.isnan(pearson(FLAT, TRUTH))


@pytest.mark.parametrize("data_range", [0, -1, math.nan])
def test_a_range_that_is_none_is_refused(data_range):
    with pytest.raises(DataError, match="data range"):
        psnr(TRUTH, NOISY, data_range)
    with pytest.raises(DataError, match="data range"):
        ssim(TRUTH, NOISY, data_range)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="shape"):
        mse(TRUTH, TRUTH[1:])
    with pytest.raises(DataError, match="7 pixels"):
        ssim(TRUTH[:6], TRUTH[:6], 1)
