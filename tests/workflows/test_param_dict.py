"""The original's file of options: how many runs it makes, in which order, and what each does."""

import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest

from aliter.core.errors import ConfigError
from aliter.workflows.embeddings import Config
from aliter.workflows.embeddings.param_dict import angle, imported
from aliter.workflows.grid import grid

PUBLISHED = """
{
  "pipeline": "pipelines to use, check param_mapping.py to see what pipeline
               names are avalible and what they map to",
  "save_embs":{
      # What dataset in given data file to use. Can specify multiple
      "datasets": ["validate/raw"],
      "data_file": ["data/ctc/Fluo-N2DH-SIM+.zarr"]
  },
  "model": [
     {
      "model": "unet", # Only supported model right now.
      "in_shape": [260, 260],
      "in_channels": 1,
      "num_fmaps": 12,
      "fmap_inc_factors": 6,
      "downsample_factors": [[2, 2], [2, 2], [2, 2]],
      "kernel_size_down": [[[3, 3], [3, 3]]],
      "kernel_size_down_repeated": 4,
      "kernel_size_up": [[[3, 3], [3, 3]]],
      "kernel_size_up_repeated": 3,
      "constant_upsample": true,
      "h_channels": 12, # size of intermediant embedding or `h`
      "contrastive_out_channels": 12
  },
  ],
  "contrastive": {
      "data_file": ["data/ctc/Fluo-N2DH-SIM+.zarr"],
      "dataset": [["train/raw"]],
      "optimizer": ["adam"],
      "lr": [1e-5],
      "num_iterations": [10000],
      "elastic": [true], "blur": [true], "simple": [true], "noise": [true],
      "elastic_params": [{
          "control_point_spacing": [1, 10, 10],
          "jitter_sigma": [0.0, 0.1, 0.1],
          "rotation_interval": [0, "pi / 2"]
      }],
      "blur_params": [{"sigma": [0, 1, 1]}],
      "simple_params": [{"mirror_only": [1, 2], "transpose_only":[1, 2]}],
      "noise_params": [{"var": 0.000001}],
      "norm_factor": [0.25],
      "save_every": [5000],
      "point_density": [0.01],
      "temperature": [0.05]
  },
  "seg": {
      "basline": [false],
      "freeze_base": [true],
      "data_file": ["data/ctc/Fluo-N2DH-SIM+.zarr"],
      "dataset": [{"train": {"raw": "train/raw", "gt": "train/gt"}, "validate": {"raw": "embs", "gt": "validate/gt"}}],
      "batch_size": [4],
      "optimizer": ["adam"],
      "lr": [1e-5],
      "num_iterations": [10000],
      "seg_head": ["Sparse"],
      "thresholds": [[0.5, 0.75]],
      "norm_factor": [0.25],
      "save_every": [5000],
      "seg_out_channels": [2],
      "has_background": [true],
      "num_points": [16, 32]
  }
}
"""


BASE = {"data_file": ["x"], "num_iterations": [10]}


def written(folder: Path, seg: dict[str, Any] | None = None, models: int = 1, **contrastive: Any) -> Path:
    path = folder / "param_dict.json"
    model = [{"model": "unet", "in_shape": [140, 140], "num_fmaps": 12 + number} for number in range(models)]
    given: dict[str, Any] = {
        "pipeline": "sparse_sh",
        "model": model,
        "contrastive": {**BASE, **contrastive},
    }
    path.write_text(json.dumps(given | ({"seg": seg} if seg else {})))
    return path


def test_the_published_example_is_read_typos_and_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "param_dict.json"
    path.write_text(PUBLISHED)
    with caplog.at_level(logging.WARNING):
        first, second = grid(path, [])
    assert first.varied == {"seg.num_points": 16}
    assert second.varied == {"seg.num_points": 32}
    config = second.config
    assert isinstance(config, Config)
    assert config.images == Path("data/ctc/Fluo-N2DH-SIM+.zarr")
    assert config.range == (0, 4)
    assert config.contrast.net.extents(2)[0].through(260) == 168
    net = config.contrast.net.build(1, 2)
    # The published count is that of the U-Net; the 1x1 convolution to the embedding comes on top.
    assert sum(one.numel() for one in net.parameters()) == 86_387_052 + 12 * 12 + 12
    views = config.contrast.views
    assert (views.size, views.rotation, views.mirror, views.blur_px, views.elastic_px) == (
        (260, 260),
        True,
        True,
        1,
        0.1,
    )
    assert views.noise == pytest.approx(0.002)
    assert (views.contrast, views.brightness, views.density, views.spacing_px) == (0, 0, 0.01, 10)
    assert (config.contrast.fit.steps, config.contrast.fit.rate, config.contrast.fit.size) == (10000, 1e-5, 1)
    assert (config.points.count, config.segment.clicks, config.validation.thresholds) == (32, (32,), (0.5, 0.75))
    (learner,) = config.segment.learners
    assert (learner.kind, learner.hidden, learner.fit.steps, learner.fit.size) == ("head", (12,), 10000, 4)
    said = caplog.text
    for text in ("pipeline: ", "basline: read as baseline", "save_embs", "rotation_interval: 0 to 1.571"):
        assert text in said


def test_the_last_key_is_fastest_and_models_are_the_last(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        models=2,
        lr=[1e-5, 1e-4],
        dataset=[["a", "b"]],
        elastic_params=[{"jitter_sigma": [0, 1, 1]}],
        point_density=[0.01, 0.1],
        temperature=[0.05, 0.1, 0.5],
    )
    found = [told for told, _ in imported(path)]
    assert len(found) == 24
    names = ("contrastive.lr", "contrastive.point_density", "contrastive.temperature", "contrastive.model")
    assert tuple(found[7][name] for name in names) == (1e-5, 0.1, 0.05, 1)
    assert tuple(found[12][name] for name in names) == (1e-4, 0.01, 0.05, 0)
    assert tuple(found[23][name] for name in names) == (1e-4, 0.1, 0.5, 1)
    assert imported(path)[7][1]["contrast"]["net"]["width"] == 13


def test_the_second_level_is_within_the_first(tmp_path: Path) -> None:
    seg = {
        "num_points": [16, 32],
        "thresholds": [[0.5, 0.75]],
        "seg_head": ["SimpleSegHead", "Sparse"],
        "baseline": [False],
    }
    found = imported(written(tmp_path, seg, temperature=[0.05, 0.1]))
    assert len(found) == 8
    assert found[6][0] == {"contrastive.temperature": 0.1, "seg.num_points": 32, "seg.seg_head": "SimpleSegHead"}
    assert found[6][1]["segment"]["learners"][0]["kind"] == "affinities"


@pytest.mark.parametrize(
    ("seg", "learner"),
    [
        ({"baseline": [True], "freeze_base": [False]}, {"kind": "net"}),
        ({"baseline": [True], "freeze_base": [True]}, {"kind": "head", "features": ["random"]}),
        ({"seg_head": ["SimpleSegHead"]}, {"kind": "affinities"}),
        ({}, {"kind": "head"}),
    ],
)
def test_who_segments(tmp_path: Path, seg: dict[str, Any], learner: dict[str, Any]) -> None:
    ((_, values),) = imported(written(tmp_path, {"num_points": [16], **seg}))
    assert values["segment"]["learners"] == [{"hidden": [12], **learner}]
    assert isinstance(Config.parse(values, tmp_path), Config)


def test_single_values_are_single_options(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = imported(written(tmp_path, {"thresholds": [0.5, 0.75], "num_points": 16}, temperature=0.1, dataset="a"))
    assert len(found) == 1
    assert found[0][1]["validation"]["thresholds"] == [0.5, 0.75]
    assert "contrastive.temperature: expected a list of options, found 0.1" in caplog.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"temperature": []}, "temperature: expected one or more options"),
        ({"optimizer": ["sgd"]}, "expected adam, found 'sgd'"),
        ({"seg": {"seg_head": ["Other"]}}, "expected Sparse or SimpleSegHead, found 'Other'"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        imported(written(tmp_path, **change))
    (tmp_path / "param_dict.json").write_text('{"model": [}')
    with pytest.raises(ConfigError, match=r"param_dict.json:1: expected JSON"):
        imported(tmp_path / "param_dict.json")


def test_angles_are_read_not_evaluated() -> None:
    assert [angle(one) for one in ("pi / 2", "pi", "-2*pi/4", "0.5", 0)] == [math.pi / 2, math.pi, -math.pi / 2, 0.5, 0]
    with pytest.raises(ValueError, match="could not convert"):
        angle("__import__('os')")
