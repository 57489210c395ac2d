"""Verbs about runs that are there: what they hold, their reports, all of them on one page."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from aliter.cli.console import Debug, out, set_debug
from aliter.core.errors import RequestError


def show(path: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")], debug: Debug = False) -> None:
    """Show the stages of a run, its figures and its arrays.

    Example: aliter show runs/counterfactual-demo
    """
    from aliter.data.run import Run

    set_debug(debug)
    found = Run(path)
    out.print(f"stages: {', '.join(found.finished) or 'none finished'}", markup=False)
    table = Table("stage", "figure", "value", "95 % interval", "images", "note")
    for name, figures in found.figures().items():
        for one in figures:
            interval = "" if one.low is None else f"{one.low:.3f} to {one.high:.3f}"
            table.add_row(name, one.name, f"{one.value:.4g}", interval, str(one.images), one.note)
    out.print(table)
    for name in found.names():
        array = found.array(name)
        out.print(f"{name}  {array.dtype} {array.shape}", markup=False, highlight=False)


def report(path: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")], debug: Debug = False) -> None:
    """Rebuild the report of a run.

    Example: aliter report runs/counterfactual-demo
    """
    from aliter.data.run import Run
    from aliter.workflows import name_of, read, workflow
    from aliter.workflows.stage import due, run_stages

    set_debug(debug)
    config = read(path / "config.yaml")
    stages = workflow(name_of(config)).STAGES
    found = Run(path, config)
    last = stages[-1].name
    with found.working():
        waiting = due(stages, config, found, again=last)
        if waiting[0].stage.name != last:
            names = ", ".join(one.stage.name for one in waiting[:-1])
            raise RequestError(f"{path}: expected all but the report to be done, found {names} open; use 'aliter run'")
        run_stages(waiting, config, found)
    out.print(f"open {path / 'report' / 'index.html'}", markup=False)


def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of runs.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8650,
    debug: Debug = False,
) -> None:
    """List runs and show their reports in a browser, to this machine alone; Ctrl-C ends it.

    Example: aliter serve runs
    """
    from aliter.report.shelf import server

    set_debug(debug)
    with server(folder, port) as found:
        out.print(f"open http://127.0.0.1:{found.server_port}/", markup=False)
        try:
            found.serve_forever()
        except KeyboardInterrupt:
            out.print("ended", markup=False)


def export(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    to: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder.")],
    author: Annotated[list[str] | None, typer.Option(help="Who made it; may be given again.")] = None,
    licence: Annotated[str | None, typer.Option("--license", help="As SPDX names it, such as CC-BY-4.0.")] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="As ONNX too; needs aliter[onnx].")] = False,
    debug: Debug = False,
) -> None:
    """Take the networks of a run elsewhere: weights, programs, an example, and what they are.

    Example: aliter export runs/counterfactual-demo exported
    """
    from aliter.workflows.export import Stated
    from aliter.workflows.export import export as write

    set_debug(debug)
    stated = Stated(tuple(author), licence) if author else Stated(licence=licence)
    for name, files in write(path, to, stated, ("program", "onnx") if onnx else ("program",)).items():
        out.print(f"{to / name}: {', '.join(files)}", markup=False, highlight=False)
