"""Five questions, a room each: a folder per workflow, a file per stage."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from aliter.core.errors import ConfigError, RequestError
from aliter.core.spec import Spec
from aliter.core.yaml import read_yaml

WORKFLOWS = {
    "counterfactual": "aliter.workflows.counterfactual",
    "embeddings": "aliter.workflows.embeddings",
    "boundary": "aliter.workflows.boundary",
    "concepts": "aliter.workflows.concepts",
    "staining": "aliter.workflows.staining",
}
"""Where each workflow lives; loaded when asked for."""


def workflow(name: str) -> ModuleType:
    """Return the module of a workflow: it has ``Config`` and ``STAGES``.

    Raises
    ------
    RequestError
        If there is none of that name.
    """
    if name not in WORKFLOWS:
        raise RequestError(f"expected a workflow, one of {', '.join(WORKFLOWS)}; found '{name}'")
    return import_module(WORKFLOWS[name])


def name_of(config: Spec) -> str:
    """Return the name of the workflow that ``config`` belongs to."""
    return str(type(config).model_fields["workflow"].default)


def place(config: Spec, name: str) -> Path:
    """Return the folder of a run of ``config`` that was given a ``name`` but no place."""
    return Path("runs") / f"{name_of(config)}-{name}"


def read(path: Path) -> Spec:
    """Return the config in the YAML file ``path``: of the workflow that it names.

    Raises
    ------
    ConfigError
        If it names none, or is not a config of it.
    RequestError
        If there is no such workflow.
    """
    values, node = read_yaml(path)
    return parse(values, path, node)


def parse(values: Mapping[str, Any], path: Path, node: yaml.Node | None = None) -> Spec:
    """Return the config that ``values`` describe; errors are those of ``read``, and name ``path``."""
    name = values.get("workflow")
    if not isinstance(name, str):
        raise ConfigError(f"{path}: workflow: missing; name one, as in 'workflow: counterfactual'")
    known: type[Spec] = workflow(name).Config
    return known.parse(dict(values), path, node)
