"""What ``check`` says of the embeddings room, against a run."""

from pathlib import Path

import pytest

from aliter.data.simulate import Nuclei
from aliter.data.simulate.store import write_simulation, written_as_folder
from aliter.workflows.check import Understood, check
from aliter.workflows.embeddings import Config

MICRO = {
    "images": {"simulate": "nuclei", "count": 6, "size": 64, "seed": 0},
    "points": {"count": 8, "repeats": 2},
    "contrast": {
        "views": {"size": [52, 52], "density": 0.1},
        "fit": {"steps": 40, "size": 1, "judge_every": 20, "save_every": 20, "threads": 1},
    },
    "embed": {"features": ["filters"]},
    "segment": {"clicks": [4, 8], "learners": [{"kind": "forest", "trees": 3}]},
    "report": {"fields": 1},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Understood:
    return check(Config.model_validate(MICRO), tmp_path_factory.mktemp("check") / "run")


def test_every_stage_is_told_and_features_take_what_they_take(found: Understood) -> None:
    stages = {one.name: one for one in found.stages}
    assert list(stages) == ["gather", "points", "contrast", "embed", "segment", "validate", "report"]
    assert stages["contrast"].cost.steps == 40
    assert stages["embed"].cost.disk == pytest.approx(6 * 20 * 64 * 64 * 2, rel=0.05)
    # Two numbers of clicks, two sets, three fields.
    assert stages["segment"].cost.disk == pytest.approx(2 * 2 * 3 * 64 * 64 * 2, rel=0.05)
    assert found.images.counts.tolist() == [[3, 1, 2]]


def test_files_are_understood_like_what_they_were_drawn_by(tmp_path: Path) -> None:
    write_simulation(Nuclei(count=6, size=64), tmp_path / "a.zarr")
    written_as_folder(tmp_path / "a.zarr", tmp_path / "files")
    for source in ("a.zarr", "files"):
        config = Config.model_validate({**MICRO, "images": tmp_path / source})
        assert check(config, tmp_path / "run").images.counts.tolist() == [[3, 1, 2]]
    assert not (tmp_path / "run").exists()
