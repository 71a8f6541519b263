"""The screen of a real terminal, to which only differences are sent, against one drawn anew."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pyte
import pytest

from tests.conftest import home_environment
from tests.e2e.terminal import Terminal

ROOT = Path(__file__).parents[2]
MOVES = ["down", "up", "j", "pagedown", "\x1b[5~", "G", "g", "s", "S", " ", "a", "u"]
VISITS = [("?", "escape"), ("/", "7", "escape"), ("enter", "3", "escape"), ("ctrl+p", "escape")]


@pytest.fixture(params=[(80, 24), (160, 48)], ids=["80x24", "160x48"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """300 jobs, told by a scripted agent."""
    columns, rows = request.param
    command = [sys.executable, "-m", "benchmarks.screen_host", "qtower", "300", "0"]
    environment = {**home_environment(tmp_path / "home"), "PYTHONPATH": str(ROOT)}
    with Terminal(
        command, directory=ROOT, environment=environment, columns=columns, rows=rows
    ) as made:
        made.wait_for("300 jobs")
        settle(made)
        yield made


def settle(terminal: Terminal) -> None:
    """Reads until nothing comes any more."""
    while True:
        before = terminal.written
        terminal.read(0.4)
        if terminal.written == before:
            return


def seen(terminal: Terminal) -> list[list[tuple[object, ...]]]:
    """Every cell; of a blank one nobody sees the colour of letters."""
    screen: pyte.Screen = terminal._screen

    def cell(y: int, x: int) -> tuple[object, ...]:
        found = screen.buffer[y][x]
        blank = found.data == " " and not (found.underscore or found.reverse)
        return (" ", found.bg) if blank else tuple(found)

    return [[cell(y, x) for x in range(screen.columns)] for y in range(screen.lines)]


def redrawn(terminal: Terminal) -> list[list[tuple[object, ...]]]:
    """The same after something wrote all over it and Ctrl+L was pressed."""
    terminal._stream.feed(b"\x1b[2J\x1b[H" + b"Broadcast message from root\r\n" * 10)
    terminal.press("\x0c")
    settle(terminal)
    return seen(terminal)


def test_after_any_keys_it_shows_what_it_would_if_drawn_anew(terminal: Terminal) -> None:
    chance = random.Random(7)
    for _ in range(5):
        terminal.press(*chance.choices(MOVES, k=12), *chance.choice(VISITS))
        terminal.press(*chance.choices(MOVES, k=4))
        settle(terminal)
        assert seen(terminal) == redrawn(terminal)


def test_a_dialog_is_drawn_anew_with_what_lies_below(terminal: Terminal) -> None:
    terminal.press("down", "down", "?")
    terminal.wait_for("Cancel the marked jobs")
    settle(terminal)
    assert seen(terminal) == redrawn(terminal)
    assert "Broadcast" not in terminal.text
