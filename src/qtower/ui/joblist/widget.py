"""The job list: what keys and mouse do in it. How it is drawn stands in `view`."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from textual import events
from textual.message import Message

from qtower.model import JobRow
from qtower.ui import actions
from qtower.ui.board import Board
from qtower.ui.joblist.picture import Stale
from qtower.ui.joblist.view import ListView
from qtower.ui.listing import Entry
from qtower.ui.signs import UNICODE, Signs
from qtower.ui.sorting import BY_ID, Sort

_NO_SET = "This job stands under no set."
_WHEEL_LINES = 3


class JobList(ListView, inherit_bindings=False):
    """The list, with its keys. Arguments as `ListView` takes them."""

    BINDINGS = actions.bindings(actions.Scope.LIST, actions.Scope.MARKS, actions.Scope.SORT)

    class Opened(Message):
        """A line was double-clicked."""

    class MarksChanged(Message):
        """Jobs were marked or unmarked."""

    def __init__(
        self,
        board: Board,
        *,
        clock: Callable[[], float] = time,
        signs: Signs = UNICODE,
        stale: Stale = lambda ended, confirmed, now: False,
        behind: Callable[[], bool] = lambda: False,
        id: str | None = None,
    ) -> None:
        super().__init__(board, clock=clock, signs=signs, stale=stale, behind=behind, id=id)
        self._last_marked: Entry | None = None  # where a range begins

    # -- moving --

    def action_down(self) -> None:
        self._go(self._selection.line + 1)

    def action_up(self) -> None:
        self._go(self._selection.line - 1)

    def action_page_down(self) -> None:
        self._go(self._selection.line + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self._go(self._selection.line - max(1, self.size.height - 1))

    def action_top(self) -> None:
        self._go(0)

    def action_bottom(self) -> None:
        self._go(len(self._board.entries) - 1)

    # -- folding --

    def action_toggle_fold(self) -> None:
        if self.cursor is not None:
            self._fold(not self._board.folded(self.cursor.set_id))

    def action_fold(self) -> None:
        self._fold(True)

    def action_unfold(self) -> None:
        self._fold(False)

    def action_fold_all(self) -> None:
        self._fold_all(True)

    def action_unfold_all(self) -> None:
        self._fold_all(False)

    def _fold_all(self, folded: bool) -> None:
        self.choose()
        self._board.fold_all(folded)
        self.board_changed()

    def _fold(self, folded: bool) -> None:
        if self.choose() is None:
            return
        assert self.cursor is not None
        if not self._board.headed(self.cursor.set_id):
            self.notify(_NO_SET, markup=False)
            return
        self._board.fold(self.cursor.set_id, folded)
        self.board_changed()
        self._show_line(self._selection.line)

    # -- marking --

    def action_mark(self) -> None:
        if (entry := self.choose()) is not None:
            self._last_marked = entry
            self._board.marks.toggle(self._board.jobs_on(entry))
            self._marks_changed()

    def action_mark_range(self) -> None:
        entry, first = self.choose(), None
        if self._last_marked is not None:
            first = self._board.position(self._last_marked)
        if entry is None:
            return
        last = self._selection.line
        start, end = sorted((last if first is None else first, last))
        for line in self._board.entries[start : end + 1]:
            self._board.marks.mark(self._jobs_marked_with(line))
        self._last_marked = entry
        self._marks_changed()

    def _jobs_marked_with(self, entry: Entry) -> list[JobRow]:
        """In a range the row of an unfolded set stands for no job: its jobs have rows."""
        if entry.is_set and not self._board.folded(entry.set_id):
            return []
        return self._board.jobs_on(entry)

    def action_mark_all(self) -> None:
        self._board.marks.mark(self._board.listed_jobs())
        self._marks_changed()

    def action_invert_marks(self) -> None:
        self._board.marks.invert(self._board.listed_jobs())
        self._marks_changed()

    def action_unmark_all(self) -> None:
        self._board.marks.clear()
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.repaint()
        self.post_message(self.MarksChanged())

    # -- sorting --

    def sort_by(self, column: str) -> None:
        """Sorts by a column, or the other way round if it is sorted by it already."""
        if column in BY_ID:
            sort = self._board.sort
            self._sort(sort.turned() if sort.column.id == column else Sort.by(column))

    def action_sort(self, column: str) -> None:
        self._sort(Sort.by(column))

    def action_sort_next(self) -> None:
        self._step(1)

    def action_sort_previous(self) -> None:
        self._step(-1)

    def action_turn_sort(self) -> None:
        self._sort(self._board.sort.turned())

    def _step(self, step: int) -> None:
        """To the next column that is shown, or from one that is not to the first."""
        shown = [slot.column.id for slot in self.slots if slot.column.id in BY_ID]
        if not shown:  # nothing is drawn yet
            return
        now = self._board.sort.column.id
        place = shown.index(now) + step if now in shown else 0
        self._sort(Sort.by(shown[place % len(shown)]))

    def _sort(self, sort: Sort) -> None:
        self._board.sort = sort
        self.pursue()

    # -- mouse --

    def on_click(self, event: events.Click) -> None:
        if event.x >= self.size.width - 1:
            last = max(1, self.size.height - 1)
            self._scroll(round(event.y / last * self.max_scroll_y))
            return
        line = self._top + event.y
        entries = self._board.entries
        if not 0 <= line < len(entries):
            return
        self._go(line)
        on_mark = any(
            slot.column.id == "name" and slot.x <= event.x < slot.x + 2 for slot in self.slots
        )
        if event.chain == 2 and not on_mark:
            self.post_message(self.Opened())
        elif on_mark and entries[line].is_set:
            self.action_toggle_fold()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self._scroll(self._top + _WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self._scroll(self._top - _WHEEL_LINES)
