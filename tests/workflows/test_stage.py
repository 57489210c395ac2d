"""Stages: what is done stays done, what changed is done again, what another run has is taken over."""

import errno
import json
import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import pytest
import torch
import yaml
from tests.end_to_end.conftest import MICRO, contents

import aliter
from aliter.core.errors import AliterError, RequestError, RunError
from aliter.core.spec import Extends, Neutral, Spec
from aliter.data import blocks, ledger
from aliter.data.kept import Kept
from aliter.data.run import Figure, Run
from aliter.workflows.counterfactual import STAGES, Config
from aliter.workflows.stage import Stage, View, due, link, run_stages

# Stages of no workflow


class Learning(Spec):
    steps: Annotated[int, Extends] = 10
    rate: float = 0.1
    device: Annotated[str, Neutral] = "cpu"


class Learned(Spec):
    fit: Learning = Learning(steps=30, rate=0.2)
    several: tuple[Learning, ...] = ()


class Plain(Spec):
    value: int = 1


class Toy(Spec):
    workflow: str = "toy"
    source: Path | None = None
    learn: Learned = Learned()
    show: Plain = Plain()


def learn(config: Toy, run: Run) -> None:
    run.keep("net", Kept({"a": torch.full((4,), config.learn.fit.rate)}, config.learn.fit.steps, {}))
    run.save("latent/scores/0_1", np.full((3, 2), config.learn.fit.rate), ("index", "batch"))
    run.log({"step": config.learn.fit.steps})
    run.record([Figure("rate", config.learn.fit.rate, 3)])
    run.describe({"classes": ["a", "b"]})


def show(config: Toy, run: Run) -> None:
    run.save("shown", run["latent/scores/0_1"] + config.show.value, ("index", "batch"))
    run.describe({"shown": config.show.value})


TOY = (Stage(learn, reads=("source", "learn")), Stage(show, reads=("show",), after=("learn",)))


def key(config: Toy, stages: tuple[Stage, ...] = TOY) -> ledger.Key:
    """Return the key of the first stage."""
    return due(stages, config, Run(Path("nowhere"), config))[0].key


def done(path: Path, config: Toy) -> Run:
    """Return a run in which everything is done."""
    run = Run(path, config)
    with run.working():
        run_stages(due(TOY, config, run), config, run)
    return run


def names(run: Run, config: Toy) -> dict[str, str]:
    return {one.stage.name: one.why for one in due(TOY, config, run)}


def with_fit(**values: object) -> Toy:
    return Toy(learn=Learned(fit=Learning.model_validate({"steps": 30, "rate": 0.2, **values})))


def test_a_field_that_is_not_listed_cannot_be_read() -> None:
    view = View(Toy(), TOY[1])
    for one in (view, pickle.loads(pickle.dumps(view))):
        assert one.show == Plain()
        with pytest.raises(AliterError, match="the stage show reads 'learn' but does not list it"):
            one.learn  # noqa: B018


def test_what_changes_no_number_changes_no_key() -> None:
    assert key(with_fit(device="cuda")) == key(Toy())
    assert key(with_fit(rate=0.3)).digest != key(Toy()).digest
    assert key(with_fit()) == key(Toy())


def test_raised_steps_continue_lowered_ones_do_not(tmp_path: Path) -> None:
    more, fewer = key(with_fit(steps=31)), key(with_fit(steps=29))
    assert more.continues(key(Toy()))
    assert not fewer.continues(key(Toy()))
    assert not key(with_fit(steps=31, rate=0.3)).continues(key(Toy()))
    run = done(tmp_path / "run", Toy())
    changed = "its config or what it uses changed"
    assert names(run, with_fit(steps=31)) == {"learn": "goes on", "show": changed}
    assert names(run, with_fit(steps=29)) == {"learn": changed, "show": changed}


def test_steps_in_a_list_are_seen() -> None:
    first, second = (key(Toy(learn=Learned(several=(Learning(steps=steps),)))) for steps in (5, 6))
    assert first != second
    assert second.continues(first)


@pytest.mark.parametrize(("default", "numbers", "same"), [(1, 1, True), (2, 1, True), (1, 2, False)])
def test_a_changed_default_changes_a_key_only_with_its_numbers(default: int, numbers: int, same: bool) -> None:
    def stages(of: int, count: int) -> ledger.Key:
        class Choice(Spec):
            numbers: ClassVar[int] = count
            value: int = of

        class Whole(Spec):
            choice: Choice = Choice()

        return due((Stage(learn, reads=("choice",)),), Whole(), Run(Path("nowhere"), Whole()))[0].key

    assert (stages(default, numbers) == stages(1, 1)) is same


def test_data_is_known_by_its_content_not_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "a" / "inside").mkdir(parents=True)
    (tmp_path / "a" / "inside" / "x.tif").write_bytes(b"1")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    first = key(Toy(source=tmp_path / "a"))
    assert key(Toy(source=tmp_path / "b")) == first
    (tmp_path / "b" / "inside" / "x.tif").write_bytes(b"2")
    assert key(Toy(source=tmp_path / "b")) != first
    (tmp_path / "a" / "inside" / "x.tif").rename(tmp_path / "a" / "inside" / "y.tif")
    assert key(Toy(source=tmp_path / "a")) != first
    with pytest.raises(RequestError, match="expected a file or folder, found none"):
        key(Toy(source=tmp_path / "c"))


def test_what_will_be_done_is_said_before_anything_is(tmp_path: Path) -> None:
    run, said = Run(tmp_path / "run", Toy()), []

    def say(text: str) -> None:
        said.append((text.partition(" in ")[0], tuple(run.finished)))

    with run.working():
        run_stages(due(TOY, Toy(), run), Toy(), run, say)
    assert said == [
        ("learn: not done yet", ()),
        ("show: not done yet", ()),
        ("learn: done", ("learn",)),
        ("show: done", ("learn", "show")),
    ]


# Results of another run


def linked(path: Path, config: Toy, other: Path) -> tuple[Run, list[str]]:
    """Return a run that took over what it could, and what is left to do."""
    run = Run(path, config)
    with run.working():
        left = link(due(TOY, config, run), run, other)
    return run, [one.stage.name for one in left]


def files(run: Run) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the time of every file of a run's results."""
    found = [path for name in ("store.zarr", "checkpoints", "figures") for path in (run.path / name).rglob("*")]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found if path.is_file()}


def test_a_finished_stage_of_another_run_is_taken_over(tmp_path: Path) -> None:
    first = done(tmp_path / "first", Toy())
    run, left = linked(tmp_path / "second", Toy(show=Plain(value=2)), first.path)
    assert left == ["show"]
    assert run.finished == {"learn": first.finished["learn"]}
    assert run.names() == ["latent/scores/0_1"]
    assert run.facts["classes"] == ["a", "b"]
    assert "shown" not in run.facts
    assert run.metrics() == [{"stage": "learn", "step": 30}]
    assert run.figures() == {"learn": [Figure("rate", 0.2, 3)]}
    checkpoint = "checkpoints/net-00000030.safetensors"
    assert (run.path / checkpoint).samefile(first.path / checkpoint)
    assert list((run.path / "beside").iterdir()) == []
    everything, left = linked(tmp_path / "third", Toy(), first.path)
    assert left == []
    with everything.working():
        assert due(TOY, Toy(), everything) == []
    np.testing.assert_array_equal(everything["shown"], first["shown"])


def test_what_is_shared_is_never_written_into(tmp_path: Path) -> None:
    first = done(tmp_path / "first", Toy())
    before = files(first)
    run, _ = linked(tmp_path / "second", Toy(), first.path)
    mine = files(run)
    for config in (with_fit(steps=40), with_fit(rate=0.5)):
        with run.working():
            run_stages(due(TOY, config, run), config, run)
        assert files(first) == before
    assert run["shown"].max() == 1.5
    second, _ = linked(tmp_path / "fourth", Toy(), first.path)
    mine = files(second)
    with first.working():
        run_stages(due(TOY, with_fit(rate=0.5), first), with_fit(rate=0.5), first)
    assert files(first) != before
    assert files(second) == mine


def test_across_devices_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, original = done(tmp_path / "first", Toy()), os.link

    def refused(source: str | Path, target: str | Path) -> None:
        if first.path in Path(source).parents:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        original(source, target)

    monkeypatch.setattr(os, "link", refused)
    run, left = linked(tmp_path / "second", Toy(), first.path)
    assert left == []
    assert [one for one, _ in files(run).values()] == [one for one, _ in files(first).values()]
    assert not (run.path / "store.zarr/shown/zarr.json").samefile(first.path / "store.zarr/shown/zarr.json")


@pytest.mark.parametrize("stop", range(1, 16, 2))
def test_taking_over_that_is_cut_short_is_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    count = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object) -> object:
            nonlocal count
            count += 1
            if count == stop:
                raise KeyboardInterrupt
            return original(*arguments)

        return wrapper

    first = done(tmp_path / "first", Toy())
    run = Run(tmp_path / "second", Toy())
    try:
        with run.working(), monkeypatch.context() as patch:
            patch.setattr(ledger, "_link", counted(ledger._link))
            patch.setattr(Path, "rename", counted(Path.rename))
            patch.setattr(ledger, "write_text", counted(ledger.write_text))
            link(due(TOY, Toy(), run), run, first.path)
    except KeyboardInterrupt:
        pass
    assert count >= stop
    run, left = linked(run.path, Toy(), first.path)
    assert left == []
    ours, theirs = contents(run.path), contents(first.path)
    assert {name for name in ours if name not in theirs} == set()
    assert ours == theirs


@pytest.mark.parametrize("stop", range(2, 24))
def test_a_move_that_is_cut_short_anywhere_leaves_nothing_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    count = 0

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*arguments: object, **names: object) -> object:
            nonlocal count
            count += 1
            if count == stop:
                raise ZeroDivisionError
            return original(*arguments, **names)

        return wrapper

    whole = done(tmp_path / "whole", Toy())
    run, finish = Run(tmp_path / "stopped", Toy()), ledger.finish

    def watched(path: Path, stage: str) -> None:
        with monkeypatch.context() as patch:
            for place, name in ((os, "rename"), (os, "unlink"), (os, "rmdir"), (ledger, "write_text")):
                patch.setattr(place, name, counted(getattr(place, name)))
            finish(path, stage)

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "finish", watched)
        with suppress(ZeroDivisionError), run.working():
            run_stages(due(TOY, Toy(), run), Toy(), run)
    assert count >= stop
    with run.working():
        run_stages(due(TOY, Toy(), run), Toy(), run)
    assert list((run.path / "beside").iterdir()) == []
    assert contents(run.path) == contents(whole.path)


def test_only_another_run_whose_result_stands_is_taken_from(tmp_path: Path) -> None:
    first = done(tmp_path / "first", Toy())
    with pytest.raises(RunError, match="found this one"):
        linked(tmp_path / "first", Toy(), tmp_path / "first" / ".." / "first")
    with pytest.raises(RunError, match="expected a run, found none"):
        linked(tmp_path / "second", Toy(), tmp_path / "nothing")
    moving = ledger.beside(first.path, "learn") / "moving"
    moving.parent.mkdir(parents=True)
    moving.write_text("{}")
    assert linked(tmp_path / "second", Toy(), first.path)[1] == ["learn"]
    assert linked(tmp_path / "third", with_fit(rate=0.7), first.path)[1] == ["learn", "show"]


# A whole workflow, very small


def micro(**attribute: object) -> Config:
    values = yaml.safe_load(MICRO)
    values["attribute"] |= attribute
    return Config.model_validate(values)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished run."""
    return aliter.run(micro(), to=tmp_path_factory.mktemp("micro") / "run").path


@pytest.fixture
def copied(whole: Path, tmp_path: Path) -> Run:
    """Return a copy of the finished run."""
    return Run(Path(shutil.copytree(whole, tmp_path / "run")), micro())


def test_single_shots_make_the_translation_rate(copied: Run) -> None:
    for kind in ("latent", "reference"):
        shots, rates = copied[f"shots/{kind}"], copied[f"rates/{kind}"]
        assert shots.shape == (2, 2, micro().translate.tries)
        np.testing.assert_allclose(shots.mean(-1), rates[..., 0])
        assert (shots[[0, 1], [1, 0]].max(-1) <= rates[[0, 1], [1, 0], 1]).all()


def test_a_changed_attribution_leaves_the_networks_alone(copied: Run) -> None:
    def networks() -> dict[str, tuple[bytes, int]]:
        return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in copied.path.glob("checkpoints/*")}

    before, generated = networks(), copied["latent/generated/0_1"]
    config = micro(discriminative=[{"kind": "integrated_gradients", "steps": 9}, {"kind": "residual"}])
    said: list[str] = []
    with copied.working():
        run_stages(due(STAGES, config, copied), config, copied, said.append)
        assert due(STAGES, config, copied) == []
    changed = ": its config or what it uses changed"
    assert said[:3] == [f"{name}{changed}" for name in ("attribute", "evaluate", "report")]
    assert len(said) == 6
    assert networks() == before
    assert any(name.startswith("classifier") for name in before)
    assert any(name.startswith("translator") for name in before)
    np.testing.assert_array_equal(copied["latent/generated/0_1"], generated)


def test_a_worker_killed_by_pid_changes_no_byte(copied: Run, whole: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = micro()
    killed, over = threading.Event(), threading.Event()

    def kill() -> None:
        while not list(copied.path.glob("beside/attribute/blocks/**/*.done")):
            time.sleep(0.005)
        while not killed.is_set() and not over.is_set():
            for pid in [child.pid for child in multiprocessing.active_children() if child.pid][:1]:
                os.kill(pid, signal.SIGKILL)
                killed.set()

    copied.workers = 2
    killer = threading.Thread(target=kill, daemon=True)
    with copied.working(), caplog.at_level(logging.WARNING, "aliter.data.blocks"):
        killer.start()
        run_stages(due(STAGES, config, copied, until="attribute", again="attribute"), config, copied)
        over.set()
        killer.join()
    assert killed.is_set()
    said = [record.getMessage() for record in caplog.records if record.name == "aliter.data.blocks"]
    assert all("killed by signal 9 (Killed)" in message for message in said)
    assert len(said) <= 1
    assert arrays(copied.path) == arrays(whole)


def test_a_stage_killed_between_blocks_redoes_only_the_open_ones(copied: Run, whole: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; from tests.workflows.test_stage import *\n"
        "from aliter.data import blocks\n"
        "left, original = 4, blocks.write_text\n"
        "def mark(path, text):\n"
        "    global left\n"
        "    original(path, text)\n"
        "    left -= 1\n"
        "    if left == 0: os.kill(os.getpid(), signal.SIGKILL)\n"
        "blocks.write_text = mark\n"
        "torch.set_num_threads(1)\n"
        "run, config = Run(Path(sys.argv[1]), micro()), micro()\n"
        "with run.working(): run_stages(due(STAGES, config, run, until='attribute', again='attribute'), config, run)"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", code, str(copied.path)], cwd=root, check=False)
    assert ended.returncode == -signal.SIGKILL
    before = marks(copied)
    assert len(before) == 4
    config = micro()
    with copied.working(), watched(copied) as made:
        run_stages(due(STAGES, config, copied, until="attribute", again="attribute"), config, copied)
    assert "attribute: going on, 4 of 12 blocks are done" in (copied.path / "log.txt").read_text()
    assert len(made) == 8
    assert not made & before
    assert arrays(copied.path) == arrays(whole)


def marks(run: Run) -> set[str]:
    folder = run.path / "beside" / "attribute" / "blocks"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.done")}


@contextmanager
def watched(run: Run) -> Iterator[set[str]]:
    """Collect the blocks that are marked as done meanwhile."""
    folder, original = run.path / "beside" / "attribute" / "blocks", blocks.write_text
    made: set[str] = set()

    def mark(path: Path, text: str) -> None:
        made.add(path.relative_to(folder).as_posix())
        original(path, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "write_text", mark)
        yield made


def arrays(run: Path) -> dict[str, str]:
    return {name: digest for name, digest in contents(run).items() if "store.zarr" in name and "/attributions/" in name}


def test_generators_share_one_classifier(whole: Path, tmp_path: Path) -> None:
    values = yaml.safe_load(MICRO)
    values["translate"]["fit"]["rate"] = 2e-3
    config = Config.model_validate(values)
    run, said = Run(tmp_path / "sibling", config), []
    with run.working():
        left = link(due(STAGES, config, run), run, whole, said.append)
        assert [one.stage.name for one in due(STAGES, config, run)] == [one.stage.name for one in left]
    assert said == [f"{name}: linked from {whole}" for name in ("gather", "classify")]
    assert [one.stage.name for one in left] == ["translate", "generate", "attribute", "evaluate", "report"]
    for path in run.path.glob("checkpoints/*"):
        assert path.samefile(whole / "checkpoints" / path.name)
    assert run.facts["classes"] == Run(whole).facts["classes"]
    assert json.loads((run.path / "stages.json").read_text()).keys() == {"gather", "classify"}
