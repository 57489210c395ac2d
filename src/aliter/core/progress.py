"""A bar for what takes longer than a moment; quiet when nobody watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Advance = Callable[[int, str], None]
"""``advance(count, note)``: so many more are done; ``note`` holds the numbers that matter now."""


@contextmanager
def progress(label: str, total: int) -> Iterator[Advance]:
    """Show a bar of ``total`` steps on the terminal while the block runs."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal, refresh_per_second=4) as bar:
        task = bar.add_task(label, total=total, note="")
        yield lambda count, note: bar.update(task, advance=count, note=note)
