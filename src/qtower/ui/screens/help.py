"""Help: every key, from the action table, and what the signs mean."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from qtower.model import Status
from qtower.ui.actions import Scope, key_word, offered
from qtower.ui.signs import Signs

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

_SCOPES = (Scope.JOBS, Scope.MARKS, Scope.SORT, Scope.LIST, Scope.APP)


class HelpScreen(ModalScreen[None]):
    """Lies over any screen; Esc, q, ? or Enter closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,q,question_mark,enter",
            "dismiss",
            "Close",
            id="help_close",
            tooltip="Back to where you were.",
        ),
    ]

    def __init__(self, signs: Signs, *, read_only: bool = False) -> None:
        super().__init__()
        self._rows = help_rows(signs, read_only=read_only)

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with VerticalScroll(id="help", can_focus=True):
            yield Static(_table(self._rows), id="help-text")

    def on_mount(self) -> None:
        self.query_one("#help").focus()


def help_rows(signs: Signs, *, read_only: bool = False) -> list[tuple[str, str]]:
    """The keys by scope, then the signs: pairs of a key or sign and what it means.

    A heading has no second part, and an empty pair stands between two parts.
    """
    rows: list[tuple[str, str]] = []
    for scope in _SCOPES:
        rows.append((scope.value, ""))
        for action in offered(read_only):
            if action.scope is scope and action.keys:
                rows.append((" ".join(key_word(key) for key in action.keys), action.tooltip))
        rows.append(("", ""))
    rows.append(("Signs", ""))
    for status, meaning in _MEANINGS.items():
        rows.append((f"{signs.status[status]} {status.value}", meaning))
    return rows


def _table(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for left, right in rows:
        heading = bool(left) and not right
        name = Text(left if heading else f"  {left}", style="bold" if heading else "")
        table.add_row(name, Text(right))
    return table
