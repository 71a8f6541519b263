"""A text that scrolls both ways and draws only the lines on screen."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from textual.containers import ScrollableContainer, VerticalScroll
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from qtower.text import inert_lines
from qtower.ui.actions import Scope, bindings

_LINE = 4096
"""Characters of a line: nobody scrolls further to the right."""


class InstantScroll(ScrollableContainer, inherit_bindings=False):
    """Keys move it at once: a far place in a long text is not worth drawing the way there."""

    BINDINGS = bindings(Scope.TEXT)

    def action_scroll_home(self) -> None:
        self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        self.scroll_end(animate=False)

    def action_page_up(self) -> None:
        self.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        self.scroll_page_down(animate=False)


class TextScroll(InstantScroll, VerticalScroll, can_focus=True):
    """What it holds, scrolled up and down."""


class TextLines(InstantScroll, ScrollView, can_focus=True):
    """Foreign text, line by line as it is: circuit drawings, headers as JSON."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        """The text as it is shown."""
        return "\n".join(self._lines)

    def show(self, text: str) -> None:
        """Replaces the text and goes back to its beginning."""
        self._lines = inert_lines(text, line_limit=_LINE).split("\n")
        width = max((cell_len(line) for line in self._lines), default=0)
        self.virtual_size = Size(width, len(self._lines))
        self.scroll_to(0, 0, animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        left, top = self.scroll_offset
        number = top + y
        width = self.size.width
        if number >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        line = Strip([Segment(self._lines[number], self.rich_style)])
        return line.crop_extend(left, left + width, self.rich_style)
