import pytest
import torch

from aliter.core.errors import RequestError
from aliter.ops.structure import ms_ssim


def test_equal_images_are_alike_and_others_less() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(2, 1, 176, 180, generator=rng)
    assert float(ms_ssim(x, x, 1.0)) == pytest.approx(1, abs=1e-6)
    noisy = x + 0.3 * torch.randn(x.shape, generator=rng)
    worse = x + 0.6 * torch.randn(x.shape, generator=rng)
    assert 1 > float(ms_ssim(x, noisy, 1.0)) > float(ms_ssim(x, worse, 1.0)) > 0


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_never_above_one_whatever_the_offset_and_the_type(offset: float) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(1, 1, 192, 192, generator=rng) + offset
    near = x + 0.01 * torch.randn(x.shape, generator=rng)
    exact = float(ms_ssim(x.double(), near.double(), 1.0))
    for kind in (torch.float32, torch.bfloat16):
        assert float(ms_ssim(x.to(kind), x.to(kind), 1.0)) <= 1 + 1e-6
    assert float(ms_ssim(x, near, 1.0)) == pytest.approx(exact, abs=1e-4)


def test_the_smallest_patch_is_176() -> None:
    ms_ssim(torch.zeros(1, 1, 176, 176), torch.zeros(1, 1, 176, 176), 1.0)
    with pytest.raises(RequestError, match="176 pixels or more for five scales, found"):
        ms_ssim(torch.zeros(1, 1, 175, 176), torch.zeros(1, 1, 175, 176), 1.0)


def test_one_scale_is_the_plain_formula() -> None:
    """A slow twin of the finest scale's contrast, in one window."""
    from aliter.ops.structure import _parts

    rng = torch.Generator().manual_seed(0)
    a, b = torch.rand(1, 1, 11, 11, generator=rng).double(), torch.rand(1, 1, 11, 11, generator=rng).double()
    light, contrast = (float(one) for one in _parts(a, b, 1.0))
    va, vb = a.var(unbiased=False), b.var(unbiased=False)
    cov = ((a - a.mean()) * (b - b.mean())).mean()
    assert contrast == pytest.approx(float((2 * cov + 0.0009) / (va + vb + 0.0009)))
    assert light == pytest.approx(float((2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)))
