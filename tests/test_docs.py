"""What is written is right: configs in the docs are accepted, links lead somewhere, commands exist."""

import re
from pathlib import Path

import pytest
import yaml

from aliter.cli import app
from aliter.workflows import workflow

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
VERBS = {command.name or command.callback.__name__ for command in app.registered_commands}


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
            elif command and command[0].startswith("scripts/"):
                assert (ROOT / command[0]).is_file(), line
