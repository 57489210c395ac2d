"""Classifiers from files: what is loaded answers as what was saved, and what would be wrong is refused."""

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.nets.frozen import Frozen
from aliter.nets.own import Own, save_script
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm

SHAPE = (2, 8, 8)
CLASSES = ("a", "b", "c")


@pytest.fixture
def net() -> nn.Module:
    torch.manual_seed(0)
    found = SmallCNN(width=3, depth=2).build(2, 8, 3)
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features)
    return found.eval()


@pytest.fixture
def x() -> Tensor:
    return torch.rand(5, *SHAPE, generator=torch.Generator().manual_seed(1)) * 2 - 1


def scripted(net: nn.Module, path: Path) -> Path:
    """Write ``net``, in the mode that it is in, as TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced: Any = torch.jit.trace(net, torch.zeros(2, *SHAPE), check_trace=False)  # type: ignore[no-untyped-call]
        torch.jit.save(traced, path)  # type: ignore[no-untyped-call]
    return path


@pytest.fixture
def path(net: nn.Module, tmp_path: Path) -> Path:
    save_script(net, SHAPE, tmp_path / "models" / "net.pt")
    return tmp_path / "models" / "net.pt"


class Then(nn.Module):
    """``net`` between two functions."""

    def __init__(self, net: nn.Module, before: float = 1.0, after: nn.Module | None = None, shift: float = 0.0):
        super().__init__()
        self.net, self.before, self.shift, self.after = net, before, shift, after or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.after(self.net(x * self.before + self.shift))
        return found


def test_what_is_loaded_answers_and_bends_as_what_was_saved(net: nn.Module, path: Path, x: Tensor) -> None:
    found = Own(path=path).load(SHAPE, CLASSES, trust=True)
    probe, own = Frozen(net), Frozen(found)
    for count in (1, 3, 5):
        torch.testing.assert_close(own.scores(x[:count]), probe.scores(x[:count]))
    slopes = []
    for one in (probe, own):
        given = x.clone().requires_grad_()
        slopes.append(torch.autograd.grad(one.answer(1)(given).sum(), given)[0])
    assert slopes[0].abs().max() > 0
    torch.testing.assert_close(*slopes)
    assert "TorchScript" in (own.hookable or "")


def test_code_is_not_touched_without_leave(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(RequestError, match="add --trust if the file is yours") as caught:
        Own(path=path).load(SHAPE, CLASSES, trust=False)
    assert caught.value.code == 2


def test_the_range_that_a_model_expects_is_given_to_it(net: nn.Module, tmp_path: Path, x: Tensor) -> None:
    path = scripted(Then(net, 1 / 127.5, shift=-1.0).eval(), tmp_path / "net.pt")
    found = Own(path=path, expects=(0, 255)).load(SHAPE, CLASSES, trust=True)
    torch.testing.assert_close(found(x), net(x), rtol=1e-4, atol=1e-4)
    plain = Own(path=path).load(SHAPE, CLASSES, trust=True)
    assert (plain(x) - net(x)).abs().max() > 1e-3


def test_probabilities_are_taken_as_such_and_never_for_logits(net: nn.Module, tmp_path: Path, x: Tensor) -> None:
    path = scripted(Then(net, after=nn.Softmax(1)).eval(), tmp_path / "net.pt")
    found = Own(path=path, gives="probabilities").load(SHAPE, CLASSES, trust=True)
    torch.testing.assert_close(Frozen(found).scores(x), Frozen(net).scores(x))
    with pytest.raises(RequestError, match="expected logits, found probabilities; say 'gives: probabilities'"):
        Own(path=path).load(SHAPE, CLASSES, trust=True)
    path = scripted(net, tmp_path / "logits.pt")
    with pytest.raises(RequestError, match="expected probabilities, found logits; say 'gives: logits'"):
        Own(path=path, gives="probabilities").load(SHAPE, CLASSES, trust=True)


def test_classes_in_another_order_are_put_into_that_of_the_images(net: nn.Module, path: Path, x: Tensor) -> None:
    found = Own(path=path, classes=("c", "a", "b")).load(SHAPE, CLASSES, trust=True)
    torch.testing.assert_close(found(x), net(x)[:, [1, 2, 0]])
    with pytest.raises(RequestError, match="expected the classes of the images, a, b, c; found a, b, d"):
        Own(path=path, classes=("a", "b", "d")).load(SHAPE, CLASSES, trust=True)


def test_training_mode_is_left_where_that_can_be_done_and_refused_where_not(
    net: nn.Module, tmp_path: Path, x: Tensor
) -> None:
    noisy = nn.Sequential(net, nn.Dropout(0.5))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        script: Any = torch.jit.script(noisy.train())
        torch.jit.save(script, tmp_path / "script.pt")  # type: ignore[no-untyped-call]
    found = Own(path=tmp_path / "script.pt").load(SHAPE, CLASSES, trust=True)
    torch.testing.assert_close(found.train()(x), net.eval()(x))
    for name, one in (("dropout", noisy), ("norm", net)):
        path = scripted(one.train(), tmp_path / f"{name}.pt")
        with pytest.raises(RequestError, match=r"call eval\(\) before the model is saved"):
            Own(path=path).load(SHAPE, CLASSES, trust=True)


@pytest.mark.parametrize(
    ("shape", "classes", "sentence"),
    [
        ((1, 8, 8), CLASSES, "expected a model for any number of images of 1 x 8 x 8"),
        (SHAPE, ("a", "b"), r"expected a model that gives logits \(images, 2\), found 3 x 3"),
    ],
)
def test_a_model_for_other_images_or_classes_is_refused(
    path: Path, shape: tuple[int, ...], classes: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        Own(path=path).load(shape, classes, trust=True)


def test_files_that_are_no_programs_are_refused(net: nn.Module, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(DataError, match="found weights alone; name their network, if timm has it"):
        Own(path=tmp_path / "weights.pt").load(SHAPE, CLASSES, trust=True)
    (tmp_path / "text.pt").write_text("no model")
    with pytest.raises(DataError, match="found another file"):
        Own(path=tmp_path / "text.pt").load(SHAPE, CLASSES, trust=True)
    with pytest.raises(RequestError, match="found none; check the path"):
        Own(path=tmp_path / "nothing.pt").load(SHAPE, CLASSES, trust=True)


def test_weights_of_timm_are_no_code_but_must_be_whole(tmp_path: Path) -> None:
    name, path = "test_resnet", tmp_path / "weights.safetensors"
    net = Timm(name=name).build(3, 32, 3).eval()
    save_file(net.state_dict(), path)
    found = Own(path=path, timm=name).load((3, 32, 32), CLASSES, trust=False)
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(found(x), net(x))
    with pytest.raises(RequestError, match="expected all weights of a 'test_resnet' for 2 classes"):
        Own(path=path, timm=name).load((3, 32, 32), ("a", "b"), trust=False)


def test_a_program_of_torch_export_is_loaded_and_one_for_a_fixed_number_is_not(
    net: nn.Module, tmp_path: Path, x: Tensor
) -> None:
    example = (torch.zeros(2, *SHAPE),)
    free = torch.export.export(net, example, dynamic_shapes=({0: torch.export.Dim("images")},))
    torch.export.save(free, tmp_path / "free.pt2")
    with pytest.raises(RequestError, match="add --trust"):
        Own(path=tmp_path / "free.pt2").load(SHAPE, CLASSES, trust=False)
    found = Own(path=tmp_path / "free.pt2").load(SHAPE, CLASSES, trust=True)
    probe = Frozen(found)
    torch.testing.assert_close(probe.scores(x), Frozen(net).scores(x))
    given = x.clone().requires_grad_()
    assert torch.autograd.grad(probe.answer(0)(given).sum(), given)[0].abs().max() > 0
    assert probe.hookable is not None
    torch.export.save(torch.export.export(net, example), tmp_path / "fixed.pt2")
    with pytest.raises(RequestError, match="the first dimension free"):
        Own(path=tmp_path / "fixed.pt2").load(SHAPE, CLASSES, trust=True)
