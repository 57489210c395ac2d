"""Checkpoints as single files: atomic, checksummed, with a way back to the one before."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
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
    """Write ``state`` to ``folder`` as one file; of the files of ``name``, only the ``last`` newest stay."""
    tensors = {key: value.detach().contiguous() for key, value in state.tensors.items()}
    facts = json.dumps({"step": state.step, "facts": dict(state.facts)}, sort_keys=True)
    metadata = {"aliter": facts, "digest": _digest(tensors, facts)}
    path = folder / f"{name}-{state.step:08d}.safetensors"
    write_whole(path, lambda part: save_file(tensors, part, metadata))
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


def _files(folder: Path, name: str) -> list[Path]:
    """Return the files of ``name``, newest first."""
    found = [path for path in folder.glob(f"{name}-*.safetensors") if path.stem[len(name) + 1 :].isdigit()]
    return sorted(found, reverse=True)


def _read(path: Path) -> Kept:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    if _digest(tensors, metadata["aliter"]) != metadata["digest"]:
        raise ValueError("its checksum does not fit its content")
    facts = json.loads(metadata["aliter"])
    return Kept(tensors, facts["step"], facts["facts"])


def _digest(tensors: Mapping[str, Tensor], facts: str) -> str:
    """Return a checksum of names, types, shapes and bytes."""
    digest = blake2b(facts.encode(), digest_size=16)
    for key in sorted(tensors):
        value = tensors[key].detach().cpu().contiguous()
        digest.update(f"{key} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b"")
    return digest.hexdigest()
