"""What the command line says to mistakes, and with which exit code."""

from collections.abc import Callable
from pathlib import Path

import pytest

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


def test_what_is_missing_is_named(finish: Finish) -> None:
    assert finish("show", "nothing")[0] == 2
    assert finish("demo", "nothing")[0] == 2
    assert finish("simulate", "nothing", "out")[0] == 2
    assert finish("run", "nothing.yaml")[0] == 2
