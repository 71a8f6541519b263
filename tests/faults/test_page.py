"""docs/reliability.md and the tests agree: every fault has a row, and every row a test."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from tests.faults import test_agent, test_journal, test_network

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "reliability.md").read_text()
NAMED = re.findall(r"^\|[^|]+\|[^|]+\| `([^`]+\.test_[^`]+)` \|$", PAGE, re.M)


def written_tests() -> set[str]:
    """All tests, as `directory/module.test`."""
    return {
        f"{file.relative_to(TESTS).with_suffix('')}.{node.name}"
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def faults_of(module: ModuleType) -> Iterator[str]:
    """The tests of a module with each of their parameters, as pytest calls them."""
    for name, test in vars(module).items():
        if name.startswith("test_"):
            place = f"faults/{Path(module.__file__ or '').stem}.{name}"
            marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            if marks:
                yield from (f"{place}[{parameter}]" for parameter in marks[0].args[1])
            else:
                yield place


def test_every_fault_has_a_row_of_its_own() -> None:
    tested = {
        each for module in (test_agent, test_journal, test_network) for each in faults_of(module)
    }
    assert len(set(NAMED)) == len(NAMED)
    assert tested == {name for name in NAMED if name.startswith("faults/")}


def test_every_row_has_a_test() -> None:
    written = written_tests()
    assert [name for name in NAMED if name.partition("[")[0] not in written] == []
    rows = [line for line in PAGE.partition("## Figures")[0].splitlines() if line.startswith("| ")]
    assert len(rows) - rows.count("| fault | what qtower does | test |") - 1 == len(NAMED)
