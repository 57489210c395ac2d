"""The command line: thin; it finds what is asked for and turns errors into exit codes."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from aliter.cli import configs, images, runs
from aliter.cli.console import Debug, Device, debugging, out, set_debug, shipped
from aliter.core.errors import AliterError, Interrupted, RequestError
from aliter.core.stops import STOPS

if TYPE_CHECKING:
    from aliter.core.spec import Spec
    from aliter.data.run import Run

app = typer.Typer(
    help="See microscopy images otherwise, and know how far to believe it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main() -> None:
    """Run the command line; exit 0 when done, else with the code of the error."""
    try:
        app()
    except AliterError as error:
        if debugging():
            raise
        logging.getLogger("aliter").error("%s", error)
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"aliter: {error}", markup=False)
        sys.exit(error.code)


@app.command()
def demo(
    workflow: Annotated[str, typer.Argument(help="Which workflow.")] = "counterfactual",
    to: Annotated[Path | None, typer.Option(help="Folder of the run.")] = None,
    device: Device = "cpu",
    debug: Debug = False,
) -> None:
    """Make a small real run on this machine, then say where to look.

    Example: aliter demo counterfactual
    """
    set_debug(debug)
    from aliter.data.run import Run
    from aliter.workflows import place, read

    config = read(shipped(workflow, "demo"))
    _carry_out(config, Run(to or place(config, "demo"), config, device))


@app.command()
def run(
    config: Annotated[Path, typer.Argument(help="A config; 'aliter init' writes one.")],
    to: Annotated[Path | None, typer.Option(help="Folder of the run; runs/<workflow>-<config> if not named.")] = None,
    source: Annotated[Path | None, typer.Option("--from", help="Run whose finished stages are linked.")] = None,
    stage: Annotated[str | None, typer.Option(help="Only this stage and what it needs.")] = None,
    device: Device = "cpu",
    workers: Annotated[int, typer.Option(min=1, help="Processes that attribute and evaluate.")] = 1,
    trust: Annotated[bool, typer.Option("--trust", help="Load your own model file: it is code.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at a broken checkpoint, take none before it.")] = False,
    debug: Debug = False,
) -> None:
    """Do what a config asks for and is not done yet; the same command resumes.

    Example: aliter run configs/counterfactual/tiny.yaml --to runs/tiny
    """
    set_debug(debug)
    from aliter.data.run import Run
    from aliter.workflows import place, read

    chosen = read(config)
    found = Run(to or place(chosen, config.stem), chosen, device, trust=trust)
    found.workers, found.strict = workers, strict
    _carry_out(chosen, found, stage, source)


@app.command()
def grid(
    config: Annotated[Path, typer.Argument(help="A config.")],
    to: Annotated[Path, typer.Option(help="Folder of the runs.")],
    vary: Annotated[list[str] | None, typer.Option(help="key=value,value; may be given again.")] = None,
    listed: Annotated[bool, typer.Option("--list", help="Number the combinations, do nothing.")] = False,
    only: Annotated[list[int] | None, typer.Option(help="Only this combination; may be given again.")] = None,
    slurm: Annotated[
        list[str] | None, typer.Option(help="Submit a job for each: key=value of SLURM, such as time=120.")
    ] = None,
    device: Device = "cpu",
    debug: Debug = False,
) -> None:
    """Make one run for every combination of values, and a table; the same command resumes.

    Example: aliter grid configs/embeddings/tiny.yaml --vary contrast.fit.rate=1.0e-3,1.0e-4 --to runs/rates
    """
    set_debug(debug)
    from aliter.workflows.grid import finished, run_grid
    from aliter.workflows.grid import grid as combine

    found = combine(config, vary or [])
    if wrong := [number for number in only or [] if not 0 <= number < len(found)]:
        raise RequestError(f"expected a combination from 0 to {len(found) - 1}, found {wrong[0]}; see --list")
    chosen = [found[number] for number in only or range(len(found))]
    if listed:
        for one in chosen:
            said = ", ".join(f"{key}={value}" for key, value in one.varied.items())
            out.print(f"{one.number:>4}  {said}", markup=False, highlight=False)
        return
    if slurm:
        from aliter.workflows.jobs import submit

        command = [f"{config}", "--to", f"{to}", "--device", device, *(f"--vary={one}" for one in vary or [])]
        done = finished(found, to)
        for number, job in submit([one for one in chosen if one not in done], command, to, slurm).items():
            out.print(f"combination {number}: job {job}", markup=False, highlight=False)
        return
    outcomes = run_grid(found, to, device, lambda text: out.print(text, markup=False, highlight=False), only or None)
    out.print(f"see {to / 'table.csv'}", markup=False)
    if failed := [one for one in outcomes if one.error]:
        raise failed[0].error or RequestError("a combination failed")


@app.command()
def check(
    config: Annotated[Path, typer.Argument(help="A config.")],
    to: Annotated[Path | None, typer.Option(help="Folder that the run would have.")] = None,
    device: Device = "cpu",
    trust: Annotated[bool, typer.Option("--trust", help="Load your own model file: it is code.")] = False,
    debug: Debug = False,
) -> None:
    """Say what was understood of a config and what it will cost; change nothing.

    Example: aliter check configs/counterfactual/tiny.yaml
    """
    set_debug(debug)
    from aliter.workflows import place, read
    from aliter.workflows.check import check as understand
    from aliter.workflows.tables import tables

    chosen = read(config)
    found = understand(chosen, to or place(chosen, config.stem), device, trust)
    for one in tables(found):
        table = Table(*one.head, title=one.title, title_justify="left")
        for row in one.rows:
            table.add_row(*(escape(cell) for cell in row))
        out.print(table)
    for warning in found.warnings:
        out.print(f"mind: {warning}", markup=False)
    if found.shortage:
        raise found.shortage


@app.command()
def doctor(debug: Debug = False) -> None:
    """Show what results and speed depend on here: what to paste into an issue.

    Example: aliter doctor
    """
    set_debug(debug)
    from aliter.data.doctor import doctor as examine

    for row in examine():
        out.print(f"{row.name:>14}  {row.value}", markup=False, highlight=False)


for _verb in (
    *(configs.init, configs.schema, configs.cite),
    *(images.simulate, images.convert),
    *(runs.show, runs.report, runs.serve, runs.export),
):
    app.command()(_verb)


def _carry_out(config: "Spec", found: "Run", until: str | None = None, source: Path | None = None) -> None:
    """Do what is missing of a run, saying what and why before anything is spent."""
    from aliter.workflows import name_of, workflow
    from aliter.workflows.stage import due, link, run_stages

    def say(text: str) -> None:
        out.print(text, markup=False, highlight=False)

    with found.working(), _stoppable(found):
        waiting = due(workflow(name_of(config)).STAGES, config, found, until)
        if source is not None:
            waiting = link(waiting, found, source, say)
        if not waiting:
            say("nothing to do: every stage is finished")
        run_stages(waiting, config, found, say)
    page = found.path / "report" / "index.html"
    say(f"open {page}" if page.is_file() else f"see aliter show {found.path}")


@contextmanager
def _stoppable(found: "Run") -> Iterator[None]:
    """Let the first of these signals ask for a stop at the next step, and a second one end at once."""

    def ask(number: int, frame: object) -> None:
        if found.stopping.is_set():
            raise Interrupted("stopped at once; the same command goes on from the last checkpoint")
        found.stopping.set()
        Console(stderr=True).print("stopping after this step; press again to stop at once", markup=False)

    before = {number: signal.signal(number, ask) for number in STOPS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
