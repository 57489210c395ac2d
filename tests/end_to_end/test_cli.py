"""What the command line says to mistakes, and with which exit code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

Finish = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("change", "code", "sentence"),
    [
        (("width: 4}", "widht: 4}"), 2, "micro.yaml:5: classify.net.widht: unknown key; did you mean 'width'?"),
        (("workflow: counterfactual", "workflow: counterfactuals"), 2, "expected a workflow, one of counterfactual"),
        (("workflow: counterfactual\n", ""), 2, "workflow: missing"),
        (
            ("images: {simulate: fictus, count: 30, size: 32, factors: [aggregates], seed: 0}", "images: nowhere"),
            2,
            "nowhere",
        ),
    ],
    ids=["typo", "workflow", "no workflow", "no folder"],
)
def test_a_wrong_config_is_one_sentence(
    micro: Path, finish: Finish, change: tuple[str, str], code: int, sentence: str
) -> None:
    micro.write_text(micro.read_text().replace(*change))
    found, _, errors = finish("run", micro, "--to", "run")
    assert found == code
    assert sentence in errors
    assert "Traceback" not in errors


def test_a_truncated_image_is_named_and_is_wrong_data(micro: Path, finish: Finish, tmp_path: Path) -> None:
    code, _, errors = finish("simulate", "fictus", "cells", "--count", "12", "--size", "32", "--factor", "aggregates")
    assert code == 0, errors
    image = sorted((tmp_path / "cells").rglob("*.tif"))[3]
    image.write_bytes(image.read_bytes()[:100])
    micro.write_text(
        micro.read_text().replace("{simulate: fictus, count: 30, size: 32, factors: [aggregates], seed: 0}", "cells")
    )
    code, _, errors = finish("run", micro, "--to", "run")
    assert code == 3
    assert image.relative_to(tmp_path / "cells").as_posix() in errors
    assert "Traceback" not in errors


def test_a_folder_that_was_simulated_runs(micro: Path, finish: Finish, tmp_path: Path) -> None:
    finish("simulate", "fictus", "cells", "--count", "30", "--size", "32", "--factor", "aggregates")
    text = micro.read_text().replace("{simulate: fictus, count: 30, size: 32, factors: [aggregates], seed: 0}", "cells")
    micro.write_text(text.replace(", pairs: [nuisance]", ""))
    code, _, errors = finish("run", micro, "--to", "run", "--stage", "classify")
    assert code == 0, errors
    code, output, _ = finish("show", "run")
    assert code == 0
    assert "accuracy, test" in output


def test_strict_stops_at_a_broken_checkpoint(micro: Path, finish: Finish, tmp_path: Path) -> None:
    code, _, errors = finish("run", micro, "--to", "run", "--stage", "classify")
    assert code == 0, errors
    (newest,) = (path for path in tmp_path.glob("run/checkpoints/*-00000012.safetensors") if "best" not in path.name)
    newest.write_bytes(newest.read_bytes()[:-5])
    micro.write_text(micro.read_text().replace("{steps: 12, size: 8", "{steps: 16, size: 8"))
    code, _, errors = finish("run", micro, "--to", "run", "--stage", "classify", "--strict")
    assert code == 3
    assert newest.name in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    "asked", [("show", "nothing"), ("demo", "nothing"), ("simulate", "nothing", "out"), ("run", "nothing.yaml")]
)
def test_what_is_missing_is_named_once(finish: Finish, asked: tuple[str, ...]) -> None:
    code, output, errors = finish(*asked)
    assert (code, output) == (2, "")
    assert errors.startswith("aliter: ")
    assert errors.count("\n") == 1
    assert "nothing" in errors


@pytest.mark.parametrize("device", ["tpu", "meta", "cuda"])
def test_a_device_that_is_not_here_is_refused_before_anything_is_made(
    micro: Path, finish: Finish, tmp_path: Path, device: str
) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("it is here")
    code, _, errors = finish("run", micro, "--to", "run", "--device", device)
    assert code == 2
    assert f"expected a device that this machine has, cpu; found '{device}'" in errors.replace("cpu or mps", "cpu")
    assert not (tmp_path / "run").exists()


def test_a_list_of_images_becomes_a_store(finish: Finish, tmp_path: Path) -> None:
    for row in range(12):
        np.save(tmp_path / f"{row}.npy", np.full((3, 4, 5), row / 12, np.float32))
    lines = [f"{row}.npy,{'ab'[row % 2]},plate {row // 4}" for row in range(12)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label,group", *lines]))
    code, _, errors = finish("convert", "list.csv", "out")
    assert (code, "declare one" in errors) == (2, True)
    code, output, errors = finish("convert", "list.csv", "out", "--range", "0", "1", "--axes", "ZYX", "--z", "max")
    assert code == 0, errors
    assert "12 images in 2 classes (a 6, b 6); 4x5 pixels" in output
    assert "3 groups" in output
    code, _, errors = finish("convert", "out", "again")
    assert (code, "a store already" in errors) == (2, True)
    (tmp_path / "3.npy").write_bytes(b"")
    (tmp_path / "5.npy").unlink()
    code, _, errors = finish("convert", "list.csv", "other", "--range", "0", "1")
    assert code == 3
    assert "3.npy" in errors
    assert "5.npy" in errors
    assert "Traceback" not in errors
