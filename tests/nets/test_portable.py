"""Networks that are taken elsewhere: every form answers alike, and what cannot be written is said."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from aliter.core.errors import AliterError, RequestError
from aliter.nets import portable
from aliter.nets.portable import IMAGE, Port, Portable, signing, unsigning, write_copies


def made(net: nn.Module) -> Portable:
    image = np.linspace(0, 4095, 2 * 6 * 5, dtype=np.float32).reshape(1, 2, 6, 5)
    return Portable(net, {"inner": net}, "", {Port("image", IMAGE, ("a", "b")): image}, Port("out", IMAGE))


def test_every_form_answers_alike(tmp_path: Path) -> None:
    inner = nn.Conv2d(2, 3, 3, padding=1)
    one = made(nn.Sequential(signing((0.0, 4095.0)), inner, nn.Tanh(), unsigning((0.0, 255.0))))
    names = write_copies(one, tmp_path, ("script", "program", "onnx"))
    assert names == ("weights.safetensors", "model.pt", "model.pt2", "model.onnx")
    weights = load_file(tmp_path / "weights.safetensors")
    torch.testing.assert_close(weights["inner.1.weight"], inner.weight.detach())
    x = 2 * one.example()[0] / 4095 - 1
    np.testing.assert_allclose(one.answer, (torch.tanh(inner(x)).detach() + 1) * 127.5, atol=1e-3)


def test_a_network_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise ValueError("odd")

    with pytest.raises(ValueError, match="odd"):
        _ = made(Odd()).answer

    class Fickle(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.rand(1) * 1e6

    with pytest.raises(AliterError, match=r"model\.pt: expected a copy that answers alike"):
        write_copies(made(Fickle()), tmp_path, ("script",))


def test_onnx_without_its_packages_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portable, "_FOR_ONNX", ("no_such_package",))
    with pytest.raises(RequestError, match=r"expected no_such_package for ONNX, found none; install aliter\[onnx\]"):
        write_copies(made(nn.Identity()), tmp_path, ("script", "onnx"))
    assert not (tmp_path / "model.pt").exists()
