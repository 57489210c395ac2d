"""Runs that are made if need be: what all benches of truth stand on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import typer

from aliter.core.errors import AliterError
from aliter.core.spec import Spec
from aliter.data.run import Run
from aliter.workflows import name_of, workflow
from aliter.workflows.stage import due, link, run_stages


def finished(config: Spec, path: Path, until: str | None = None, source: Path | None = None) -> Run:
    """Return the run of ``config`` at ``path``, with all stages done, or those up to ``until``.

    Stages that the run at ``source`` has done alike are taken from there.
    """
    run = Run(path, config)
    with run.working():
        waiting = due(workflow(name_of(config)).STAGES, config, run, until=until)
        if source is not None:
            waiting = link(waiting, run, source, print)
        run_stages(waiting, config, run, say=print)
    return run


def spread(values: list[float], form: str = ".3f") -> str:
    """Return the mean over seeds, and the lowest and the highest; nothing where none is known."""
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return ""
    return f"{np.mean(known):{form}} ({min(known):{form}} to {max(known):{form}})"


def command(bench: Callable[..., None]) -> None:
    """Call ``bench`` with what the command line asks for; what goes wrong is said in a sentence."""
    try:
        typer.run(bench)
    except AliterError as error:
        raise SystemExit(f"{error}") from error
