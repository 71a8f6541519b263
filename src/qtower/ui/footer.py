"""The footer: the keys that do something here, made from the action table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from qtower.ui.actions import Action, footer_hints, key_word

_GAP = 2


class Hint(NamedTuple):
    """A key and its word, from cell `x` to cell `end` (exclusive)."""

    action: str
    key: str
    word: str
    x: int
    end: int


def hints_that_fit(offered: Sequence[Action], width: int) -> list[Hint]:
    """The hints in their order and place; the least important are left out until they fit."""
    kept = list(offered)
    while kept and _width(kept) > width:
        kept.remove(min(kept, key=lambda action: action.importance))
    hints, x = [], 1
    for action in kept:
        key = key_word(action.keys[0])
        end = x + cell_len(key) + 1 + cell_len(action.hint)
        hints.append(Hint(action.id, key, action.hint, x, end))
        x = end + _GAP
    return hints


def _width(kept: Sequence[Action]) -> int:
    used = sum(cell_len(key_word(action.keys[0])) + 1 + cell_len(action.hint) for action in kept)
    return 1 + used + _GAP * (len(kept) - 1)


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
