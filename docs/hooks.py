"""What the site makes of the sources: examples that are run, decisions that are listed."""

import ast
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
_CELL = re.compile(r"^# %%(?P<kind>.*)$", re.MULTILINE)


def on_files(files: Any, config: Any) -> Any:
    """Add a page for each script of the gallery, run now; mkdocs calls this."""
    from mkdocs.structure.files import File

    for script in sorted((ROOT / "examples").glob("plot_*.py")):
        with scratch_folder():
            text = executed(script.read_text(encoding="utf-8"))
        files.append(File.generated(config, f"gallery/{script.stem.removeprefix('plot_')}.md", content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """List the decisions where their index ends; mkdocs calls this."""
    if page.file.src_uri != "decisions/index.md":
        return markdown
    found = sorted(path for path in (ROOT / "docs" / "decisions").glob("0*.md"))
    titles = [path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ") for path in found]
    return markdown + "\n".join(f"- [{title}]({path.name})" for path, title in zip(found, titles, strict=True))


@contextmanager
def scratch_folder() -> Iterator[None]:
    """Work in a folder that is gone afterwards, so that an example leaves no run behind."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def executed(source: str) -> str:
    """Return a script of percent cells as Markdown: words as they are, code with what it printed and what it is.

    Cells tagged ``task`` are for those who solve them, and left out.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    parts: list[str] = []
    for kind, cell in cells(source):
        if '"task"' in kind:
            continue
        if "markdown" in kind:
            parts.append("\n".join(line.removeprefix("#").removeprefix(" ") for line in cell.splitlines()))
        elif cell:
            printed, shown = run(cell, names)
            parts.append(f"```python\n{cell}\n```")
            parts += [f"```text\n{printed.rstrip()}\n```"] if printed.strip() else []
            parts += [shown] if shown else []
    return "\n\n".join(parts) + "\n"


def cells(source: str) -> list[tuple[str, str]]:
    """Return the kind and the text of each percent cell."""
    marks = list(_CELL.finditer(source))
    ends = [*(mark.start() for mark in marks[1:]), len(source)]
    return [(mark["kind"], source[mark.end() : end].strip()) for mark, end in zip(marks, ends, strict=True)]


def run(cell: str, names: dict[str, Any]) -> tuple[str, str]:
    """Run a cell among ``names``; return what it printed, and its last expression as a page shows it."""
    body = ast.parse(cell).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    said, value = StringIO(), None
    with redirect_stdout(said):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)
    if value is None:
        return said.getvalue(), ""
    shown = f"<div>{value._repr_html_()}</div>" if hasattr(value, "_repr_html_") else f"```text\n{value!r}\n```"
    return said.getvalue(), shown
