"""Stages as a build system: what is done stays done until something that it read has changed."""

import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from aliter.core.errors import AliterError, RequestError, RunError
from aliter.core.spec import Extends, Neutral, Spec, marked
from aliter.data import ledger
from aliter.data.ledger import Key
from aliter.data.run import Run
from aliter.data.sheet import listed_files

_log = logging.getLogger(__name__)


def _always(config: Any) -> bool:
    return True


@dataclass(frozen=True)
class Stage:
    """One step of a workflow: ``function(config, run)``, and what its result depends on."""

    function: Callable[[Any, Run], None]
    reads: tuple[str, ...]
    """Fields of the config that it may read; all others raise."""
    after: tuple[str, ...] = ()
    """Stages whose results it uses."""
    needed: Callable[[Any], bool] = _always
    """Whether a config asks for it at all."""

    @property
    def name(self) -> str:
        """The name of its function."""
        return self.function.__name__


@dataclass(frozen=True)
class Due:
    """A stage that must run, and why."""

    stage: Stage
    key: Key
    why: str


class View:
    """A config of which only some fields may be read."""

    def __init__(self, config: Spec, stage: Stage):
        self._config, self._stage = config, stage

    def __reduce__(self) -> tuple[type["View"], tuple[Spec, Stage]]:
        """In another process the same fields can be read."""
        return View, (self._config, self._stage)

    def __getattr__(self, name: str) -> Any:
        """Return the field ``name`` if the stage said that it reads it."""
        if name not in self._stage.reads:
            raise AliterError(f"the stage {self._stage.name} reads '{name}' but does not list it")
        return getattr(self._config, name)


def due(
    stages: Sequence[Stage], config: Spec, run: Run, until: str | None = None, again: str | None = None
) -> list[Due]:
    """Return the stages that must run, in order, each with the reason.

    Only those that ``until`` needs, if it is named; ``again`` names one that must run even if it is done.

    Raises
    ------
    RequestError
        If there is no stage ``until``.
    """
    by_name = {stage.name: stage for stage in stages}
    if until is not None and until not in by_name:
        raise RequestError(f"expected a stage, one of {', '.join(by_name)}; found '{until}'")
    wanted = _needed(by_name, until) if until else set(by_name)
    keys: dict[str, Key] = {}
    found = []
    for stage in stages:
        keys[stage.name] = key = _key(stage, config, keys)
        done = run.finished.get(stage.name)
        if stage.name in wanted and stage.needed(config) and (done != key or stage.name == again):
            why = _reason(key, done)
            found.append(Due(stage, key, why))
    return found


def run_stages(stages: Sequence[Due], config: Spec, run: Run, say: Callable[[str], None] = _log.info) -> None:
    """Say what will be done and why, then do it; each result takes its place when the stage is done."""
    for one in stages:
        say(f"{one.stage.name}: {one.why}")
    for one in stages:
        start = time.perf_counter()
        with run.stage(one.stage.name, one.key):
            one.stage.function(View(config, one.stage), run)
            run.time({"seconds": time.perf_counter() - start})
        say(f"{one.stage.name}: done in {time.perf_counter() - start:.0f} s")


def link(stages: Sequence[Due], run: Run, other: Path, say: Callable[[str], None] = _log.info) -> list[Due]:
    """Take over from the run at ``other`` the results that these stages would make again; return those left to do.

    Raises
    ------
    RunError
        If there is no other run at ``other``.
    """
    source = Run(other)
    if source.path.resolve() == run.path.resolve():
        raise RunError(f"{other}: expected another run to take results from, found this one; name another")
    left = []
    for one in stages:
        if ledger.link(run.path, one.stage.name, one.key, source.path):
            run.retell(one.stage.name)
            say(f"{one.stage.name}: linked from {other}")
        else:
            left.append(one)
    return left


def _reason(key: Key, done: Key | None) -> str:
    if done is None:
        return "not done yet"
    return "done again" if key == done else "goes on" if key.continues(done) else "its config or what it uses changed"


def _needed(by_name: Mapping[str, Stage], until: str) -> set[str]:
    return {until}.union(*(_needed(by_name, name) for name in by_name[until].after))


def _key(stage: Stage, config: Spec, keys: Mapping[str, Key]) -> Key:
    """Return what the result of ``stage`` depends on."""
    extends = {f"{name}.{path}": number for name in stage.reads for path, number in _extents(getattr(config, name))}
    depends = {
        "stage": stage.name,
        "reads": {name: _essence(getattr(config, name)) for name in stage.reads},
        "after": {name: [keys[name].digest, keys[name].extends] for name in stage.after},
    }
    return Key(blake2b(json.dumps(depends, sort_keys=True).encode(), digest_size=16).hexdigest(), extends)


def _essence(value: Any) -> Any:
    """Return, as JSON, what of ``value`` changes a result: no defaults, nothing neutral, data instead of paths."""
    if isinstance(value, Spec):
        model = type(value)
        fields = {
            name: _essence(getattr(value, name))
            for name in model.model_fields
            if not marked(model, name, Neutral) and not marked(model, name, Extends) and not _is_default(value, name)
        }
        return {"is": model.__name__, "numbers": model.numbers, **fields}
    if isinstance(value, Path):
        return fingerprint(value)
    if isinstance(value, Mapping):
        return {str(key): _essence(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_essence(one) for one in value]
    return value


def _is_default(value: Spec, name: str) -> bool:
    """Return whether a field holds its default, or differs from it only in what changes no result."""
    one, default = getattr(value, name), type(value).model_fields[name].get_default(call_default_factory=True)
    return bool(one == default or (isinstance(default, Spec) and _essence(one) == _essence(default)))


def _extents(value: Any) -> Iterator[tuple[str, int]]:
    """Yield the numbers in ``value`` that may be raised to continue, with their paths."""
    if isinstance(value, Spec):
        for name in type(value).model_fields:
            if marked(type(value), name, Extends):
                yield name, getattr(value, name)
            yield from ((f"{name}.{path}", number) for path, number in _extents(getattr(value, name)))
    elif isinstance(value, tuple | list | Mapping):
        parts = value.items() if isinstance(value, Mapping) else enumerate(value)
        yield from ((f"{key}.{path}", number) for key, one in parts for path, number in _extents(one))


def fingerprint(path: Path) -> str:
    """Return a hash of the names and contents of all files at ``path``, wherever it lies.

    Those of a CSV file are the files that it lists, too.

    Raises
    ------
    RequestError
        If nothing is there.
    """
    if not path.exists():
        raise RequestError(f"{path}: expected a file or folder, found none; check the path")
    digest = blake2b(digest_size=16)
    for file in _files(path):
        digest.update(f"{os.path.relpath(file, path)}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(one for one in path.rglob("*") if one.is_file())
    listed = listed_files(path) if path.suffix.lower() in (".csv", ".tsv") else []
    return [path, *(file for one in listed for file in ([one] if one.is_file() else _files(one)))]
