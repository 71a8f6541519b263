"""The names of the columns, above the list."""

from __future__ import annotations

from textual.strip import Strip
from textual.widget import Widget

from qtower.ui.joblist.render import strip_of, title_line
from qtower.ui.joblist.widget import JobList


class ColumnTitles(Widget):
    """One line that names the columns of a list where they stand."""

    def __init__(self, joblist: JobList, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._list = joblist

    def render_line(self, y: int) -> Strip:
        """The titles; the widget is one line high."""
        style = self.rich_style
        return strip_of(title_line(self._list.slots, style), self.size.width, style)
