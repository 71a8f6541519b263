"""The names of the columns, above the list."""

from __future__ import annotations

from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from qtower.ui.joblist.render import strip_of, title_line
from qtower.ui.joblist.widget import JobList


class ColumnTitles(Widget):
    """One line that names the columns of a list where they stand, and the one it is sorted by."""

    class Chosen(Message):
        """The title of the column `column` was clicked."""

        def __init__(self, column: str) -> None:
            super().__init__()
            self.column = column

    def __init__(self, joblist: JobList, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._list = joblist

    def render_line(self, y: int) -> Strip:
        """The titles; the widget is one line high."""
        style, jobs = self.rich_style, self._list
        line = title_line(jobs.slots, style, jobs.sort, jobs.signs)
        return strip_of(line, self.size.width, style)

    def on_click(self, event: events.Click) -> None:
        for slot in self._list.slots:
            if slot.x - 1 <= event.x < slot.x + slot.width:
                self.post_message(self.Chosen(slot.column.id))
