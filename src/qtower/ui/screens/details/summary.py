"""Summary: every known fact of the job."""

from __future__ import annotations

import textwrap

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from qtower.model import Details, Field, GetDetails, JobRow
from qtower.text import inert, inert_lines
from qtower.ui.screens.details.tab import DetailsTab
from qtower.ui.widgets.asking import ask
from qtower.ui.widgets.state_panel import StatePanel
from qtower.ui.widgets.text_lines import InstantScroll


class TextScroll(InstantScroll, VerticalScroll):
    """A text that scrolls up and down."""


def field_lines(fields: list[Field], width: int) -> Text:
    """Labels and values in two columns; a value that is longer than its column is folded there.

    A label that is longer than a third of the line has a line of its own.
    """
    label_width = max(
        (len(field.label) for field in fields if len(field.label) <= width // 3), default=8
    )
    room = max(width - label_width - 2, 20)
    text = Text()
    for number, field in enumerate(fields):
        lines = [
            folded
            for line in inert_lines(field.value).split("\n")
            for folded in textwrap.wrap(line, room, replace_whitespace=False) or [""]
        ]
        text.append("\n" if number else "")
        indent = "\n" + " " * (label_width + 2)
        text.append(f"{inert(field.label):<{label_width}}  ", style="dim")
        text.append(indent if len(field.label) > label_width else "")
        text.append(indent.join(lines))
    return text


class SummaryTab(DetailsTab):
    """Label and value lines, and why something is missing."""

    def __init__(self, key: str, *, id: str) -> None:
        super().__init__(key, id=id)
        self._details: Details | None = None

    def compose(self) -> ComposeResult:
        yield StatePanel()
        with TextScroll():
            yield Static(id="summary-note", markup=False)
            yield Static(id="summary-fields", markup=False)

    def on_mount(self) -> None:
        self.say("Loading", "Reading what is known of the job.")

    @property
    def main(self) -> Widget:
        return self.query_one(TextScroll)

    def row_changed(self, before: JobRow | None, now: JobRow) -> None:
        self.outdated = True

    async def load(self) -> None:
        details = await ask(self, GetDetails(key=self.key), Details)
        self._details = details
        note = self.query_one("#summary-note", Static)
        note.update(Text(inert_lines(details.note)))
        note.display = bool(details.note)
        self._draw()
        self.show_content()

    def copy_text(self) -> str:
        if self._details is None:
            return ""
        return "\n".join(f"{field.label}: {field.value}" for field in self._details.fields)

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._details is not None:
            width = self.size.width - 6
            fields = field_lines(self._details.fields, width)
            self.query_one("#summary-fields", Static).update(fields)
