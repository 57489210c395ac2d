"""Checkpoints as single files: atomic, checksummed, with a way back to the one before."""

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from glob import escape
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from aliter.core.errors import CheckpointError
from aliter.data.files import write_whole

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """One state as it was kept."""

    tensors: Mapping[str, Tensor]
    step: int
    facts: Mapping[str, Any]
    """What was kept beside the tensors: plain JSON values."""


def keep(folder: Path, name: str, state: Kept, last: int) -> Path:
    """Write ``state`` to ``folder`` as one file; of the files of ``name``, only the ``last`` newest stay.

    What a process that was killed while it wrote left in ``folder`` is removed, so only one may write there.

    Raises
    ------
    ResourceError
        If the disk is full; names the bytes that are needed and free. What was kept before is untouched.
    """
    tensors = {key: value.detach().contiguous() for key, value in state.tensors.items()}
    facts = {"step": state.step, "facts": dict(state.facts)}
    # One entry: safetensors writes several in any order, and equal states are to be equal bytes.
    metadata = {"aliter": _text({**facts, "digest": _digest(tensors, _text(facts))})}
    path = folder / f"{name}-{state.step:08d}.safetensors"
    _remove_strays(folder)
    needed = sum(value.nbytes for value in tensors.values())
    write_whole(path, lambda part: _write(tensors, part, metadata), needed)
    for old in _files(folder, name)[last:]:
        old.unlink()
    return path


def kept(folder: Path, name: str, strict: bool = False) -> Kept | None:
    """Return the newest sound state of ``name``; None if none was ever kept.

    A broken file is named in the log and the one before it is taken, unless ``strict``.

    Raises
    ------
    CheckpointError
        If every file is broken, or with ``strict`` the newest; nothing is deleted.
    """
    broken: list[str] = []
    for path in _files(folder, name):
        try:
            return _read(path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            broken.append(f"{path.name} ({error})")
            _log.warning("%s is broken (%s); taking the one before", path.name, error)
            if strict:
                break
    if broken:
        raise CheckpointError(
            f"{folder}: expected a sound checkpoint of '{name}', found {'; '.join(broken)}; "
            "restore one from a copy, or delete them to start that stage anew"
        )
    return None


def _write(tensors: Mapping[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write one file; safetensors hides what the system said in its own error."""
    try:
        save_file(dict(tensors), path, metadata)
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _remove_strays(folder: Path) -> None:
    """Remove the temporary files of writes that were cut off: ours, and those that safetensors makes."""
    strays = [*folder.glob(".*.part"), *folder.glob(".tmp*")]
    for stray in strays:
        stray.unlink(missing_ok=True)
    if strays:
        _log.warning("%s: removed %d unfinished files of a write that was cut off", folder, len(strays))


def is_of(file: str, name: str) -> bool:
    """Return whether a file is one of the states of ``name``, and not of another whose name begins alike."""
    return re.fullmatch(rf"{re.escape(name)}-\d+\.safetensors", file) is not None


def _files(folder: Path, name: str) -> list[Path]:
    """Return the files of ``name``, newest first."""
    found = [path for path in folder.glob(f"{escape(name)}-*.safetensors") if is_of(path.name, name)]
    return sorted(found, reverse=True)


def _read(path: Path) -> Kept:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if "aliter" not in metadata:
        raise ValueError("it was not written as a checkpoint of a run")
    facts = json.loads(metadata["aliter"])
    digest = facts.pop("digest", metadata.get("digest"))
    if _digest(tensors, _text(facts)) != digest:
        raise ValueError("its checksum does not fit its content")
    return Kept(tensors, facts["step"], facts["facts"])


def _text(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, sort_keys=True)


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Return a checksum of names, types, shapes and bytes."""
    digest = blake2b(facts.encode(), digest_size=16)
    for key in sorted(tensors):
        value = tensors[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()
