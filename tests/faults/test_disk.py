"""A disk that is full, or may not be written, while arrays are made (7, 8)."""

import errno
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zarr.storage import _local

from aliter.core.errors import AliterError, RequestError, ResourceError
from aliter.data.blocks import Blank, Compute, Task, fill
from aliter.data.files import explaining
from aliter.data.layout import ROWS
from aliter.data.ledger import Key
from aliter.data.run import Run

COUNT = 3 * ROWS


def begin(config: object, run: Run) -> Compute[int]:
    """Return a function that makes the same numbers for the same rows."""

    def compute(factor: int, rows: slice) -> dict[str, np.ndarray]:
        return {"a": factor * np.arange(rows.start, rows.stop, dtype=np.float32)}

    return compute


def made(run: Run) -> None:
    run.path.mkdir(exist_ok=True)
    with run.stage("make", Key("a")):
        fill(begin, None, run, [Task(3, {"a": Blank("numbers", (COUNT,), "float32", ("index",))})])


def contents(run: Run) -> dict[str, str]:
    paths = [path for path in sorted(run.path.rglob("*")) if path.is_file()]
    return {path.relative_to(run.path).as_posix(): sha256(path.read_bytes()).hexdigest() for path in paths}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("block", [0, 1, 2])
def test_a_block_that_finds_the_disk_full_is_not_done(
    number: int, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean, full = Run(tmp_path / "clean", _settings()), Run(tmp_path / "full", _settings())
    made(clean)
    put = _local._put

    def limited(path: Path, value: Any, exclusive: bool = False) -> int:
        if path.parts[-2:] == ("c", str(block)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".0.partial").write_bytes(b"half")
            path.with_suffix(".0.partial").unlink()
            raise OSError(number, os.strerror(number))
        return put(path, value, exclusive)

    with monkeypatch.context() as patch:
        patch.setattr(_local, "_put", limited)
        with pytest.raises(ResourceError, match=r"numbers: the .*, [\d,]+ bytes are free; make room and run") as caught:
            made(full)
    assert caught.value.code == 4
    assert full.finished == {}
    done = {path.name for path in full.path.rglob("*.done")}
    assert done == {f"{start}-{start + ROWS}.done" for start in range(0, block * ROWS, ROWS)}
    made(full)
    assert np.array_equal(full["numbers"], clean["numbers"])
    assert contents(full) == contents(clean)


@pytest.mark.parametrize(
    ("number", "expected", "words"),
    [
        (errno.EROFS, RequestError, "expected a folder that can be written, found Read-only file system; choose"),
        (errno.EACCES, RequestError, "expected a folder that can be written, found Permission denied; choose"),
        (errno.ENOSPC, ResourceError, "the disk is full, "),
        (errno.EDQUOT, ResourceError, "the quota is used up, "),
    ],
)
@pytest.mark.parametrize("call", ["mkdir", "open"])
def test_a_run_that_cannot_be_written_stops_before_any_work(
    number: int, expected: type[AliterError], words: str, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, called = Run(tmp_path / "deep" / "run", _settings()), []
    if call == "open":
        run.path.mkdir(parents=True)

    def refuse(original: Callable[..., Any]) -> Callable[..., Any]:
        def asked(path: Any, *arguments: Any, **more: Any) -> Any:
            if str(path).startswith(str(run.path)):
                raise OSError(number, os.strerror(number), str(path))
            return original(path, *arguments, **more)

        return asked

    monkeypatch.setattr(os, call, refuse(getattr(os, call)))
    with pytest.raises(expected, match=words) as caught, explaining(run.path), run.working():
        called.append(1)
    assert str(caught.value).startswith(str(run.path))
    assert not called


def test_other_errors_are_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), explaining(tmp_path):
        (tmp_path / "nothing").read_text()
    with pytest.raises(PermissionError), explaining(tmp_path / "run"):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(tmp_path / "images"))


def test_a_file_where_a_folder_should_be_is_a_wrong_request(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "run"
    with pytest.raises(RequestError, match="found Not a directory; choose another"), explaining(path):
        path.mkdir(parents=True)


def _settings() -> Any:
    from tests.faults.conftest import Settings

    return Settings()
