"""What stands where content would be: loading, empty, not there yet, failed."""

from __future__ import annotations

from rich.text import Text
from textual.widgets import Static

from qtower.errors import QtowerError
from qtower.text import inert, inert_lines


class StatePanel(Static, can_focus=True):
    """A title, what is the matter, and what comes next, in the middle of its place."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.said = ""

    def say(self, title: str, what: str = "", next_step: str = "", *, failed: bool = False) -> None:
        """Shows up to three paragraphs; `failed` gives the title the colour of an error."""
        self.set_class(failed, "-failed")
        text = Text(inert(title), style="bold", justify="center")
        for paragraph, style in ((what, "not bold"), (next_step, "not bold italic")):
            if paragraph:
                text.append("\n\n")
                text.append(inert_lines(paragraph, 4096), style=style)
        self.said = text.plain
        self.update(text)

    def fail(self, error: QtowerError) -> None:
        """Shows an error's title, what was wrong, and what to do about it."""
        self.say(error.title, error.what, error.next_step, failed=True)
