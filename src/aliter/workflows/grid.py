"""Many runs that differ in a few values: every combination, one run each, one table."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from aliter.core.errors import AliterError, ConfigError, Interrupted, RequestError
from aliter.core.spec import Spec
from aliter.core.yaml import read_yaml
from aliter.data.files import write_text
from aliter.data.run import Run
from aliter.workflows import name_of, parse, read, workflow
from aliter.workflows.stage import Due, due, link, run_stages

Varied = Mapping[str, Sequence[Any]]
"""Values to be tried for each key; a key is the path in a config, its parts divided by dots."""


@dataclass(frozen=True)
class Combination:
    """One run of a grid."""

    number: int
    varied: Mapping[str, Any]
    """What it has that others have not."""
    config: Spec


@dataclass(frozen=True)
class Outcome:
    """What became of a combination."""

    one: Combination
    figures: Mapping[str, float] = field(default_factory=dict)
    error: AliterError | None = None


def options(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Return what ``key=value,value`` name; a value is YAML, so lists and mappings in brackets are single values.

    Raises
    ------
    RequestError
        If a text is none such, or names no value.
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, sign, values = text.partition("=")
        try:
            listed = yaml.safe_load(f"[{values}]") if sign else None
        except yaml.YAMLError:
            listed = None
        if not listed or not key:
            raise RequestError(f"expected key=value,value as in contrast.fit.rate=1.0e-3,1.0e-4; found '{text}'")
        found[key] = listed
    return found


def combined(levels: Sequence[Varied]) -> list[dict[str, Any]]:
    """Return every combination, the last key fastest and the last level faster than those before it.

    Raises
    ------
    RequestError
        If a key has no value.
    """
    flat = [(key, values) for level in levels for key, values in level.items()]
    for key, values in flat:
        if not values:
            raise RequestError(f"{key}: expected one or more values, found none; give some or leave the key out")
    names = [key for key, _ in flat]
    return [dict(zip(names, chosen, strict=True)) for chosen in product(*(values for _, values in flat))]


def grid(path: Path, texts: Sequence[str]) -> list[Combination]:
    """Return the runs that the config at ``path`` makes with the options ``texts``, numbered from 0.

    A ``param_dict.json`` of Contraband spans a grid itself; each run of it is made with every combination.
    """
    if path.suffix == ".json":
        found = [
            (told | varied, changed(values, varied))
            for told, values in workflow("embeddings").imported(path)
            for varied in combined([options(texts)])
        ]
        return [Combination(number, told, parse(values, path)) for number, (told, values) in enumerate(found)]
    values, node = read_yaml(path)
    return [
        Combination(number, varied, parse(changed(values, varied), path, None if varied else node))
        for number, varied in enumerate(combined([options(texts)]))
    ]


def changed(values: Mapping[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of nested ``values`` with those at the paths of ``varied`` replaced."""
    out: dict[str, Any] = json.loads(json.dumps(values))
    for key, value in varied.items():
        *parts, last = key.split(".")
        inner = out
        for part in parts:
            below = inner.setdefault(part, {})
            if not isinstance(below, dict):
                raise ConfigError(f"{key}: expected settings under '{part}', found {below!r}; name another key")
            inner = below
        inner[last] = value
    return out


def run_grid(
    combinations: Sequence[Combination],
    to: Path,
    device: str,
    say: Callable[[str], None],
    only: Sequence[int] | None = None,
) -> list[Outcome]:
    """Do what is missing of each run in the folder ``to``, or of those in ``only``; one that fails stops no other.

    A stage that another run of the folder has finished with equal settings is linked. ``to/table.csv`` holds what was
    varied and every figure, also of finished combinations that are not in ``only``.
    """
    outcomes: list[Outcome] = []
    before = {one.number: Outcome(one, _figures(Run(folder(one, to)))) for one in finished(combinations, to)}
    for one in combinations if only is None else [combinations[number] for number in only]:
        say(f"combination {one.number}: {_told(one.varied)}")
        run = Run(folder(one, to), one.config, device)
        try:
            with run.working():
                waiting = due(workflow(name_of(one.config)).STAGES, one.config, run)
                run_stages(_linked(waiting, run, to, say), one.config, run, say)
        except Interrupted:
            raise
        except AliterError as error:
            say(f"combination {one.number} failed: {error}")
            outcomes.append(Outcome(one, error=error))
        else:
            outcomes.append(Outcome(one, _figures(run)))
        rows = before | {outcome.one.number: outcome for outcome in outcomes}
        write_text(to / "table.csv", table([rows[number] for number in sorted(rows)]))
    return outcomes


def folder(one: Combination, to: Path) -> Path:
    """Return where in ``to`` the run of a combination is."""
    return to / f"{one.number:03d}"


def finished(combinations: Sequence[Combination], to: Path) -> list[Combination]:
    """Return those that were done to the end with the config that they have now; images are not looked at."""
    last = workflow(name_of(combinations[0].config)).STAGES[-1].name
    there = [one for one in combinations if (folder(one, to) / "config.yaml").is_file()]
    kept = [one for one in there if read(folder(one, to) / "config.yaml") == one.config]
    return [one for one in kept if last in Run(folder(one, to)).finished]


def _figures(run: Run) -> dict[str, float]:
    return {name: figure.value for name, figure in run.figures_by_name().items()}


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a row for each outcome: its number, what was varied, its figures, and its error if it failed."""
    varied = list(dict.fromkeys(key for one in outcomes for key in one.one.varied))
    figures = list(dict.fromkeys(name for one in outcomes for name in one.figures))
    text = StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(("number", *varied, *figures, "error"))
    for one in outcomes:
        said = [json.dumps(one.one.varied.get(key)) for key in varied]
        found = [f"{one.figures[name]:.6g}" if name in one.figures else "" for name in figures]
        rows.writerow((one.one.number, *said, *found, str(one.error or "")))
    return text.getvalue()


def _linked(waiting: list[Due], run: Run, to: Path, say: Callable[[str], None]) -> list[Due]:
    """Take over what siblings have finished; return what is left to do."""
    for other in sorted(path for path in to.iterdir() if (path / "stages.json").is_file()):
        if waiting and other.resolve() != run.path.resolve():
            waiting = link(waiting, run, other, say)
    return waiting


def _told(varied: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in varied.items()) or "as it is"
