import getpass
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from aliter.data import doctor as module
from aliter.data.doctor import bf16_speed, doctor, memory_total


def test_all_that_matters_is_told() -> None:
    rows = {row.name: row.value for row in doctor()}
    for name in ("aliter", "torch", "torchvision", "timm", "captum", "zarr", "numpy"):
        assert rows[name] == version(name)
    assert rows["python"] == platform.python_version()
    assert rows["cores"] == str(os.cpu_count())
    assert rows["torch threads"].startswith("1")
    assert "times as fast as float32" in rows["bf16"]
    for name in ("platform", "processor", "devices", "memory", "disk free here", "environment"):
        assert rows[name]


def test_variables_that_set_threads_are_told_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("SECRET_TOKEN", "do not tell")
    text = "\n".join(row.value for row in doctor())
    assert "OMP_NUM_THREADS=3" in text
    assert "do not tell" not in text


def test_nobody_and_no_machine_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "node", lambda: "the-lab-machine")
    text = "\n".join(row.value for row in doctor())
    assert str(Path.home()) not in text
    assert "the-lab-machine" not in text
    assert getpass.getuser() not in text.split()


def test_a_package_that_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PACKAGES", ("no-such-package",))
    assert doctor()[0].value == "not installed"


def test_speed_and_memory_are_positive() -> None:
    assert 0.001 < bf16_speed(0.002) < 1000
    found = memory_total()
    assert found is None or found > 10**8
