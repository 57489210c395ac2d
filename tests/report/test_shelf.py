"""The shelf: runs in a folder, shown to this machine alone."""

import json
import os
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from aliter.core.errors import RequestError
from aliter.report.shelf import Shelved, server, shelved


def made(path: Path, stages: tuple[str, ...] = (), report: str = "") -> Path:
    """Make what looks like a run."""
    path.mkdir(parents=True)
    (path / "config.yaml").write_text("workflow: boundary\n")
    (path / "environment.json").write_text("{}")
    entry = {"key": {"digest": "0", "extends": {}}, "outputs": [], "facts": {}}
    (path / "stages.json").write_text(json.dumps(dict.fromkeys(stages, entry)))
    if report:
        (path / "report" / "items").mkdir(parents=True)
        (path / "report" / "index.html").write_text(report)
        (path / "report" / "items" / "0-000000.js").write_text("aliterItem(0)")
    return path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    made(tmp_path / "runs" / "done & <b>", ("gather", "report"), "the page")
    begun = made(tmp_path / "runs" / "grid" / "0") / "beside" / "gather"
    begun.mkdir(parents=True)
    (begun / "key.json").write_text("{}")
    (tmp_path / "runs" / "secret.txt").write_text("secret")
    return tmp_path / "runs"


@pytest.fixture
def port(runs: Path) -> Iterator[int]:
    with server(runs) as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found.server_port
        found.shutdown()
        thread.join()


def asked(port: int, path: str, host: str | None = None, method: str = "GET") -> tuple[int, str, dict[str, str]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_runs_are_found_with_what_is_finished(runs: Path) -> None:
    assert shelved(runs) == [
        Shelved("done & <b>", "boundary", ("gather", "report"), False, "/done%20%26%20%3Cb%3E/report/index.html"),
        Shelved("grid/0", "boundary", (), True, None),
    ]
    assert [one.path for one in shelved(runs / "grid" / "0")] == ["."]


def test_the_list_leads_to_reports_and_names_stay_text(port: int) -> None:
    status, page, headers = asked(port, "/")
    assert status == 200
    assert "done &amp; &lt;b&gt;" in page
    assert "<b>aliter</b>" in page
    assert 'href="/done%20%26%20%3Cb%3E/report/index.html"' in page
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert asked(port, "/done%20%26%20%3Cb%3E/report/index.html")[:2] == (200, "the page")
    assert asked(port, "/done%20%26%20%3Cb%3E/report/items/0-000000.js")[:2] == (200, "aliterItem(0)")


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/grid/",
        "/grid/0/config.yaml",
        "/done%20%26%20%3Cb%3E/config.yaml",
        "/done%20%26%20%3Cb%3E/report/",
        "/done%20%26%20%3Cb%3E/report/../config.yaml",
        "/done%20%26%20%3Cb%3E/report/..%2fconfig.yaml",
        "/done%20%26%20%3Cb%3E/report/linked.txt",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/nothing%00.html",
    ],
)
def test_nothing_else_is_there(port: int, runs: Path, path: str) -> None:
    os.symlink(runs / "secret.txt", runs / "done & <b>" / "report" / "linked.txt")
    assert asked(port, path)[0] == 404


def test_only_this_machine_is_answered_under_its_own_name(port: int) -> None:
    assert asked(port, "/", f"localhost:{port}")[0] == 200
    assert asked(port, "/", f"elsewhere.example:{port}")[0] == 403
    assert asked(port, "/", method="HEAD")[0] == 405


def test_a_run_that_cannot_be_read_is_listed_all_the_same(runs: Path) -> None:
    (runs / "grid" / "0" / "stages.json").write_text("{")
    assert [one.workflow for one in shelved(runs)] == ["boundary", "cannot be read"]


def test_no_folder_and_a_port_in_use_get_a_sentence(runs: Path, port: int) -> None:
    with pytest.raises(RequestError, match="expected a folder of runs, found none"):
        server(runs / "nothing")
    with pytest.raises(RequestError, match=f"expected a free port, found {port} taken"):
        server(runs, port)
