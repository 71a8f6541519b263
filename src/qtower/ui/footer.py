"""The footer: the keys that do something here, made from the action table."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from qtower.ui.actions import footer_hints
from qtower.ui.hint_line import Hint, hints_that_fit

_GAP = 2


class Footer(Widget):
    """One line of keys; a click on one does what the key does."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"footer--key", "footer--note"}

    class Chosen(Message):
        """The hint of the action `action` was clicked."""

        def __init__(self, action: str) -> None:
            super().__init__()
            self.action = action

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._empty = True
        self._note = ""
        self._read_only = False

    def tell(self, empty: bool, note: str = "", *, read_only: bool = False) -> None:
        """Takes whether there are no jobs, what to say at the right end, and what not to offer."""
        if (empty, note, read_only) != (self._empty, self._note, self._read_only):
            self._empty, self._note, self._read_only = empty, note, read_only
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """The hints; the widget is one line high."""
        base, key_style = self.rich_style, self.get_component_rich_style("footer--key")
        segments, x = [], 0
        for hint in self._hints():
            segments.append(Segment(" " * (hint.x - x), base))
            segments.append(Segment(hint.key, key_style))
            segments.append(Segment(f" {hint.word}", base))
            x = hint.end
        if self._note:
            note = f" {self._note} "
            segments.append(Segment(" " * (self.size.width - cell_len(note) - x), base))
            segments.append(Segment(note, self.get_component_rich_style("footer--note")))
        return Strip(segments).adjust_cell_length(self.size.width, base)

    def on_click(self, event: events.Click) -> None:
        for hint in self._hints():
            if hint.x <= event.x < hint.end:
                self.post_message(self.Chosen(hint.action))

    def _hints(self) -> list[Hint]:
        taken = cell_len(self._note) + _GAP if self._note else 0
        return hints_that_fit(footer_hints(self._empty, self._read_only), self.size.width - taken)
