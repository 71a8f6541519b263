"""Help: the keys of a screen, from the action table, and what the signs mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from qtower.model import Status
from qtower.ui.actions import JOB_LIST, Scope, bindings, scopes_of, sections
from qtower.ui.screens.acting import Acting
from qtower.ui.signs import Signs
from qtower.ui.widgets.text_lines import TextScroll

_MEANINGS = {
    Status.INITIALIZING: "being made at the endpoint",
    Status.VALIDATING: "being checked there",
    Status.QUEUED: "waits for its backend",
    Status.RUNNING: "is being executed",
    Status.DONE: "ended, and has a result",
    Status.ERROR: "ended by an error: press e on it",
    Status.CANCELLED: "was cancelled",
    Status.SUBMIT_FAILED: "never reached the endpoint: press e on it",
    Status.UNKNOWN: "its state was never read yet",
}

_INDENT = 2


class HelpScreen(Acting, ModalScreen[None]):
    """Lies over any screen; Esc, q, ? or Enter closes it.

    Args:
        signs: Signs that the terminal can show.
        below: The screen whose keys are explained.
        read_only: Nothing that changes a job is on a key.
    """

    SCOPES = (Scope.HELP, Scope.TEXT)
    BINDINGS = bindings(Scope.HELP)

    def __init__(self, signs: Signs, below: Screen[Any], *, read_only: bool = False) -> None:
        super().__init__()
        self._rows = help_rows(signs, scopes_of(below), read_only=read_only, dialog=below.is_modal)

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with TextScroll(id="help"):
            yield Static(KeyTable(self._rows), id="help-text")

    def on_mount(self) -> None:
        self.query_one("#help").focus()


def help_rows(
    signs: Signs,
    scopes: Sequence[Scope] = JOB_LIST,
    *,
    read_only: bool = False,
    dialog: bool = False,
) -> list[tuple[str, str]]:
    """The keys by scope, then the signs: pairs of a key or sign and what it means.

    A heading has no second part, and an empty pair stands between two parts.
    """
    rows: list[tuple[str, str]] = []
    for title, lines in sections(scopes, read_only, dialog):
        rows.append((title, ""))
        rows += [(keys, action.tooltip) for keys, action in lines]
        rows.append(("", ""))
    rows.append(("Signs", ""))
    for status, meaning in _MEANINGS.items():
        rows.append((f"{signs.status[status]} {status.value}", meaning))
    return rows


class KeyTable:
    """The rows of help as Rich draws them: keys at the left, at most two fifths of the width."""

    def __init__(self, rows: Sequence[tuple[str, str]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        widest = max(cell_len(left) for left, right in self._rows if right)
        keys_width = min(widest, options.max_width * 2 // 5)
        for left, right in self._rows:
            if not right:
                yield Text(left, style="bold")
                continue
            row = Table.grid(padding=(0, 2, 0, 0))
            row.add_column(width=_INDENT - 2)
            row.add_column(width=keys_width)
            row.add_column()
            row.add_row("", Text(left), Text(right))
            yield row
