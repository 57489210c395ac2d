"""Runs side by side: a page that lists those in a folder, and a server that shows them to this machine alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aliter.core.errors import AliterError, RequestError
from aliter.core.yaml import read_yaml
from aliter.data import ledger

_TEMPLATES = Path(__file__).parent / "templates"
_DEEP = 3
"""Folders below the one that is served in which runs are looked for."""
_NAMES = ("127.0.0.1", "localhost")
"""What a browser on this machine calls it; another name is another's page that asks through the browser."""


@dataclass(frozen=True)
class Shelved:
    """One run on the shelf."""

    path: str
    """Relative to the folder, with ``/``."""
    workflow: str
    stages: tuple[str, ...]
    """Those that are finished."""
    at_work: bool
    """Whether something is working on it, or was when it was cut short."""
    report: str | None
    """Where its report is, as an address; None while there is none."""


def shelved(folder: Path) -> list[Shelved]:
    """Return the runs in ``folder``, itself included, by path.

    Raises
    ------
    RequestError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise RequestError(f"{folder}: expected a folder of runs, found none; check the path")
    return [_described(run, folder) for run in sorted(_runs(folder, _DEEP))]


def server(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of the runs in ``folder``: to this machine alone, and only their reports.

    ``port`` 0 takes any that is free; ``serve_forever`` starts it.

    Raises
    ------
    RequestError
        If there is no such folder, or the port is taken.
    """
    shelved(folder)
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(folder.resolve())))
    except OSError as error:
        raise RequestError(f"expected a free port, found {port} taken ({error.strerror}); name another") from error


class _Handler(SimpleHTTPRequestHandler):
    """Answers with the list at ``/``, and with files of reports; nothing else is there."""

    server_version, sys_version = "aliter", ""

    def do_GET(self) -> None:
        """Answer a request."""
        if self._foreign():
            self.send_error(HTTPStatus.FORBIDDEN)
        elif urlsplit(self.path).path == "/":
            self._list()
        elif not self._shown():
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        """Answer as if asked for the whole."""
        self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

    def end_headers(self) -> None:
        """Send what keeps pages to themselves."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: who asks is who runs it."""

    def _foreign(self) -> bool:
        return (self.headers.get("Host") or "").rpartition(":")[0] not in _NAMES

    def _shown(self) -> bool:
        """Return whether what is asked for is a file of a report, in the folder itself and not behind a link."""
        root = Path(self.directory)
        asked = root / unquote(urlsplit(self.path).path).lstrip("/")
        inside = asked.is_file() and asked.resolve() == asked and asked.is_relative_to(root)
        return inside and any(one.name == "report" and _is_run(one.parent) for one in asked.parents)

    def _list(self) -> None:
        page = _page(Path(self.directory)).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'")
        self.end_headers()
        self.wfile.write(page)


def _page(folder: Path) -> str:
    environment = Environment(loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)
    style = (_TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("shelf.html").render(name=folder.name, runs=shelved(folder), style=style)


def _runs(folder: Path, depth: int) -> Iterator[Path]:
    if _is_run(folder):
        yield folder
        return
    inside = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()] if depth else []
    for one in inside:
        yield from _runs(one, depth - 1)


def _is_run(folder: Path) -> bool:
    return (folder / "config.yaml").is_file() and (folder / "environment.json").is_file()


def _described(run: Path, folder: Path) -> Shelved:
    path = run.relative_to(folder).as_posix()
    page = Path(path, "report", "index.html").as_posix()
    try:
        stages, workflow = tuple(ledger.finished(run)), str(read_yaml(run / "config.yaml")[0].get("workflow", ""))
    except (AliterError, json.JSONDecodeError, OSError):
        stages, workflow = (), "cannot be read"
    report = quote(f"/{page}") if (run / "report" / "index.html").is_file() else None
    return Shelved(path, workflow, stages, any(run.glob("beside/*/key.json")), report)
