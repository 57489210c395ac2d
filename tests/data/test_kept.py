from pathlib import Path

import pytest
import torch

from aliter.core.errors import CheckpointError
from aliter.data.kept import Kept, keep, kept


def state(step: int) -> Kept:
    rows = torch.arange(12.0).reshape(3, 4) + step
    return Kept({"a": rows, "b": rows.t(), "empty": torch.zeros(0), "count": torch.tensor(step)}, step, {"best": [0.5]})


def equal(found: Kept | None, wanted: Kept) -> bool:
    assert found is not None
    same = all(torch.equal(found.tensors[name], value) for name, value in wanted.tensors.items())
    return same and found.step == wanted.step and found.facts == wanted.facts


def test_the_newest_is_returned_and_older_ones_go(tmp_path: Path) -> None:
    for step in (1, 9, 10):
        keep(tmp_path, "net", state(step), last=2)
    assert equal(kept(tmp_path, "net"), state(10))
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "net-00000009.safetensors",
        "net-00000010.safetensors",
    ]
    assert kept(tmp_path, "other") is None


def test_names_that_begin_alike_are_apart(tmp_path: Path) -> None:
    keep(tmp_path, "net", state(1), last=1)
    keep(tmp_path, "net-best", state(2), last=1)
    assert equal(kept(tmp_path, "net"), state(1))


@pytest.mark.parametrize("harm", ["truncate", "flip", "header", "empty"])
def test_a_broken_file_is_named_and_the_one_before_taken(
    tmp_path: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    keep(tmp_path, "net", state(1), last=2)
    path = keep(tmp_path, "net", state(2), last=2)
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[-3] ^= 1
    if harm == "header":
        content[0:8] = b"\xff" * 8
    path.write_bytes({"truncate": content[:-5], "empty": b""}.get(harm, bytes(content)))
    assert equal(kept(tmp_path, "net"), state(1))
    assert path.name in caplog.text
    with pytest.raises(CheckpointError, match=r"00000002"):
        kept(tmp_path, "net", strict=True)


def test_if_all_are_broken_nothing_is_deleted(tmp_path: Path) -> None:
    paths = [keep(tmp_path, "net", state(step), last=2) for step in (1, 2)]
    for path in paths:
        path.write_bytes(b"broken")
    with pytest.raises(CheckpointError, match="expected a sound checkpoint of 'net'") as caught:
        kept(tmp_path, "net")
    assert caught.value.code == 3
    assert all(path.exists() for path in paths)


def test_an_interrupted_write_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(tmp_path, "net", state(1), last=2)

    def fail(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aliter.data.kept.save_file", fail)
    with pytest.raises(Exception, match="the disk is full") as caught:
        keep(tmp_path, "net", state(2), last=2)
    assert getattr(caught.value, "code", None) == 4
    assert equal(kept(tmp_path, "net"), state(1))
    assert len(list(tmp_path.iterdir())) == 1
