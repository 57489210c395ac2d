"""Runs from Python: what the command line does, as one call."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

from aliter.core.errors import ConfigError
from aliter.core.spec import Spec
from aliter.core.yaml import write_yaml
from aliter.data.run import Run
from aliter.workflows import name_of, parse, place, read, workflow
from aliter.workflows.stage import due, run_stages


def run(
    config: Path | str | Spec | Mapping[str, Any],
    to: Path | str | None = None,
    device: str = "cpu",
    trust: bool = False,
    stage: str | None = None,
) -> Run:
    """Do what ``config`` asks for and is not done yet, and return the run; the same call resumes.

    ``config`` is the path of a YAML file, what such a file holds, or a workflow's own ``Config``. ``to`` is the folder
    of the run: runs/<workflow>-<name of the file> if None, or a hash of the config in place of a name. With ``trust``
    a model file of your own, which is code, may be loaded. If a ``stage`` is named, only it and what it needs is done.
    ``run["..."]`` is an array of the result.

    Raises
    ------
    AliterError
        As the command line: each says what was expected, found, and what to do.
    """
    chosen = _read(config)
    found = Run(Path(to) if to else place(chosen, _name(config, chosen)), chosen, device, trust=trust)
    with found.working():
        run_stages(due(workflow(name_of(chosen)).STAGES, chosen, found, until=stage), chosen, found)
    return found


def _read(config: Path | str | Spec | Mapping[str, Any]) -> Spec:
    if isinstance(config, Mapping):
        return parse(config, Path("config"))
    if not isinstance(config, Spec):
        return read(Path(config))
    if "workflow" not in type(config).model_fields:
        raise ConfigError(f"expected the Config of a workflow, found a {type(config).__name__}; give the whole one")
    return config


def _name(config: Path | str | Spec | Mapping[str, Any], chosen: Spec) -> str:
    """Return a name for a run that was not given one: the same for the same config."""
    if isinstance(config, Path | str):
        return Path(config).stem
    written = write_yaml(chosen.model_dump(mode="json"))
    return blake2b(written.encode(), digest_size=4).hexdigest()
