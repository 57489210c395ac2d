"""Rules of the house that no linter knows."""

import ast
import importlib
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aliter
from aliter.core.spec import Spec
from aliter.workflows import WORKFLOWS, workflow
from aliter.workflows.estimate import Room

ROOT = Path(aliter.__file__).parent
REPOSITORY = ROOT.parents[1]
FILES = sorted(ROOT.rglob("*.py"))
FAMILIES = sorted(path for path in (ROOT / "methods").iterdir() if (path / "__init__.py").is_file())


def specs(module: object) -> list[type[Spec]]:
    return [one for one in vars(module).values() if isinstance(one, type) and issubclass(one, Spec)]


@pytest.mark.parametrize(
    "family",
    [path for path in FAMILIES if "def examples(" in (path / "__init__.py").read_text(encoding="utf-8")],
    ids=lambda one: one.name,
)
def test_every_method_is_in_its_family(family: Path) -> None:
    package = importlib.import_module(f"aliter.methods.{family.name}")
    listed = {type(one) for one in package.examples()}
    for info in pkgutil.iter_modules([str(family)]):
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        for one in specs(module):
            if one.__module__ == module.__name__ and "kind" in one.model_fields:
                assert one in listed, f"{one.__name__} is missing from {family.name}/__init__.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short_and_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 300, "split it"
    assert path.stem not in {"utils", "misc", "helpers", "common"}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            assert lines <= 50, f"{node.name} has {lines} lines"
        if isinstance(node, ast.ClassDef):
            assert not node.name.endswith(("Manager", "Helper", "Wrapper", "Utils")), node.name


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_its_configs_and_they_are_read(name: str) -> None:
    module = workflow(name)
    configs = sorted((REPOSITORY / "configs" / name).glob("*.yaml"))
    assert {"tiny", "demo"} <= {path.stem for path in configs}
    assert isinstance(importlib.import_module(f"{module.__name__}.estimate").ROOM, Room), "check asks it"
    for path in configs:
        assert module.Config.read(path).workflow == name
    names = [stage.name for stage in module.STAGES]
    for index, stage in enumerate(module.STAGES):
        assert set(stage.reads) <= set(module.Config.model_fields)
        assert set(stage.after) <= set(names[:index]), f"{stage.name} comes before what it uses"


def test_help_is_quick_to_load_and_shows_every_verb_with_an_example() -> None:
    code = "import sys, aliter.cli; print({'torch', 'timm', 'captum', 'skimage'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"
    from aliter.cli import app

    for command in app.registered_commands:
        assert "Example: aliter " in (command.callback.__doc__ or ""), command


def test_torch_is_pinned_with_its_companion() -> None:
    pinned = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().split())
    assert pinned.keys() >= {"torch", "torchvision"}
    needed = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {"torch", "torchvision"} <= {line.split(">")[0] for line in needed}
