"""Take the networks of a run elsewhere: a folder each, as the BioImage Model Zoo describes them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aliter.core.errors import RequestError, RunError
from aliter.core.yaml import write_yaml
from aliter.data.convert import beside
from aliter.data.run import Run
from aliter.nets.portable import ONNX_OPSET, Axis, Form, Port, Portable, write_copies
from aliter.workflows import WORKFLOWS, name_of, read, workflow
from aliter.workflows.cite import cite
from aliter.workflows.stage import due

_FORMAT = "0.5.4"
"""Version of the description: bioimage.io, model."""


@dataclass(frozen=True)
class Stated:
    """What nobody but the user can say of a network."""

    authors: tuple[str, ...] = ("not stated",)
    licence: str | None = None
    """As SPDX names it."""


def export(
    path: Path, out: Path, stated: Stated = Stated(), more: Sequence[Form] = ("program",)
) -> dict[str, tuple[str, ...]]:
    """Write every network that the finished run at ``path`` trained to a folder of ``out``; return their files.

    Beside weights and programs: ``config.yaml``, the config of the run; an example of what goes in and what comes out
    as ``.npy``; ``rdf.yaml`` and ``README.md``, which say all of it. Networks are written as TorchScript, which the
    Model Zoo reads, and in the forms ``more``.

    Raises
    ------
    RunError
        If stages of the run are open.
    RequestError
        If it trained no network, or ``out`` is there already.
    """
    run = Run(path)
    config = read(path / "config.yaml")
    name = name_of(config)
    if waiting := due(workflow(name).STAGES, config, run):
        names = ", ".join(one.stage.name for one in waiting)
        raise RunError(f"{path}: expected all stages to be done, found {names} open; use 'aliter run'")
    if out.exists():
        raise RequestError(f"{out}: expected a new folder, found one; name another or remove it")
    found: Mapping[str, Portable] = import_module(f"{WORKFLOWS[name]}.export").portables(config, run)
    if not found:
        raise RequestError(f"{path}: expected networks that this run trained, found none: all were given")
    papers, written = tuple(cite(run)), {}
    with beside(out) as part:
        for which, one in found.items():
            folder = part / which
            folder.mkdir()
            copies = write_copies(one, folder, ("script", *more))
            arrays = _write_example(one, folder)
            texts = {
                "config.yaml": write_yaml(config.model_dump(mode="json")),
                "README.md": _words(which, one, run, papers),
                "rdf.yaml": write_yaml(_description(which, one, folder) | _owed(papers, stated)),
            }
            for file, text in texts.items():
                (folder / file).write_text(text, encoding="utf-8")
            written[which] = (*copies, *arrays, *texts)
    return written


def _write_example(one: Portable, folder: Path) -> tuple[str, ...]:
    arrays = {port.name: array for port, array in one.takes.items()} | {one.gives.name: one.answer}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    return tuple(f"{name}.npy" for name in arrays)


def _description(which: str, one: Portable, folder: Path) -> dict[str, Any]:
    """Return what the BioImage Model Zoo wants to know of a network."""
    torch_version = torch.__version__.partition("+")[0]
    weights: dict[str, Any] = {"torchscript": _file(folder / "model.pt") | {"pytorch_version": torch_version}}
    if (folder / "model.onnx").is_file():
        weights["onnx"] = _file(folder / "model.onnx") | {"opset_version": ONNX_OPSET, "parent": "torchscript"}
    return {
        "format_version": _FORMAT,
        "type": "model",
        "name": f"aliter {which}",
        "description": one.says,
        "documentation": "README.md",
        "inputs": [_port(port, array, folder) for port, array in one.takes.items()],
        "outputs": [_port(one.gives, one.answer, folder)],
        "weights": weights,
        "tags": ["aliter", which],
        "config": {"aliter": {"version": version("aliter"), "config": "config.yaml"}},
    }


def _owed(papers: Sequence[str], stated: Stated) -> dict[str, Any]:
    """Return who made a network, what it stands on, and what may be done with it."""
    found = {url: paper for paper in papers if (url := _url(paper))}
    return {
        "authors": [{"name": author} for author in stated.authors],
        "cite": [{"text": paper, "url": url} for url, paper in found.items()],
        **({"license": stated.licence} if stated.licence else {}),
    }


def _file(path: Path) -> dict[str, str]:
    return {"source": path.name, "sha256": sha256(path.read_bytes()).hexdigest()}


def _port(port: Port, array: np.ndarray, folder: Path) -> dict[str, Any]:
    axes = [_axis(axis, size, port) for axis, size in zip(port.axes, array.shape, strict=True)]
    return {
        "id": port.name,
        "axes": axes,
        "test_tensor": _file(folder / f"{port.name}.npy"),
        "data": {"type": array.dtype.name},
    }


def _axis(axis: Axis, size: int, port: Port) -> dict[str, Any]:
    if axis == "batch":
        return {"type": "batch", "size": 1}
    if axis == "channel":
        names = port.channels or tuple(f"{port.name}{number}" for number in range(size))
        return {"type": "channel", "channel_names": [_identifier(name) for name in names]}
    return {"type": "space", "id": axis, "size": size}


def _identifier(name: str) -> str:
    """Return ``name`` as the description allows names: letters, digits, underscores."""
    kept = "".join(letter if letter.isalnum() else "_" for letter in name)
    return kept if kept[:1].isalpha() else f"_{kept}"


def _url(paper: str) -> str | None:
    """Return where a paper is, if it says so."""
    _, there, rest = paper.partition("arXiv:")
    return f"https://arxiv.org/abs/{rest.split()[0].rstrip('.,;')}" if there else None


def _words(which: str, one: Portable, run: Run, papers: Sequence[str]) -> str:
    """Return what a reader should know, as Markdown."""
    ports = [(port, array, "in") for port, array in one.takes.items()] + [(one.gives, one.answer, "out")]
    rows = (
        (
            port.name,
            way,
            array.dtype.name,
            " x ".join(map(str, array.shape)),
            ", ".join(port.axes),
            ", ".join(port.channels),
        )
        for port, array, way in ports
    )
    figures = (
        (f"{stage}: {one.name}", f"{one.value:.4g}", str(one.images), one.note)
        for stage, found in run.figures().items()
        for one in found
    )
    parts = (
        f"# {which}",
        one.says,
        _table(("array", "way", "type", "shape", "axes", "channels"), rows),
        "Numbers go in as they are stored: scales are inside. Each array lies here as an example; sizes are its.",
        f"In `weights.safetensors` names begin with that of the network: {', '.join(one.weights)}.",
        "`config.yaml` is the config of the run that made it.",
        "# Validation",
        "All figures of that run, with the number of images behind each.",
        _table(("figure", "value", "images", "note"), figures),
        "# Papers",
        "\n".join(f"- {paper}" for paper in papers),
    )
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
