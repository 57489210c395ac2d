"""Five questions, a room each: a folder per workflow, a file per stage."""

from importlib import import_module
from types import ModuleType

from aliter.core.errors import RequestError

WORKFLOWS = {"counterfactual": "aliter.workflows.counterfactual"}
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
