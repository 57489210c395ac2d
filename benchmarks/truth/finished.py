"""Runs that are made if need be: what all benches of truth stand on."""

from pathlib import Path

from aliter.core.spec import Spec
from aliter.data.run import Figure, Run
from aliter.workflows import name_of, workflow
from aliter.workflows.stage import due, run_stages


def finished(config: Spec, path: Path, until: str | None = None) -> Run:
    """Return the run of ``config`` at ``path``, with all stages done, or those up to ``until``."""
    run = Run(path, config)
    with run.working():
        run_stages(due(workflow(name_of(config)).STAGES, config, run, until=until), config, run, say=print)
    return run


def figures_of(config: Spec, path: Path, until: str | None = None) -> dict[str, Figure]:
    """Return all figures of that run, by name."""
    return {one.name: one for figures in finished(config, path, until).figures().values() for one in figures}
