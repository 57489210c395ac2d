"""Runs of a grid as jobs of a cluster: one for each combination that is not finished."""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import yaml

from aliter.core.errors import RequestError
from aliter.workflows.grid import Combination


def submit(
    combinations: Sequence[Combination],
    command: Sequence[str],
    to: Path,
    texts: Sequence[str],
    cluster: Literal["slurm", "local"] = "slurm",
) -> dict[int, str]:
    """Submit ``aliter grid`` with the arguments ``command`` once for each combination; return the jobs' ids.

    ``texts`` are settings of the cluster as ``key=value``, such as ``partition=gpu`` or ``time=120`` in minutes; what
    jobs say is in ``to/jobs``. The same command in each job does only what is missing, so a job that was stopped can be
    submitted again.

    Raises
    ------
    RequestError
        If submitit is not installed, there is no such cluster, or it does not know a setting.
    """
    if find_spec("submitit") is None:
        raise RequestError("expected submitit for jobs, found none; install aliter[slurm]")
    from submitit import AutoExecutor
    from submitit.helpers import CommandFunction

    settings = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key:
            raise RequestError(f"expected key=value as in partition=gpu, found '{text}'")
        settings[f"{cluster}_{key}"] = yaml.safe_load(value)
    program = (sys.executable, "-c", "from aliter.cli import main; main()", "grid")
    try:
        executor = AutoExecutor(to / "jobs", cluster=cluster)
        executor.update_parameters(name="aliter", **settings)
        jobs = {}
        for one in combinations:
            run = CommandFunction([*program, *command, "--only", str(one.number)], verbose=False)
            jobs[one.number] = str(executor.submit(run).job_id)
    except (RuntimeError, NameError, OSError) as error:
        raise RequestError(f"expected jobs that {cluster} takes, found: {str(error).splitlines()[0]}") from error
    return jobs
