"""Which stages of a run are finished, and how the result of one takes its place.

A stage works in ``beside/<stage>``. When it is done, the file ``moving`` there lists what it made: from then
on the result counts, and moving it into place can be cut short and taken up again any number of times.
"""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import zarr

from aliter.data import layout
from aliter.data.files import explained, write_text

_NOTES = ("key.json", "moving", "metrics.jsonl", "blocks")
"""What lies beside and is no output."""


@dataclass(frozen=True)
class Key:
    """What a stage's result depends on."""

    digest: str
    """Hash of all that, if changed, makes another result."""
    extends: dict[str, int] = field(default_factory=dict)
    """Numbers that may be raised to continue."""

    def continues(self, other: "Key") -> bool:
        """Return whether ``other`` can be continued to reach this."""
        if self.digest != other.digest or self.extends.keys() != other.extends.keys():
            return False
        return all(self.extends[name] >= other.extends[name] for name in self.extends)


def beside(run: Path, stage: str) -> Path:
    """Return the folder in which ``stage`` works."""
    return run / "beside" / stage


def finished(run: Path) -> dict[str, Key]:
    """Return the keys of the finished stages, by name, in the order they were finished."""
    return {name: Key(**entry["key"]) for name, entry in _read(run).items()}


def outputs(run: Path, stage: str) -> tuple[str, ...]:
    """Return what the finished result of ``stage`` consists of; nothing if it is not finished."""
    return tuple(_read(run).get(stage, {}).get("outputs", ()))


def begin(run: Path, stage: str, key: Key) -> None:
    """Make the folder for ``stage``, or keep it if it was at work on the same key.

    A finished result that ``key`` continues lends its checkpoints and metrics.
    """
    folder = beside(run, stage)
    note = folder / "key.json"
    if note.is_file() and key.continues(Key(**json.loads(note.read_text(encoding="utf-8")))):
        write_text(note, json.dumps(asdict(key)))
        for left in folder.rglob("*.partial"):  # What zarr was writing when it was stopped.
            left.unlink()
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    entry = _read(run).get(stage)
    if entry and key.extends and key.continues(Key(**entry["key"])):
        for output in entry["outputs"]:
            if output.startswith(("checkpoints/", "samples/")):
                (folder / output).parent.mkdir(parents=True, exist_ok=True)
                os.link(run / output, folder / output)
        lines = [json.dumps(row) + "\n" for row in rows(run / "metrics.jsonl") if row["stage"] == stage]
        (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    write_text(note, json.dumps(asdict(key)))


def finish(run: Path, stage: str) -> None:
    """Let the result of ``stage`` take its place."""
    folder = beside(run, stage)
    key = json.loads((folder / "key.json").read_text(encoding="utf-8"))
    facts = {store.name: layout.attributes(layout.open_store(store)) for store in sorted(folder.glob("*.zarr"))}
    write_text(folder / "moving", json.dumps({"key": key, "outputs": sorted(_outputs(folder)), "facts": facts}))
    _move(run, stage)


def link(run: Path, stage: str, key: Key, other: Path) -> bool:
    """Take over the result of ``stage`` from the run ``other``, if that has one of the same ``key``; say whether.

    Files are linked, or copied where that cannot be. No file that stands is ever written into: a new one takes its
    place. So neither run can change what the other holds. A result that consists of facts alone is not taken over:
    they may hold paths.
    """
    entry = _standing(other, stage, key)
    if not entry or not entry["outputs"]:
        return False
    folder = beside(run, stage)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        _take_over(folder, entry, other)
    except OSError as error:
        if _standing(other, stage, key):
            raise explained(error, folder) from error
    if _standing(other, stage, key) != entry:
        shutil.rmtree(folder)
        return False
    lines = [json.dumps(row) + "\n" for row in rows(other / "metrics.jsonl") if row["stage"] == stage]
    (folder / "metrics.jsonl").write_text("".join(lines), encoding="utf-8")
    write_text(folder / "moving", json.dumps(entry))
    _move(run, stage)
    return True


def recover(run: Path) -> None:
    """Complete the moves that were cut short, and drop what no key tells the use of: a stop as it was cleared away."""
    for folder in sorted(run.glob("beside/*")):
        if (folder / "moving").is_file():
            _move(run, folder.name)
        elif not (folder / "key.json").is_file():
            shutil.rmtree(folder)


def arrays(store: Path) -> Iterator[str]:
    """Yield the names of the arrays in ``store``."""
    for folder, inside, files in os.walk(store):
        if "zarr.json" in files and _is_array(Path(folder)):
            inside.clear()
            yield Path(folder).relative_to(store).as_posix()


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of JSON lines; none if it is not there; a half-written last one is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _read(run: Path) -> dict[str, Any]:
    path = run / "stages.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _is_array(folder: Path) -> bool:
    return bool(json.loads((folder / "zarr.json").read_text(encoding="utf-8"))["node_type"] == "array")


def _outputs(folder: Path) -> Iterator[str]:
    """Yield what takes its place as one: an array, or a file outside a store."""
    for store in folder.glob("*.zarr"):
        yield from (f"{store.name}/{name}" for name in arrays(store))
    for path in folder.rglob("*"):
        parts = path.relative_to(folder).parts
        if path.is_file() and not parts[0].endswith(".zarr") and parts[0] not in _NOTES:
            yield "/".join(parts)


def _standing(run: Path, stage: str, key: Key) -> dict[str, Any] | None:
    """Return the entry of ``stage`` if it is finished with this ``key`` and nothing is about to take its place."""
    entry: dict[str, Any] | None = _read(run).get(stage)
    moving = (beside(run, stage) / "moving").is_file()
    return entry if entry and "facts" in entry and Key(**entry["key"]) == key and not moving else None


def _take_over(folder: Path, entry: dict[str, Any], other: Path) -> None:
    """Link what ``entry`` lists from the run ``other`` into ``folder``, with the groups that hold its arrays."""
    for store, facts in entry["facts"].items():
        layout.open_store(folder / store, "a").attrs.update(facts)
    for output in entry["outputs"]:
        store, *inside = Path(output).parts
        for depth in range(1, len(inside) if store.endswith(".zarr") else 0):
            group = Path(store, *inside[:depth], "zarr.json")
            (folder / group).parent.mkdir(exist_ok=True)
            shutil.copyfile(other / group, folder / group)
        (folder / output).parent.mkdir(parents=True, exist_ok=True)
        if (other / output).is_dir():
            shutil.copytree(other / output, folder / output, copy_function=_link)
        else:
            _link(other / output, folder / output)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:  # Another device, too many links, or a file system that knows none.
        shutil.copy2(source, target)


def _move(run: Path, stage: str) -> None:
    """Put the listed outputs in place, drop what the former result had beyond them, and enter it in the ledger."""
    folder = beside(run, stage)
    entry = json.loads((folder / "moving").read_text(encoding="utf-8"))
    outputs: list[str] = entry["outputs"]
    entries = _read(run)
    for old in set(entries.get(stage, {}).get("outputs", ())) - set(outputs):
        _remove(run / old)
    for output in outputs:
        if (folder / output).exists():
            _remove(run / output)
            (run / output).parent.mkdir(parents=True, exist_ok=True)
            (folder / output).rename(run / output)
    for store in folder.glob("*.zarr"):
        _merge_groups(store, run / store.name)
    others = [row for row in rows(run / "metrics.jsonl") if row["stage"] != stage]
    lines = [json.dumps(row) + "\n" for row in [*others, *rows(folder / "metrics.jsonl")]]
    write_text(run / "metrics.jsonl", "".join(lines))
    entries.pop(stage, None)
    write_text(run / "stages.json", json.dumps({**entries, stage: entry}, indent=1))
    (folder / "key.json").unlink(missing_ok=True)
    (folder / "moving").unlink()
    shutil.rmtree(folder)


def _merge_groups(source: Path, target: Path) -> None:
    """Make the groups of ``source`` in ``target`` and add their attributes."""
    root = zarr.open_group(target, mode="a", zarr_format=3)
    for note in sorted(source.rglob("zarr.json")):
        found = json.loads(note.read_text(encoding="utf-8"))
        if found["node_type"] == "group":
            name = note.parent.relative_to(source).as_posix()
            group = root if name == "." else root.require_group(name)
            group.attrs.update(found.get("attributes", {}))
            for left in (target / name).glob("*.partial"):
                left.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
