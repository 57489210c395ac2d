"""The published experiments: the networks have the published sizes, one classifier serves three generators."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import aliter
from aliter.data.run import Run
from aliter.workflows.counterfactual import STAGES, Config
from aliter.workflows.stage import due, link, run_stages

CONFIGS = Path(__file__).parents[2] / "configs" / "counterfactual"
WEIGHTS = ("0", "0.5", "0.9")


def published(weight: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CONFIGS / f"fictus_128_lambda_ds_{weight}.yaml").read_text())
    return found


def shrunk(values: dict[str, Any]) -> dict[str, Any]:
    """Return the same experiment with few small images, small networks and one step."""
    values["images"] |= {"count": 3, "size": 16}
    fit = {"steps": 1, "size": 2, "judge_every": 1, "save_every": 1}
    values["classify"] |= {"net": {"kind": "small_cnn", "width": 2, "depth": 2}}
    values["classify"]["fit"] |= fit
    values["translate"]["net"] |= {"width": 4, "cap": 4, "style": 4, "mapping": 4}
    values["translate"]["fit"] |= fit
    values["translate"] |= {"tries": 1, "judge_tries": 1}
    values["generate"] |= {"count": 1}
    values["report"] = {"items": 2}
    values["evaluate"] = {"sweep": {"close_px": 3, "steps": 4}}
    return values


def parsed(values: dict[str, Any]) -> Config:
    return Config.parse(values, Path("published.yaml"))


@pytest.mark.parametrize("weight", WEIGHTS)
def test_settings_are_those_published(weight: str) -> None:
    config = parsed(published(weight))
    assert (config.translate.fit.steps, config.translate.fit.size, config.translate.fit.rate) == (10_000, 16, 1e-4)
    assert (config.translate.objective.diversity, config.translate.objective.passes) == (float(weight), "published")
    assert (config.generate.tries, config.generate.keep) == (2, 2)
    assert config.classify.net.kind == "timm"
    assert (config.images.size, len(config.images.classes)) == (128, 4)  # type: ignore[union-attr]


def test_networks_have_the_published_sizes() -> None:
    nets = parsed(published("0")).translate.net.build(3, 128, 4)
    sizes = {name: sum(one.numel() for one in net.parameters()) for name, net in nets.items()}
    expected = {"generator": 33_632_003, "mapping": 4_076_800, "style": 20_865_408, "discriminator": 20_736_132}
    assert sizes == expected
    classifier = parsed(published("0")).classify.net.build(3, 128, 4)
    assert sum(one.numel() for one in classifier.parameters()) == 11_176_512 + 512 * 4 + 4


def test_the_whole_in_small_shares_images_and_classifier(tmp_path: Path) -> None:
    first = parsed(shrunk(published("0")))
    one = aliter.run(first, to=tmp_path / "one")
    assert [stage.name for stage in STAGES] == list(one.finished)
    assert one["latent/generated/0_1"].shape[1] == 2
    second = parsed(shrunk(published("0.9")))
    other = Run(tmp_path / "other", second)
    with other.working():
        waiting = link(due(STAGES, second, other), other, one.path)
        names = [stage.stage.name for stage in waiting]
        assert names == [stage.name for stage in STAGES if stage.name not in ("gather", "classify")]
        run_stages(waiting[:1], second, other)
    assert "translate" in other.finished


def test_four_classes_on_two_cores_take_one_step(tmp_path: Path) -> None:
    values = yaml.safe_load((CONFIGS / "fictus_64_four.yaml").read_text())
    config = parsed(shrunk(values))
    run = aliter.run(config, to=tmp_path / "run", stage="generate")
    assert run["reference/predictions/3_0"].shape[-1] == 4


@pytest.mark.slow
@pytest.mark.parametrize("weight", WEIGHTS)
def test_networks_of_full_size_take_one_step(weight: str, tmp_path: Path) -> None:
    values = published(weight)
    values["images"] |= {"count": 10}
    values["classify"]["fit"] |= {"steps": 1, "judge_every": 1, "save_every": 1}
    values["translate"]["fit"] |= {"steps": 1, "judge_every": 1, "save_every": 1}
    values["translate"] |= {"tries": 1, "judge_tries": 1}
    config = parsed(values)
    run = aliter.run(config, to=tmp_path / "run", stage="translate")
    rows = [row for row in run.metrics("translate") if "loss/discriminator/real" in row or len(row) > 4]
    assert rows
    assert all(np.isfinite(value) for row in rows for value in row.values() if isinstance(value, float))
