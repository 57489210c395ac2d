"""Real digits, from a package to a report; what step 2 must reach on them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from aliter.core.errors import RequestError
from aliter.data.run import Run
from aliter.workflows.boundary import STAGES, Config
from aliter.workflows.stage import due, run_stages

TINY = Path(__file__).parents[2] / "configs" / "boundary" / "tiny.yaml"


def made(config: Config, path: Path, until: str | None = None) -> Run:
    run = Run(path, config)
    with run.working():
        run_stages(due(STAGES, config, run, until), config, run)
    return run


def changed(config: Config, **blocks: dict[str, object]) -> Config:
    values = config.model_dump(mode="json")
    for name, block in blocks.items():
        values[name] = {**values[name], **block}
    return Config.model_validate(values)


@pytest.fixture(scope="module")
def config() -> Config:
    found = Config.read(TINY)
    assert isinstance(found, Config)
    return found


@pytest.fixture(scope="module")
def run(config: Config, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return made(config, tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def figures(run: Run) -> dict[str, float]:
    return {one.name: one.value for rows in run.figures().values() for one in rows}


def test_the_classifier_is_right_and_sure_of_real_images(figures: dict[str, float]) -> None:
    assert figures["accuracy, cnn-0, test"] >= 0.95
    assert figures["confusion distance, cnn-0, real"] >= 0.4


def test_step_two_brings_images_to_the_boundary(figures: dict[str, float]) -> None:
    assert figures["confusion distance, step1"] >= 0.4
    assert figures["confusion distance, step2"] <= 0.2
    assert figures["share in band, step2"] >= 0.4 > 0.1 >= figures["share in band, step1"]


def test_the_store_holds_what_was_said(run: Run, figures: dict[str, float]) -> None:
    p = run["step2/probability"][:, 0]
    inside = np.flatnonzero((p >= 0.4) & (p <= 0.6))
    np.testing.assert_array_equal(run["ambiguous/number"], inside)
    assert figures["share in band, step2"] == len(inside) / len(p)
    labels = run["clusters/label"]
    assert len(labels) == len(inside)
    assert len(run["prototypes/row"]) == labels.max() + 1 == figures["clusters"]
    np.testing.assert_array_equal(run["prototypes/label"], labels[run["prototypes/row"]])
    walks, curves = run["prototypes/walk"], run["prototypes/curve"]
    middle = curves.shape[1] // 2
    np.testing.assert_allclose(walks[:, middle], run["prototypes/image"], atol=1e-5)
    np.testing.assert_allclose(curves[:, middle, 1], p[inside][run["prototypes/row"]], atol=1e-5)
    ways = [curve[np.isfinite(curve).all(axis=1)] for curve in curves]
    assert all(one[0, 1] < 0.5 < one[-1, 1] for one in ways)


def test_the_report_stands_alone(run: Run) -> None:
    text = (run.path / "report" / "index.html").read_text()
    assert "Between 7 and 1" in text
    assert not re.search(r"(?:src|href)=\"https?://", text)


def test_what_is_named_is_taken_and_only_what_follows_is_done_again(config: Config, run: Run) -> None:
    named = changed(config, select={"epoch": 2})
    with run.working():
        names = [one.stage.name for one in due(STAGES, named, run)]
    assert names == ["select", "embed", "cluster", "prototypes", "report"]


def test_a_classifier_that_is_unsure_is_not_put_under_stress(config: Config, run: Run, tmp_path: Path) -> None:
    hasty = changed(config, classify={"fit": {**json.loads(config.classify.fit.model_dump_json()), "steps": 1}})
    small = changed(hasty, images={"classes": [7, 1]}, measure={"count": 50}, pretrain={"fit": {"steps": 1}})
    with pytest.raises(RequestError, match=r"cnn-0: expected an accuracy of at least 0\.95 and a confusion distance"):
        made(small, tmp_path / "hasty", "confuse")
