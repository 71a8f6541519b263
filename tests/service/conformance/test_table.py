"""docs/api.md and the service agree: every call has a row, and every row a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from qtower.service import refusals
from tests.service.calls import Call, served_beside, served_calls, served_websockets

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parents[1] / "docs" / "api.md").read_text()

_PLACE = "/Network/{hub}/Groups/{group}/Projects/{project}"


def rows() -> list[tuple[Call, str]]:
    """The calls of the page, each with the name of its test."""
    found = []
    for line in PAGE.splitlines():
        if match := re.match(r"\| ([A-Z]+) (\S+) \|.*\| (\S+) \|$", line):
            method, path, test = match.groups()
            path = re.sub(r"^H/", f"{_PLACE}/", path)
            path = path.replace("{b}", "{backend}").replace("{id}", "{job_id}")
            found.append((Call(method, path), test))
    return found


def existing_tests() -> set[str]:
    """All tests of the service, as `module.test`."""
    return {
        f"{file.stem}.{node.name}"
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_call_has_a_row_and_every_row_is_a_call() -> None:
    told = [call for call, _ in rows()]
    assert len(set(told)) == len(told)
    assert set(told) == {*served_calls(), *served_websockets()}


def test_every_row_has_a_test_that_exists() -> None:
    known = existing_tests()
    assert [test for _, test in rows() if test not in known] == []


def test_what_is_beside_the_api_is_named() -> None:
    assert [call for call in served_beside() if f"`{call}`" not in PAGE] == []


def test_every_refusal_is_in_the_table_of_refusals() -> None:
    source = ast.parse(Path(refusals.__file__).read_text())
    raised = [
        [argument.value for argument in node.args[:3] if isinstance(argument, ast.Constant)]
        for node in ast.walk(source)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RefusalError"
    ]
    assert len(raised) > 10
    told = {tuple(row) for row in re.findall(r"^\| (\d{3}) \| (\d{4}) \| ([A-Z_]+) \|", PAGE, re.M)}
    assert {tuple(str(part) for part in parts) for parts in raised} - told == set()
