"""What is written is right: configs in the docs are accepted, links lead somewhere, commands exist."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
import yaml

from aliter.cli import app
from aliter.data.run import Run
from aliter.workflows import workflow
from aliter.workflows.counterfactual import Config

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = typer.main.get_command(app).commands
HOOKS = SimpleNamespace(**runpy.run_path(str(ROOT / "docs" / "hooks.py")))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configs_are_accepted(page: Path) -> None:
    for block in blocks(page, "yaml"):
        values = yaml.safe_load(block)
        if "workflow" in values:
            workflow(values["workflow"]).Config.parse(values, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"`((?:tests|src|configs|docs|benchmarks|scripts)/[\w./-]+\w)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_exist(page: Path) -> None:
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            command = line.split()
            if command[:1] == ["aliter"]:
                assert command[1] in VERBS, line
                known = {name for parameter in VERBS[command[1]].params for name in parameter.opts}
                assert {word for word in command if word.startswith("--")} <= known | {"--help"}, line
            elif command and command[0].startswith("scripts/"):
                assert (ROOT / command[0]).is_file(), line


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the code of the docs reads: the scores of a run."""
    folder = tmp_path_factory.mktemp("docs")
    run = Run(folder / "runs" / "counterfactual-demo", Config(images=Path("cells")))
    with run.working():
        run.save("reference/scores/integrated_gradients/0_1", np.zeros((2, 1)), ("index", "batch"))
    return folder


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_code_runs(page: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    names: dict[str, object] = {}
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), names)


def test_the_site_names_pages_that_exist() -> None:
    listed = re.findall(r"^ +- .*: ([\w/.-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    examples = {f"gallery/{script.stem.removeprefix('plot_')}.md" for script in (ROOT / "examples").glob("plot_*.py")}
    assert len(listed) > 8
    assert {one for one in listed if one.startswith("gallery/")} == examples
    for one in set(listed) - examples:
        assert (ROOT / "docs" / one).is_file(), one


def test_names_in_the_reference_lead_somewhere() -> None:
    for name in re.findall(r"^::: ([\w.]+)$", (ROOT / "docs" / "reference.md").read_text(), re.MULTILINE):
        assert _found(name), name


def _found(name: str) -> bool:
    import importlib

    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return hasattr(importlib.import_module(module), attribute)
    return True


SCRIPT = '''"""What it is."""

# %% [markdown]
# # Title
#
# Some *words*.

# %%
number = 3
print("said", number)

# %%
number + 1
'''


def test_an_example_is_shown_with_what_it_says_and_is() -> None:
    assert HOOKS.executed(SCRIPT) == (
        "# Title\n\nSome *words*.\n\n"
        '```python\nnumber = 3\nprint("said", number)\n```\n\n```text\nsaid 3\n```\n\n'
        "```python\nnumber + 1\n```\n\n```text\n4\n```\n"
    )


def test_tasks_are_left_out_where_solutions_are_shown() -> None:
    source = '# %% tags=["task"]\nfound = ...\n\n# %% tags=["solution"]\nfound = 3\nfound\n'
    assert HOOKS.executed(source) == "```python\nfound = 3\nfound\n```\n\n```text\n3\n```\n"


def test_what_shows_itself_is_shown() -> None:
    source = "# %%\nclass One:\n    def _repr_html_(self):\n        return '<b>one</b>'\n\n# %%\nOne()\n"
    assert HOOKS.executed(source).endswith("```python\nOne()\n```\n\n<div><b>one</b></div>\n")


def test_examples_leave_nothing_behind() -> None:
    before = Path.cwd()
    with HOOKS.scratch_folder():
        inside = Path.cwd()
        (inside / "runs").mkdir()
    assert Path.cwd() == before
    assert not inside.exists()


def test_decisions_are_listed() -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="decisions/index.md"))
    listed = HOOKS.on_page_markdown("", page, None, None)
    for path in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"]({path.name})" in listed


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    if not shutil.which("mkdocs", path=str(ROOT / ".venv" / "bin")):
        pytest.fail("expected mkdocs, found none; run scripts/setup")
    command = [str(ROOT / "scripts" / "docs"), "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "site" / "gallery" / "counterfactual" / "index.html").read_text(encoding="utf-8")
    assert "QuAC score" in text
    for page in (tmp_path / "site").rglob("*.html"):
        assert not re.findall(r'(?:src|href)="(https?://fonts[^"]*)"', page.read_text(encoding="utf-8")), page
