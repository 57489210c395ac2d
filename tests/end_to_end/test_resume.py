"""A run that is killed, anywhere and again, ends as one that never was."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.end_to_end.conftest import contents, rows, stopped_at

Finish = Callable[..., tuple[int, str, str]]


def test_the_same_config_twice_and_killed_between_gives_the_same_bytes(
    micro: Path, finish: Finish, killed: Callable[..., Path], tmp_path: Path
) -> None:
    code, output, errors = finish("run", micro, "--to", "whole")
    assert code == 0, errors
    whole = tmp_path / "whole"
    assert f"open {Path('whole') / 'report' / 'index.html'}" in output
    rng = np.random.default_rng()
    kills = sorted(rng.choice(np.arange(1, 14), 3, replace=False).tolist())
    print("killed at rows", kills)
    assert contents(whole) == contents(killed(micro, kills))
    assert (whole / "report" / "index.html").is_file()


def test_a_signal_is_obeyed_at_the_next_step_and_the_same_command_goes_on(
    micro: Path, start: Callable[..., object], finish: Finish, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start("run", micro, "--to", run, "--stage", "classify")
    assert stopped_at(process, lambda: len(rows(run)), signal.SIGTERM, 2)
    assert process.returncode == 5
    code, output, _ = finish("run", micro, "--to", run, "--stage", "classify")
    assert code == 0
    assert "classify: not done yet" in output
    assert "gather" not in output
    assert "going on at step" in (run / "log.txt").read_text()
