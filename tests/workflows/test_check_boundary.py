"""What ``check`` says of the boundary room."""

from pathlib import Path

import pytest

from aliter.workflows.boundary import STAGES, Config
from aliter.workflows.check import Understood, check

SHORT = {"size": 16, "judge_every": 10, "save_every": 20, "log_every": 10, "threads": 1}
MICRO = {
    "images": {"digits": "small"},
    "pair": [7, 1],
    "classify": {"nets": {"cnn": {"kind": "pool_cnn", "width": 1}}, "seeds": [0, 1], "fit": {"steps": 40, **SHORT}},
    "measure": {"net": {"kind": "small_cnn", "width": 2, "depth": 2}, "fit": {"steps": 40, **SHORT}, "count": 60},
    "pretrain": {"net": {"kind": "dcgan", "width": 4, "depth": 2, "latent": 4}, "fit": {"steps": 40, **SHORT}},
    "confuse": {"weights": [0, 25], "fit": {"steps": 40, **SHORT}},
    "select": {"count": 1000},
    "compare": {"count": 30, "tries": 300, "iterations": 2},
    "embed": {"reduce": {"kind": "pca", "dimensions": 2}, "map": {"kind": "pca", "dimensions": 2}},
    "cluster": {"candidates": [{"kind": "k_means", "count": 2}], "resamples": 2},
    "prototypes": {"walk": {"steps": 2}, "resamples": 2},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Understood:
    path = tmp_path_factory.mktemp("check") / "run"
    said = check(Config.model_validate(MICRO), path)
    assert not path.exists()
    return said


def test_every_stage_is_told(found: Understood) -> None:
    stages = {one.name: one.cost for one in found.stages}
    assert list(stages) == [stage.name for stage in STAGES]
    assert [stages[name].steps for name in ("classify", "measure", "pretrain", "confuse")] == [40] * 4
    assert all(one.seconds > 0 for one in stages.values())


def test_images_that_are_drawn_take_what_they_take(found: Understood) -> None:
    stages = {one.name: one.cost for one in found.stages}
    arrays = {one.name.rpartition("store.zarr/")[2]: one.bytes for one in stages["select"].arrays}
    assert arrays["step2/generated"] == 1000 * 8 * 8 * 4
    # Two attempts, each with as many epochs as it has tens of steps: small files, no optimisers.
    assert stages["confuse"].disk > stages["pretrain"].disk / 2


def test_images_without_a_split_are_refused_at_once(tmp_path: Path) -> None:
    from aliter.core.errors import AliterError

    with pytest.raises(AliterError, match="expected"):
        check(Config.model_validate({**MICRO, "images": tmp_path / "none"}), tmp_path / "run")
