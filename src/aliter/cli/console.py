"""What all verbs share: where they print, and the options that most of them take."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from aliter.core.errors import RequestError

out = Console(soft_wrap=True)
_debug = False

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Device = Annotated[str, typer.Option(help="Where networks run: cpu, cuda or mps.")]


def set_debug(debug: bool) -> None:
    """Say whether errors are to be shown with their traceback."""
    global _debug
    _debug = debug


def debugging() -> bool:
    """Return whether errors are to be shown with their traceback."""
    return _debug


def shipped(workflow: str, name: str) -> Path:
    """Return the config ``name`` of ``workflow`` that comes with the package.

    Raises
    ------
    RequestError
        If there is none.
    """
    package = Path(__file__).parents[1]
    for folder in (package / "configs", package.parents[1] / "configs"):
        if (folder / workflow / f"{name}.yaml").is_file():
            return folder / workflow / f"{name}.yaml"
    raise RequestError(f"expected a workflow that has a {name}; found '{workflow}'; see 'aliter --help'")
