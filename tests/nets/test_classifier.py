import logging
from pathlib import Path

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from aliter.core.errors import DataError, RequestError
from aliter.nets.blocks import initialise
from aliter.nets.classifier import Classifier
from aliter.nets.small_cnn import SmallCNN
from aliter.nets.timm import Timm

RESNET = Timm(name="resnet10t")
"""The smallest of its family."""


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def saved(path: Path, tensors: dict[str, Tensor]) -> Path:
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    return path


@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 16, 2), (3, 33, 4), (5, 64, 13)])
@pytest.mark.parametrize("spec", [SmallCNN(width=2), RESNET], ids=lambda spec: spec.kind)
def test_logits_have_the_shape_of_the_classes(spec: SmallCNN | Timm, channels: int, size: int, classes: int) -> None:
    assert spec.build(channels, size, classes)(torch.zeros(2, channels, size, size)).shape == (2, classes)


def test_small_cnn_doubles_its_width_and_halves_the_image() -> None:
    net = SmallCNN(width=3, depth=3).build(2, 32, 4)
    shapes = []
    x = torch.zeros(1, 2, 32, 32)
    for level in range(3):
        x = net.get_submodule(f"block{level}")(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [(3, 16, 16), (6, 8, 8), (12, 4, 4)]


def test_every_activation_of_small_cnn_is_a_module_of_its_own() -> None:
    net = SmallCNN(width=2, depth=3).build(1, 16, 2)
    calls: list[int] = []
    for module in net.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda module, args, out: calls.append(id(module)))
    net(torch.zeros(2, 1, 16, 16))
    assert len(calls) == len(set(calls)) == 3


def test_small_cnn_learns_what_a_mean_cannot_tell() -> None:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(64, 1, 16, 16, generator=draw)
    y = torch.arange(64) % 2
    x[y == 1] = x[y == 1].repeat_interleave(2, dim=2)[:, :, :16]
    net = SmallCNN(width=4, depth=2).build(1, 16, 2)
    initialise({"net": net}, seed=0)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimizer.step()
    assert (net(x).argmax(dim=1) == y).float().mean() > 0.95


def test_no_answer_depends_on_the_rest_of_the_batch() -> None:
    net = SmallCNN(width=4).build(3, 32, 3).eval()
    x = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(net(x), torch.cat([net(image[None]) for image in x]), rtol=1e-4, atol=1e-5)


def test_bf16_and_channels_last_agree_with_float32() -> None:
    net = SmallCNN(width=4).build(3, 32, 3).eval()
    x = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    exact = net(x)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last)).float()
    assert (mixed - exact).norm() < 0.05 * exact.norm()


def test_too_deep_for_the_images_is_refused() -> None:
    with pytest.raises(RequestError, match="lower the depth to 3 or less"):
        SmallCNN(depth=4).build(3, 15, 2)


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="did you mean 'resnet18'"):
        Timm(name="resnet18x").build(3, 32, 2)


@pytest.mark.parametrize("name", ["hf-hub:timm/resnet18", "hf_hub:someone/net", "local-dir:here"])
def test_names_that_would_be_fetched_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="expected the name of a model in timm"):
        Timm(name=name).build(3, 32, 2)


def test_a_pretrained_tag_downloads_nothing_and_changes_nothing() -> None:
    plain, tagged = (
        weights(Timm(name="resnet10t").build(3, 32, 2)),
        weights(Timm(name="resnet10t.c3_in1k").build(3, 32, 2)),
    )
    assert all(torch.equal(plain[name], tagged[name]) for name in plain)


def test_build_is_deterministic_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = weights(RESNET.build(3, 32, 2))
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(4)
    second = weights(RESNET.build(3, 32, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_models_of_fixed_size_are_told_the_size() -> None:
    net = Timm(name="test_vit").build(1, 32, 2)
    assert net(torch.zeros(1, 1, 32, 32)).shape == (1, 2)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_are_those_of_the_file(tmp_path: Path, suffix: str) -> None:
    given = {name: torch.full_like(tensor, 2) for name, tensor in weights(RESNET.build(3, 32, 4)).items()}
    path = saved(tmp_path / f"weights{suffix}", given)
    net = RESNET.model_copy(update={"weights": path}).build(3, 32, 4)
    initialise({"classifier": net}, seed=0)
    assert all((tensor == 2).all() for tensor in net.state_dict().values())


def test_a_state_dictionary_inside_a_checkpoint_is_found(tmp_path: Path) -> None:
    given = weights(RESNET.build(3, 32, 4))
    torch.save({"epoch": 3, "state_dict": given}, tmp_path / "checkpoint.pth")
    net = RESNET.model_copy(update={"weights": tmp_path / "checkpoint.pth"}).build(3, 32, 4)
    assert torch.equal(net.state_dict()["conv1.0.weight"], given["conv1.0.weight"])


def test_a_head_for_other_classes_is_left_out_and_drawn_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    given = {name: torch.full_like(tensor, 2) for name, tensor in weights(RESNET.build(3, 32, 10)).items()}
    spec = RESNET.model_copy(update={"weights": saved(tmp_path / "weights.safetensors", given)})
    with caplog.at_level(logging.INFO):
        net = spec.build(3, 32, 4)
    assert "left out fc.weight, fc.bias" in caplog.text
    initialise({"classifier": net}, seed=0)
    found = net.state_dict()
    assert not any((tensor != 2).any() for name, tensor in found.items() if not name.startswith("fc."))
    assert found["fc.weight"].shape == (4, 512)
    assert (found["fc.weight"] != 2).all()
    assert not found["fc.bias"].any()


def test_a_file_without_a_head_will_do(tmp_path: Path) -> None:
    given = {name: tensor for name, tensor in weights(RESNET.build(3, 32, 10)).items() if not name.startswith("fc.")}
    net = RESNET.model_copy(update={"weights": saved(tmp_path / "body.safetensors", given)}).build(3, 32, 4)
    assert torch.equal(net.state_dict()["conv1.0.weight"], given["conv1.0.weight"])


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_a_first_layer_for_three_channels_is_fitted(
    tmp_path: Path, channels: int, caplog: pytest.LogCaptureFixture
) -> None:
    given = weights(RESNET.build(3, 32, 4))
    spec = RESNET.model_copy(update={"weights": saved(tmp_path / "weights.safetensors", given)})
    with caplog.at_level(logging.INFO):
        first = spec.build(channels, 32, 4).state_dict()["conv1.0.weight"]
    assert f"from 3 to {channels} channels" in caplog.text
    grey = given["conv1.0.weight"].sum(dim=1)
    if channels == 1:
        torch.testing.assert_close(first[:, 0], grey)
    else:
        repeated = given["conv1.0.weight"][:, [channel % 3 for channel in range(channels)]]
        torch.testing.assert_close(first, repeated * 3 / channels)


def test_weights_of_another_network_are_refused_in_words(tmp_path: Path) -> None:
    given = weights(RESNET.build(3, 32, 4))
    given["conv1.0.weight"] = torch.zeros(7, 3, 3, 3)
    del given["bn1.bias"]
    given["bn1.more"] = torch.zeros(2)
    path = saved(tmp_path / "other.safetensors", given)
    with pytest.raises(RequestError) as error:
        RESNET.model_copy(update={"weights": path}).build(3, 32, 4)
    assert "bn1.bias (nothing in the file, 64 in the network)" in str(error.value)
    assert "bn1.more (2 in the file, nothing in the network)" in str(error.value)
    assert "conv1.0.weight (7 x 3 x 3 x 3 in the file, 24 x 3 x 3 x 3 in the network)" in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="found none; check the path"):
        Timm(name="resnet10t", weights=tmp_path / "none.pth").build(3, 32, 2)


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_a_broken_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(DataError, match=r"broken\..*expected tensors by name"):
        Timm(name="resnet10t", weights=tmp_path / name).build(3, 32, 2)


class _Trap:
    def __reduce__(self) -> tuple[type[Path], tuple[str]]:
        return Path, ("sprung",)


@pytest.mark.parametrize("found", [{"a": 3}, [torch.zeros(2)], {"a": _Trap()}], ids=["numbers", "list", "code"])
def test_what_is_not_tensors_by_name_is_refused(tmp_path: Path, found: object) -> None:
    torch.save(found, tmp_path / "odd.pth")
    with pytest.raises(DataError, match="expected tensors by name"):
        Timm(name="resnet10t", weights=tmp_path / "odd.pth").build(3, 32, 2)


def test_a_config_names_the_classifier_by_its_kind() -> None:
    adapter: TypeAdapter[SmallCNN | Timm] = TypeAdapter(Classifier)
    assert adapter.validate_python({"kind": "small_cnn", "width": 8}) == SmallCNN(width=8)
    assert adapter.validate_python({"kind": "timm", "name": "resnet18"}) == Timm()
    with pytest.raises(ValidationError):
        adapter.validate_python({"kind": "other"})
