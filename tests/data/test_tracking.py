"""Who watches a run is told the record, no more and no less."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from aliter.core.errors import RequestError
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.data.tracking import Wandb
from aliter.workflows.counterfactual import Config

KEY = Key("0")
PICTURE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def told(run: Run, stage: str, kind: str) -> list[tuple[int, str, float | bytes]]:
    """Return step, name and value of all that TensorBoard would show."""
    path = run.path / "events" / stage / kind / "events.out.tfevents.0.aliter"
    found = []
    for event in EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            strings, numbers = value.tensor.string_val, value.tensor.float_val
            found.append((event.step, value.tag, strings[2] if strings else numbers[0]))
    return found


def play(run: Run, steps: int, stop: int | None = None) -> None:
    """Log a loss at each step and a picture at every second; stop without finishing, if asked to."""
    with run.working(), run.stage("learn", KEY):
        for step in range(1, steps + 1):
            run.log({"name": "net", "step": step, "loss": 1 / step})
            if step % 2 == 0:
                run.show("net", step, PICTURE + step)
            if step == stop:
                raise KeyboardInterrupt


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "run", Config(images=Path("cells")))


def test_the_board_shows_the_record(run: Run) -> None:
    play(run, 4)
    rows = run.metrics("learn")
    assert told(run, "learn", "figures") == [(row["step"], "net/loss", pytest.approx(row["loss"])) for row in rows]
    pictures = told(run, "learn", "pictures")
    assert [(step, name) for step, name, _ in pictures] == [(2, "net"), (4, "net")]
    kept = run.path / "samples" / "learn" / "net-00000004.png"
    assert pictures[1][2] == kept.read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(kept)), PICTURE + 4)


def files(run: Run) -> dict[str, bytes]:
    found = [path for place in ("events", "samples") for path in (run.path / place).rglob("*") if path.is_file()]
    return {path.relative_to(run.path).as_posix(): path.read_bytes() for path in found}


def test_a_resumed_run_is_told_once_and_the_same_to_the_byte(tmp_path: Path) -> None:
    config = Config(images=Path("cells"))
    whole, broken = Run(tmp_path / "whole", config), Run(tmp_path / "broken", config)
    play(whole, 4)
    with pytest.raises(KeyboardInterrupt):
        play(broken, 4, stop=3)
    again = Run(tmp_path / "broken", config)
    with again.working(), again.stage("learn", KEY):
        assert len(told(again, "learn", "figures")) == 3
        end_of_two = len((again.folder / "metrics.jsonl").read_bytes().splitlines(keepends=True)[0]) * 2
        again.rewind(end_of_two, "net")
        assert len(told(again, "learn", "figures")) == len(again.metrics("learn"))
        for step in range(len(again.metrics("learn")) + 1, 5):
            again.log({"name": "net", "step": step, "loss": 1 / step})
        again.show("net", 4, PICTURE + 4)
    assert files(again) == files(whole)
    assert len(files(whole)) == 4


def test_a_stage_that_is_done_anew_forgets_what_was_told(run: Run) -> None:
    play(run, 4)
    with run.working(), run.stage("learn", Key("1")):
        run.log({"name": "net", "step": 1, "loss": 7.0})
    assert told(run, "learn", "figures") == [(1, "net/loss", 7.0)]
    assert not (run.path / "events" / "learn" / "pictures").exists()


WATCHED = """
import sys
from pathlib import Path
from aliter.data.run import Run
from aliter.data.ledger import Key
from aliter.workflows.counterfactual import Config
import numpy as np

config = Config(images=Path("cells"), log={"kind": "wandb", "project": "cells", "mode": "offline"})
run = Run(Path(sys.argv[1]), config)
with run.working(), run.stage("learn", Key("0")):
    for step in range(1 + len(run.metrics("learn")), 1 + int(sys.argv[2])):
        run.log({"name": "net", "step": step, "loss": 1 / step})
    run.show("net", 2, np.zeros((4, 4, 3), np.uint8))
    if len(sys.argv) > 3:
        raise SystemExit(0)
"""


def records(path: Path) -> Iterator[bytes]:
    """Yield the messages in a file that 'wandb sync' would send: a log in blocks of 32 KiB."""
    data, at, parts = path.read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):
            yield parts
            parts = b""


def sent(run: Path) -> list[dict[str, str]]:
    """Return the figures of each row that was written for Weights & Biases."""
    from wandb.proto import wandb_internal_pb2 as messages

    found = []
    for path in sorted((run / "wandb").glob("offline-run-*/run-*.wandb")):
        for data in records(path):
            record = messages.Record()
            record.ParseFromString(data)
            if record.HasField("history"):
                items = record.history.item
                found.append({one.key or "/".join(one.nested_key): one.value_json for one in items})
    return found


@pytest.mark.slow
def test_weights_and_biases_is_told_offline_and_nothing_twice(tmp_path: Path) -> None:
    for arguments in (("3", "stop"), ("5",)):
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, str(tmp_path / "run"), *arguments], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    rows = sent(tmp_path / "run")
    losses = [(int(row["learn/step"]), float(row["learn/net/loss"])) for row in rows if "learn/net/loss" in row]
    assert losses == [(step, pytest.approx(1 / step)) for step in range(1, 6)]
    assert sum(any(key.startswith("learn/net/sample") for key in row) for row in rows) == 1


def test_weights_and_biases_changes_no_key_and_is_missed_in_a_sentence(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    run = Run(tmp_path / "run", Config(images=Path("cells"), log=Wandb(mode="offline")))
    with pytest.raises(RequestError, match="pip install 'aliter\\[wandb\\]'"), run.working():
        pass
