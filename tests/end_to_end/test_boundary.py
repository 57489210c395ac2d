"""Real digits, from a package to a report; what step 2 must reach on them."""

import json
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.end_to_end.conftest import Taken
from tests.report.test_report_browser import Browser

import aliter
from aliter.core.errors import RequestError
from aliter.data.run import Run
from aliter.nets.own import save_script
from aliter.workflows.boundary import STAGES, Config
from aliter.workflows.boundary.classify import real_probability
from aliter.workflows.boundary.pair import pair_of
from aliter.workflows.boundary.pretrain import keep_epoch
from aliter.workflows.stage import due

CONFIG = Path(__file__).parents[2] / "configs" / "boundary" / "tiny.yaml"


def changed(config: Config, **blocks: dict[str, object]) -> Config:
    values = config.model_dump(mode="json")
    for name, block in blocks.items():
        values[name] = {**values[name], **block}
    return Config.model_validate(values)


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


def test_simpler_ways_are_measured_beside_it(run: Run, figures: dict[str, float]) -> None:
    ways = ("step 2", "filtering", "descent", "bisection")
    for way in ways:
        found = run[f"ways/{way.replace(' ', '')}"]
        assert found.shape[1:] == (1, 8, 8)
        assert figures[f"images in band, {way}"] > 0
        assert figures[f"nearest real, {way}"] > 0
    assert len(run["ways/bisection"]) == 40
    equal = {one.images for one in run.figures()["compare"] if one.name.startswith("kernel distance in band")}
    assert equal == {min(len(run[f"ways/{way.replace(' ', '')}"]) for way in ways)}


def test_the_report_stands_alone(run: Run) -> None:
    text = (run.path / "report" / "index.html").read_text()
    assert "Between 7 and 1" in text
    assert not re.search(r"(?:src|href)=\"https?://", text)


@pytest.mark.browser
def test_the_page_is_looked_at_in_a_browser(run: Run, figures: dict[str, float], tmp_path: Path) -> None:
    browser = Browser(tmp_path / "profile")
    try:
        browser.attach()
        browser.open(run.path / "report" / "index.html")
        counts = "[...document.querySelectorAll('.count')].map((one) => Number(one.textContent.split(' ')[0]))"
        shown = min(60, len(run["ambiguous/number"]))
        assert browser.evaluate(counts) == [int(figures["clusters"]), shown]
        browser.until("[...document.querySelectorAll('.pictures img')].every((one) => one.naturalWidth > 0)")
        titles = "[...document.querySelectorAll('h2')].map((one) => one.textContent)"
        assert {"Kinds", "Criticisms", "Ambiguous images", "Simpler ways"} <= set(browser.evaluate(titles))
        browser.evaluate("location.hash = 'item=prototype/0'")
        browser.until("document.querySelector('.viewer[open] h2')?.textContent === 'cluster 1'")
        line = "(({ x, width }) => [x, x + width])(document.querySelector('svg.curve .line').getBBox())"
        left, right = browser.evaluate(line)
        assert run["prototypes/curve"][0, :, 0].min() < 0, "its walk to the first class goes left"
        assert 34 <= left < right <= 334, "the whole walk is inside the frame"
        assert browser.evaluate("document.querySelector('svg.curve .name').textContent").startswith("0 → 0.")
        assert browser.complaints() == []
    finally:
        browser.close()


def test_what_is_named_is_taken_and_only_what_follows_is_done_again(config: Config, run: Run) -> None:
    named = changed(config, select={"epoch": 2})
    with run.working():
        names = [one.stage.name for one in due(STAGES, named, run)]
    assert names == ["select", "compare", "embed", "cluster", "prototypes", "report"]


@pytest.fixture(scope="module")
def micro(config: Config) -> Config:
    """Return a config that reaches nothing, quickly."""
    short = {"size": 16, "threads": 1, "judge_every": 2, "save_every": 2, "log_every": 1}
    return changed(
        config,
        images={"classes": [7, 1]},
        classify={"nets": {"cnn": {"kind": "pool_cnn", "width": 1}}, "fit": {"steps": 4, **short}},
        measure={"net": {"kind": "small_cnn", "width": 2, "depth": 2}, "fit": {"steps": 4, **short}, "count": 40},
        pretrain={"net": {"kind": "dcgan", "width": 4, "depth": 2, "latent": 4}, "fit": {"steps": 4, **short}},
        confuse={
            "guard": {"accuracy": 0, "confusion": 0},
            "weights": [0, 25, "mgda"],
            "starts": [1, "last"],
            "fit": {"steps": 4, **short},
        },
        select={"count": 60},
        compare={"count": 10, "tries": 250, "iterations": 2},
        cluster={"candidates": [{"kind": "k_means", "count": 2}], "resamples": 2},
        prototypes={"walk": {"steps": 2}},
    )


def test_a_classifier_of_many_classes_is_asked_about_the_pair(micro: Config, tmp_path: Path) -> None:
    many = changed(micro, images={"classes": [4, 7, 1]}, classify={"classes": "all"}, confuse={"weights": [25]})
    run = aliter.run(many, to=tmp_path / "many", stage="confuse")
    assert run["confusion/cnn-0/test"].shape == (3, 3)
    p = run["real/probability/cnn-0"]
    assert p.shape == (179 + 182,)
    assert 0 < p.min() < p.max() < 1


def test_a_classifier_of_ones_own_is_put_under_stress(micro: Config, tmp_path: Path) -> None:
    mine = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 2))
    save_script(mine, (1, 8, 8), tmp_path / "mine.pt")
    net = {"kind": "own", "path": str(tmp_path / "mine.pt"), "classes": ["7", "1"]}
    own = changed(micro, classify={"nets": {"mine": net}}, confuse={"weights": [25], "starts": ["last"]})
    with pytest.raises(RequestError, match="add --trust if the file is yours"):
        aliter.run(own, to=tmp_path / "wary", stage="classify")
    found = aliter.run(own, to=tmp_path / "own", stage="select", trust=True)
    pair = pair_of(own, found)
    logits = mine(torch.from_numpy(pair.signed(np.arange(len(pair))))).detach()
    np.testing.assert_allclose(found["real/probability/mine-0"], logits.softmax(1)[:, 1], atol=1e-5)
    assert found.facts["chosen"]["attempt"] == "mine-0-from2-25"


def test_several_classifiers_are_asked_at_once_and_all_must_be_undecided(
    micro: Config, taken: Taken, tmp_path: Path
) -> None:
    both = changed(
        micro,
        classify={"seeds": [0, 1]},
        confuse={"classifiers": ["cnn-all"], "weights": [25], "starts": ["last"]},
    )
    run = aliter.run(both, to=tmp_path / "both")
    p, real = run["step2/probability"], [run[f"real/probability/cnn-{seed}"] for seed in (0, 1)]
    inside = np.flatnonzero(((p >= 0.4) & (p <= 0.6)).all(axis=1))
    np.testing.assert_array_equal(run["ambiguous/number"], inside)
    assert np.max(np.abs(np.stack(real) - 0.5), axis=0) == pytest.approx(np.abs(real_probability(both, run) - 0.5))
    features = [run["ambiguous/features"].shape[1]]
    assert features == [2 * 2 * 2 * 2]
    assert set(taken(run)) == {"generator", "classifier-cnn-0", "classifier-cnn-1"}
    assert not [name for name in run.figures_by_name() if name.startswith("agreement")]
    wrong = changed(both, confuse={"classifiers": ["cnn-2"]})
    with pytest.raises(RequestError, match="one of cnn-0, cnn-1, cnn-all; found 'cnn-2'"):
        aliter.run(wrong, to=tmp_path / "both", stage="confuse")


def numbers(run: Run) -> dict[str, bytes]:
    """Return what a run found: metrics, figures and all arrays, byte by byte."""
    kept = {path.name: path.read_bytes() for path in [run.path / "metrics.jsonl", *run.path.glob("figures/*.json")]}
    return kept | {name: run[name].tobytes() for name in run.names()}


def test_the_same_seed_gives_the_same_bytes_and_a_stop_between_changes_none(
    micro: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = numbers(aliter.run(micro, to=tmp_path / "whole"))
    with monkeypatch.context() as patch:
        patch.setattr(import_module("aliter.workflows.boundary.confuse"), "keep_epoch", _stopping(5))
        with pytest.raises(KeyboardInterrupt):
            aliter.run(micro, to=tmp_path / "parts")
    parts = numbers(aliter.run(micro, to=tmp_path / "parts"))
    assert whole.keys() == parts.keys()
    assert [name for name in whole if whole[name] != parts[name]] == []
    other = changed(micro, pretrain={"fit": {**micro.pretrain.fit.model_dump(), "seed": 1}})
    assert numbers(aliter.run(other, to=tmp_path / "other"))["step2/generated"] != whole["step2/generated"]


def _stopping(after: int) -> Callable[..., None]:
    """Return a ``keep_epoch`` that breaks off at one of its calls."""
    calls: list[int] = []

    def keep(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == after:
            raise KeyboardInterrupt
        keep_epoch(*arguments)  # type: ignore[arg-type]

    return keep


def test_a_classifier_that_is_unsure_is_not_put_under_stress(config: Config, run: Run, tmp_path: Path) -> None:
    hasty = changed(config, classify={"fit": {**json.loads(config.classify.fit.model_dump_json()), "steps": 1}})
    small = changed(hasty, images={"classes": [7, 1]}, measure={"count": 50}, pretrain={"fit": {"steps": 1}})
    with pytest.raises(RequestError, match=r"cnn-0: expected an accuracy of at least 0\.95 and a confusion distance"):
        aliter.run(small, to=tmp_path / "hasty", stage="confuse")


def test_the_generator_and_the_classifier_can_be_taken_elsewhere(config: Config, run: Run, taken: Taken) -> None:
    found, pair = taken(run), pair_of(config, run)
    low, high = pair.range
    drawn = found["generator"]["answer"]
    assert drawn.shape[1:] == pair.shape
    assert low <= drawn.min() < drawn.max() <= high
    answer = found["classifier"]["answer"][0]
    assert answer.argmax() == pair.labels[pair.split("test")[0]]
