"""Checkpoints that are cut off, do not fit on the disk, are made to harm, or are another network's."""

import json
import os
import pickle
import resource
import signal
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from aliter.core.errors import CheckpointError, DivergenceError, ResourceError
from aliter.data import files
from aliter.data import kept as keeping
from aliter.data.kept import Kept, keep, kept
from aliter.data.run import Run
from aliter.nets.small_cnn import SmallCNN
from aliter.train import fit as fitting
from aliter.train.fit import Game, fit, recall
from aliter.train.plan import Average, Fit

MakeGame = Callable[[], Game]
MakeRun = Callable[[str], Run]


def state(step: int) -> Kept:
    return Kept({"a": torch.arange(5000.0) + step}, step, {})


def step_of(folder: Path) -> int:
    found = kept(folder, "net")
    assert found is not None
    assert torch.equal(found.tensors["a"], state(found.step).tensors["a"])
    return found.step


def test_equal_states_are_equal_bytes(tmp_path: Path) -> None:
    """Not by chance: the order of a hash map is another one each time."""
    paths = [keep(tmp_path / str(copy), "net", state(1), last=1) for copy in range(8)]
    assert len({path.read_bytes() for path in paths}) == 1


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at_bytes(share: float, name: str = "{}") -> Callable[[], None]:
    """Die when ``share`` of the bytes are written, under the temporary name that the library uses."""

    def install() -> None:
        save_file = keeping.save_file

        def write(tensors: Any, path: Path, metadata: dict[str, str]) -> None:
            save_file(tensors, path, metadata)
            content = path.read_bytes()
            path.unlink()
            path.with_name(name.format(path.name)).write_bytes(content[: int(share * len(content))])
            die()

        keeping.save_file = write

    return install


def _at_sync(number: int, after: bool) -> Callable[[], None]:
    """Die before or after the file (1) or the folder (2) is synced: (2) comes after the rename."""

    def install() -> None:
        calls, sync = iter(range(1, 9)), files._sync

        def counted(path: Path) -> None:
            last = next(calls) == number
            if last and not after:
                die()
            sync(path)
            if last:
                die()

        files._sync = counted

    return install


def _at_rename() -> None:
    Path.replace = die


MOMENTS = {
    **{f"{share:.0%}": (_at_bytes(share), 1) for share in (0.0, 0.25, 0.5, 0.75, 0.99)},
    "library's own temporary file": (_at_bytes(0.5, ".tmpQ3x"), 1),
    "before sync": (_at_sync(1, after=False), 1),
    "after sync": (_at_sync(1, after=True), 1),
    "before rename": (_at_rename, 1),
    "after rename": (_at_sync(2, after=False), 2),
    "after sync of the folder": (_at_sync(2, after=True), 2),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_while_it_is_written_costs_at_most_the_new_one(
    moment: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    install, wanted = MOMENTS[moment]
    first = keep(tmp_path, "net", state(1), last=2)
    before = first.read_bytes()
    child = os.fork()
    if child == 0:
        install()
        keep(tmp_path, "net", state(2), last=2)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    assert step_of(tmp_path) == wanted
    assert first.read_bytes() == before
    keep(tmp_path, "net", state(3), last=2)
    assert step_of(tmp_path) == 3
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert ("removed 1 unfinished" in caplog.text) == (wanted == 1)


@pytest.mark.parametrize(("number", "words"), [(28, "the disk is full"), (122, "the quota is used up")])
def test_a_full_disk_says_how_much_is_needed_and_spares_the_old_one(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, "net", state(1), last=1)

    def full(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise keeping.SafetensorError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")

    monkeypatch.setattr(keeping, "save_file", full)
    with pytest.raises(
        ResourceError, match=rf"{words}, [\d,]+ bytes are free and 20,000 are needed; make room"
    ) as caught:
        keep(tmp_path, "net", state(2), last=1)
    assert caught.value.code == 4
    assert step_of(tmp_path) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_what_the_system_says_comes_through_the_library(tmp_path: Path) -> None:
    """A limit on the size of files, which needs no small disk: the library wraps the system's error in its own."""
    keep(tmp_path, "net", state(1), last=1)
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        try:
            keep(tmp_path, "net", state(2), last=1)
        except OSError as error:
            os._exit(error.errno or 0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 27
    assert step_of(tmp_path) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_an_average_that_is_not_finite_is_never_kept(
    game: MakeGame, run_at: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, approach, calls = run_at("nan"), fitting._approach, iter(range(100))

    def poisoned(average: nn.Module, net: nn.Module, weight: float) -> None:
        approach(average, net, weight)
        if next(calls) == 4:
            next(average.parameters()).view(-1)[0] = float("nan")

    monkeypatch.setattr(fitting, "_approach", poisoned)
    plan = Fit(steps=9, size=4, threads=1, save_every=2, ema=Average(nets=("net",)))
    with pytest.raises(
        DivergenceError, match=r"step 6: ema/net/0.weight is no longer finite; .*lower the rate"
    ) as caught:
        fit(game(), plan, run, "net")
    assert caught.value.code == 4
    found = run.kept("net")
    assert found is not None
    assert found.step == 4
    assert all(value.isfinite().all() for value in found.tensors.values())


def test_a_figure_that_is_no_number_is_never_the_best(game: MakeGame, run_at: MakeRun) -> None:
    figures = iter((float("nan"), 0.2, float("nan"), 0.1))
    made = replace(game(), judge=lambda nets, step: {"accuracy": next(figures)})
    run = run_at("judged")
    fit(made, Fit(steps=4, size=4, threads=1, judge_every=1, best=("accuracy",)), run, "net")
    best = run.kept("net-best")
    assert best is not None
    assert best.step == 2


def _payload(folder: Path) -> object:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(folder / "made"),)

    return Payload()


@pytest.mark.parametrize("how", ["pickle", "torch"])
def test_a_checkpoint_that_is_code_is_not_run(how: str, tmp_path: Path) -> None:
    path = tmp_path / "net-00000001.safetensors"
    if how == "pickle":
        path.write_bytes(pickle.dumps(_payload(tmp_path)))
    else:
        torch.save({"a": _payload(tmp_path)}, path)
    with pytest.raises(CheckpointError, match=r"expected a sound checkpoint of 'net', found net-00000001"):
        kept(tmp_path, "net")
    assert not (tmp_path / "made").exists()


def _header(header: dict[str, Any], length: int | None = None, body: bytes = bytes(16)) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def _tensor(start: int, stop: int, shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, stop]}


HEADERS = {
    "huge length": _header({}, 2**62),
    "length beyond the file": _header({}, 10_000),
    "overlapping tensors": _header({"a": _tensor(0, 8, [2]), "b": _tensor(4, 16, [3])}),
    "shape beyond the bytes": _header({"a": _tensor(0, 16, [10**15])}),
    "shape that overflows": _header({"a": _tensor(0, 16, [2**40, 2**40])}),
    "offsets beyond the file": _header({"a": _tensor(0, 4 * 10**12, [10**12])}),
    "not written by a run": _header({"a": _tensor(0, 16, [4])}),
    "no JSON": struct.pack("<Q", 5) + b"{{{{{",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_lies_is_refused_before_memory_is_taken(name: str, tmp_path: Path) -> None:
    (tmp_path / "net-00000001.safetensors").write_bytes(HEADERS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match="restore one from a copy, or delete"):
        kept(tmp_path, "net")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def _classes(made: Game, count: int, channels: int = 2) -> Game:
    return replace(made, nets={"net": SmallCNN(width=2, depth=2).build(channels, 8, count)})


@pytest.mark.parametrize(
    ("classes", "channels", "words"),
    [(4, 2, r"net/net/head.bias is \(3,\), expected \(4,\)"), (3, 1, r"is \(2, 2, 3, 3\), expected \(2, 1, 3, 3\)")],
    ids=["classes", "channels"],
)
@pytest.mark.parametrize("use", ["resume", "recall"])
def test_a_checkpoint_of_another_network_is_told_in_words_and_not_loaded_in_part(
    classes: int, channels: int, words: str, use: str, game: MakeGame, run_at: MakeRun
) -> None:
    run = run_at("other")
    tensors = {f"net/net/{key}": value for key, value in _classes(game(), 3).nets["net"].state_dict().items()}
    run.keep("net", Kept({key: torch.full_like(value, 7) for key, value in tensors.items()}, 1, {}))
    made = _classes(game(), classes, channels)
    before = {key: value.clone() for key, value in made.nets["net"].state_dict().items()}
    with pytest.raises(CheckpointError, match=f"does not fit these networks: .*{words}.*config it was made") as caught:
        if use == "resume":
            fit(made, Fit(steps=2, size=4, threads=1), run, "net")
        else:
            recall(made.nets, run, "net")
    assert caught.value.code == 3
    assert all(torch.equal(before[key], value) for key, value in made.nets["net"].state_dict().items())
