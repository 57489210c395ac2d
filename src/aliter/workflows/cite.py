"""The papers behind what a run did: those that the docstrings of what it used refer to."""

import re
from collections.abc import Iterator, Mapping
from inspect import getdoc, getmodule
from typing import Any

from aliter.core.errors import RunError
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.workflows import name_of, read, workflow

_SECTION = re.compile(r"^References\n-+\n(.*?)(?=^\w[\w ]*\n-+\n|\Z)", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"[A-Z].{0,120}?\b(?:19|20)\d\d\b,")


def cite(run: Run) -> Mapping[str, tuple[str, ...]]:
    """Return the papers behind the finished stages of ``run``, in alphabetical order, each with what it is for.

    Raises
    ------
    RunError
        If the run has no config, or no stage is finished.
    """
    path = run.path / "config.yaml"
    finished = run.finished
    if not path.is_file() or not finished:
        raise RunError(f"{run.path}: expected a run with finished stages, found none; use 'aliter run' first")
    config = read(path)
    room = workflow(name_of(config))
    used: dict[str, dict[str, None]] = {}
    for entry in _entries(room.__doc__):
        used.setdefault(entry, {})[name_of(config)] = None
    for stage in (one for one in room.STAGES if one.name in finished):
        documents = [
            (stage.name, getdoc(stage.function)),
            (stage.name, getattr(getmodule(stage.function), "__doc__", "")),
        ]
        specs = (spec for name in stage.reads for spec in _specs(getattr(config, name)))
        documents += [(_name(spec), getdoc(type(spec))) for spec in specs]
        for what, text in documents:
            for entry in _entries(text):
                used.setdefault(entry, {})[what] = None
    return {entry: tuple(used[entry]) for entry in sorted(used)}


def _entries(text: str | None) -> Iterator[str]:
    """Yield what stands under References, an entry from one name and year to the next."""
    for section in _SECTION.findall(text or ""):
        lines: list[str] = []
        for line in (*section.strip().splitlines(), ""):
            if lines and (_ENTRY.match(line.strip()) or not line):
                yield " ".join(lines)
                lines = []
            lines += [line.strip()] if line.strip() else []


def _specs(value: Any) -> Iterator[Spec]:
    if isinstance(value, Spec):
        yield value
        for name in type(value).model_fields:
            yield from _specs(getattr(value, name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _specs(one)
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _specs(one)


def _name(spec: Spec) -> str:
    return str(getattr(spec, "kind", "") or getattr(spec, "simulate", "") or type(spec).__name__)
