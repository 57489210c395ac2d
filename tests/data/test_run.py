import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aliter.core.errors import RunError
from aliter.core.spec import Spec
from aliter.data import ledger
from aliter.data.kept import Kept
from aliter.data.ledger import Key
from aliter.data.run import Figure, Run


class Settings(Spec):
    workflow: str = "none"


def work(run: Run, value: int, key: str = "a", extends: int | None = None) -> None:
    with run.stage("make", Key(key, {} if extends is None else {"steps": extends})):
        run.save("latent/scores/0_1", np.full((3, 2), value), ("index", "batch"))
        run.save(f"extra/{value}", np.arange(3), ("index",))
        run.keep("net", Kept({"a": torch.full((2,), float(value))}, value, {}))
        run.log({"step": value})
        run.describe({"classes": [str(value)]})
        run.record([Figure("accuracy", float(value), 3)])


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", Settings())


def test_what_a_stage_saves_counts_once_it_is_done(run: Run) -> None:
    with run.working():
        work(run, 1)
        with pytest.raises(ZeroDivisionError), run.stage("make", Key("b")):
            run.save("latent/scores/0_1", np.zeros((3, 2)), ("index", "batch"))
            assert run["latent/scores/0_1"].max() == 0
            raise ZeroDivisionError
        assert run["latent/scores/0_1"].min() == 1
        work(run, 2, "b")
    found = Run(run.path)
    assert found["latent/scores/0_1"].min() == 2
    assert found.names() == ["extra/2", "latent/scores/0_1"]
    assert found.facts["classes"] == ["2"]
    assert [row["step"] for row in found.metrics()] == [2]
    assert found.figures()["make"] == [Figure("accuracy", 2.0, 3)]
    assert found.finished == {"make": Key("b")}
    assert list((run.path / "beside").iterdir()) == []


@pytest.mark.parametrize("stop", range(12))
def test_a_move_that_is_cut_short_is_completed(run: Run, monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    calls = 0

    def counted(original):  # type: ignore[no-untyped-def]
        def wrapper(*args, **kwargs):  # type: ignore[no-untyped-def]
            nonlocal calls
            calls += 1
            if calls == stop:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        return wrapper

    with run.working():
        work(run, 1)
    try:
        with run.working(), monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted(Path.rename))
            patch.setattr(ledger, "write_text", counted(ledger.write_text))
            patch.setattr(ledger, "_remove", counted(ledger._remove))
            work(run, 2, "b")
    except KeyboardInterrupt:
        pass
    with run.working():
        value = int(run["latent/scores/0_1"].min())
        assert run.finished == {"make": Key({1: "a", 2: "b"}[value])}
        assert run.names() == [f"extra/{value}", "latent/scores/0_1"]
        assert run.figures()["make"][0].value == value
        state = run.kept("net")
        assert state is not None
        assert state.step == value


def test_more_steps_go_on_from_what_was_kept(run: Run) -> None:
    with run.working():
        work(run, 1, extends=10)
        with run.stage("make", Key("a", {"steps": 20})):
            assert (run.folder / "checkpoints").is_dir()
            assert [row["step"] for row in run.metrics("make")][-1] == 1
            state = run.kept("net")
            assert state is not None
            assert state.step == 1
        with run.stage("make", Key("a", {"steps": 5})):
            assert not (run.folder / "checkpoints").exists()


def test_a_stage_that_is_done_again_starts_anew(run: Run) -> None:
    with run.working():
        work(run, 1)
        with run.stage("make", Key("b")):
            assert run.kept("net") is None
        with run.stage("other", Key("c")):
            assert run.kept("net") is None


def test_a_later_stage_reads_what_an_earlier_one_kept(run: Run) -> None:
    with run.working():
        work(run, 1)
        with run.stage("other", Key("c")):
            state = run.kept("net")
            assert state is not None
            assert state.step == 1


def test_states_whose_names_begin_alike_are_kept_apart(run: Run) -> None:
    state = Kept({"a": torch.ones(1)}, 1, {})
    with run.stage("make", Key("a")):
        run.keep("net-0", state, 1)
    for steps in (1, 2):
        with run.stage("other", Key("b", {"steps": steps})):
            run.keep("net-0-from1-25", state, 1)
            assert run.kept("net-0") is not None
            assert run.kept("net-0-from1") is None


def test_a_second_process_is_refused_by_name(run: Run) -> None:
    code = (
        "import sys; from pathlib import Path; from aliter.data.run import Run; from aliter.core.spec import Spec\n"
        "class S(Spec): workflow: str = 'none'\n"
        "with Run(Path(sys.argv[1]), S()).working(): print('in', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(run.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == "in\n"
        with pytest.raises(RunError, match=rf"in use by process {child.pid} on") as caught, run.working():
            pass
        assert caught.value.code == 2
        child.kill()
    with run.working():
        assert (run.path / "holder").read_text().startswith(f"process {os.getpid()}")


def test_a_missing_run_and_a_missing_array_are_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="expected a run, found none"):
        Run(tmp_path / "nothing")
    with run.working():
        work(run, 1)
    with pytest.raises(RunError, match=r"no array 'latent/scores/0_2'; in its place there are: 0_1"):
        run["latent/scores/0_2"]


def test_versions_are_noted(run: Run) -> None:
    with run.working():
        pass
    noted = json.loads((run.path / "environment.json").read_text())
    assert noted["packages"]["torch"] == torch.__version__.split("+")[0]
    assert "aliter" in (run.path / "log.txt").read_text()
