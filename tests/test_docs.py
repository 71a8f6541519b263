"""What the documents promise is there."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from qtower.cli import COMMANDS
from qtower.ui.actions import ACTIONS, JOB_LIST, Scope, key_word

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


def test_every_module_stands_on_the_architecture_page() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    modules = {path.name for path in (ROOT / "src" / "qtower").rglob("*.py")} - {"__init__.py"}
    assert not {name for name in modules if f"{name}`" not in page}


def test_the_readme_names_every_command() -> None:
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in COMMANDS if f"qtower {name}" not in readme]


def test_the_readme_names_every_key_of_the_job_list() -> None:
    readme = (ROOT / "README.md").read_text()
    hinted = [a for a in ACTIONS if a.hint and a.scope in (*JOB_LIST, Scope.APP)]
    assert not [key_word(a.keys[0]) for a in hinted if key_word(a.keys[0]) not in readme]


def test_the_page_of_keys_is_current() -> None:
    spec = importlib.util.spec_from_file_location("keys_page", ROOT / "tools" / "keys_page.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text() == tool.page(), "run: python tools/keys_page.py"
