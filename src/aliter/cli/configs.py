"""Verbs about configs: write a first one, describe them to editors, name the papers behind a run."""

import json
from pathlib import Path
from typing import Annotated

import typer

from aliter.cli.console import Debug, out, set_debug

Workflow = Annotated[str, typer.Argument(metavar="WORKFLOW", help="Such as counterfactual.")]


def init(
    name: Workflow,
    images: Annotated[Path, typer.Argument(help="What the workflow reads: folders, files, a list, a store.")],
    debug: Debug = False,
) -> None:
    """Write a commented config, fitted to the images, to standard output.

    Example: aliter init counterfactual cells > cells.yaml
    """
    set_debug(debug)
    from aliter.workflows.initial import first_config

    typer.echo(first_config(name, images), nl=False)


def schema(name: Workflow, debug: Debug = False) -> None:
    """Write the JSON schema of a workflow's config, for editors, to standard output.

    Example: aliter schema counterfactual > counterfactual.schema.json
    """
    set_debug(debug)
    from aliter.workflows import workflow

    found = workflow(name).Config.model_json_schema()
    typer.echo(json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **found}, indent=1))


def cite(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    debug: Debug = False,
) -> None:
    """Name the papers behind what a run did.

    Example: aliter cite runs/counterfactual-demo
    """
    set_debug(debug)
    from aliter.data.run import Run
    from aliter.workflows.cite import cite as papers

    for paper, used in papers(Run(path)).items():
        out.print(f"{paper} [{', '.join(used)}]", markup=False, highlight=False)
