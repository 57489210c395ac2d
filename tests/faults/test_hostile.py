"""Files and configs that ask for code to be run (20, 21)."""

import os
from pathlib import Path

import pytest
import torch

from aliter.core.errors import AliterError, ConfigError, DataError
from aliter.nets.timm import Timm
from aliter.workflows.counterfactual import Config


@pytest.mark.parametrize(
    "text",
    [
        "images: !!python/object/apply:os.mkdir [made]",
        "images: x\nclassify: !!python/object/new:os.mkdir [made]",
        "images: x\nclassify: {net: !!python/name:os.mkdir ''}",
        "images: x\nclassify: {net: {kind: os.mkdir, path: made}}",
        "images: x\nclassify: {net: {kind: aliter.nets.small_cnn.SmallCNN}}",
        "images: x\nclassify: {net: {_target_: os.mkdir, path: made}}",
        "images: {simulate: os.mkdir}",
        "images: x\n__class__: os",
    ],
)
def test_a_config_that_asks_for_code_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config.yaml"
    path.write_text(f"workflow: counterfactual\n{text}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:\d: ") as caught:
        Config.read(path)
    assert caught.value.code == 2
    assert [one.name for one in tmp_path.iterdir()] == ["config.yaml"]


class Payload:
    """What makes a folder when it is unpickled."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors", "weights.pt"])
@pytest.mark.parametrize("old", [False, True])
def test_weights_that_are_code_are_not_run(name: str, old: bool, tmp_path: Path) -> None:
    torch.save({"a": Payload(tmp_path / "made")}, tmp_path / name, _use_new_zipfile_serialization=not old)
    with pytest.raises(DataError, match="expected tensors by name") as caught:
        Timm(name="resnet10t", weights=tmp_path / name).build(3, 32, 2)
    assert caught.value.code == 3
    assert not (tmp_path / "made").exists()


def test_an_error_of_ours_is_never_code_zero() -> None:
    def below(kind: type[AliterError]) -> list[type[AliterError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in below(child))]

    assert {one.code for one in below(AliterError)} == {1, 2, 3, 4, 5}
