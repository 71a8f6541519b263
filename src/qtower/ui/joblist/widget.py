"""The list: a cursor that stays on its job, scrolling, and repaints of what changed only."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from qtower.model import Status
from qtower.ui import actions
from qtower.ui.board import Board, Entry
from qtower.ui.joblist.cells import Slot, lay_out
from qtower.ui.joblist.cursor import Anchor, Cursor, anchor, top_with
from qtower.ui.joblist.render import Line, Look, changed_cells, job_line, set_line, strip_of
from qtower.ui.signs import UNICODE, Signs

_STATUS_CLASS = {status: f"joblist--{status.value.lower().replace('_', '-')}" for status in Status}
_NO_SET = "This job stands under no set."


class JobList(ScrollView, can_focus=True, inherit_bindings=False):
    """Every line of a board; only the visible ones are drawn.

    Args:
        board: What to list. After changing it, call `board_changed`.
        clock: Seconds since 1970 UTC, for ages.
        signs: Signs that the terminal can show.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "joblist--dim",
        "joblist--set",
        "joblist--cursor",
        *_STATUS_CLASS.values(),
    }
    BINDINGS = actions.bindings(actions.Scope.LIST)

    class Opened(Message):
        """A line was double-clicked."""

    class LaidOut(Message):
        """The columns stand elsewhere."""

    def __init__(
        self,
        board: Board,
        *,
        clock: Callable[[], float] = time,
        signs: Signs = UNICODE,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._board = board
        self._clock = clock
        self._signs = signs
        self._selection = Cursor()
        self._anchor: Anchor | None = None
        self._slots: list[Slot] = []
        self._look: Look | None = None
        self._painted: dict[int, Line] = {}

    # -- what others read and tell --

    @property
    def cursor(self) -> Entry | None:
        """What is under the cursor, or None if the list is empty."""
        return self._selection.entry

    def choose(self) -> Entry | None:
        """What is under the cursor, which from now on stays there: a person acts on it."""
        self._selection.chosen = True
        return self._selection.entry

    @property
    def slots(self) -> list[Slot]:
        """The columns as they stand now."""
        return self._slots

    def board_changed(self) -> None:
        """The board's rows, folds or filter changed: keep the cursor on its job and repaint."""
        height = max(1, self.size.height)
        self._selection.follow(self._board)
        kept = self._anchor if self._selection.chosen or self._top else None
        top = top_with(self._board, kept, self._top, height)
        lines = len(self._board.entries)
        if self.virtual_size.height != lines:
            self.virtual_size = Size(self.size.width, lines)
        if top != self._top:
            self.scroll_to(y=top, animate=False, force=True)
        self._keep_anchor()
        self.repaint()

    def repaint(self) -> None:
        """Draws again those parts of visible lines that are no more what they were."""
        if not self._slots:
            return
        now, top, look = self._clock(), self._top, self._take_look()
        for y in range(self.size.height):
            new = self._draw(top + y, now, look)
            cells = changed_cells(self._painted.get(top + y, ()), new)
            if cells is not None:
                self._painted[top + y] = new
                self.refresh(Region(cells[0], y, cells[1] - cells[0], 1))

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        """One visible line, `y` cells below the top of the widget."""
        width = self.scrollable_content_region.width
        look, number = self._take_look(), self._top + y
        line = self._draw(number, self._clock(), look)
        self._painted[number] = line
        selected = bool(line) and number == self._selection.line
        return strip_of(line, width, look.plain + look.cursor if selected else look.plain)

    def _draw(self, number: int, now: float, look: Look) -> Line:
        entries = self._board.entries
        if number >= len(entries):
            return ()
        entry = entries[number]
        selected = entry == self._selection.entry
        if not entry.is_set:
            row = self._board.rows[entry.key]
            return job_line(row, self._slots, now, look, selected, self._board.headed(entry.set_id))
        group = self._board.group(entry.set_id)
        assert group is not None
        folded = self._board.folded(entry.set_id)
        return set_line(group, folded, self._slots, now, look, selected)

    def notify_style_update(self) -> None:
        """The theme or the focus changed: take the styles anew at the next drawing."""
        super().notify_style_update()
        self._look = None
        self._painted.clear()

    def _take_look(self) -> Look:
        if self._look is None:
            style = self.get_component_rich_style
            cursor = style("joblist--cursor")
            self._look = Look(
                signs=self._signs,
                plain=self.rich_style,
                dim=style("joblist--dim"),
                set_name=style("joblist--set"),
                cursor=Style(bgcolor=cursor.bgcolor, bold=True),
                marker=cursor,
                status={status: style(name) for status, name in _STATUS_CLASS.items()},
            )
        return self._look

    def on_resize(self) -> None:
        width = self.scrollable_content_region.width
        self.virtual_size = Size(width, len(self._board.entries))
        self._slots = lay_out(width)
        self._painted.clear()
        self.refresh()
        self.post_message(self.LaidOut())
        self._show_line(self._selection.line)

    # -- cursor and scroll --

    @property
    def _top(self) -> int:
        return int(self.scroll_offset.y)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Every way of scrolling ends here; what is drawn where is forgotten."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._painted.clear()
            self._keep_anchor()

    def _keep_anchor(self) -> None:
        self._anchor = anchor(self._board, self._selection, self._top, max(1, self.size.height))

    def _go(self, line: int) -> None:
        self._selection.go(self._board, line)
        self._show_line(self._selection.line)
        self._keep_anchor()
        self.repaint()

    def _show_line(self, line: int) -> None:
        top, height = self._top, max(1, self.size.height)
        if line < top:
            self.scroll_to(y=line, animate=False, force=True)
        elif line >= top + height:
            self.scroll_to(y=line - height + 1, animate=False, force=True)

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

    def go_to_set(self, set_id: str) -> None:
        """Moves the cursor to a set, or to its only job; nothing happens if it is not listed."""
        entry = next((entry for entry in self._board.entries if entry.set_id == set_id), None)
        line = self._board.position(entry) if entry else None
        if line is not None:
            self.board_changed()
            self._go(line)

    # -- folding --

    def action_toggle_fold(self) -> None:
        if self.cursor is not None:
            self._fold(not self._board.folded(self.cursor.set_id))

    def action_fold(self) -> None:
        self._fold(True)

    def action_unfold(self) -> None:
        self._fold(False)

    def action_fold_all(self) -> None:
        self._board.fold_all(True)
        self.board_changed()

    def action_unfold_all(self) -> None:
        self._board.fold_all(False)
        self.board_changed()

    def _fold(self, folded: bool) -> None:
        if self.cursor is None:
            return
        if not self._board.headed(self.cursor.set_id):
            self.notify(_NO_SET, markup=False)
            return
        self._board.fold(self.cursor.set_id, folded)
        self.board_changed()
        self._show_line(self._selection.line)

    # -- mouse --

    def on_click(self, event: events.Click) -> None:
        line = self._top + event.y
        entries = self._board.entries
        if not 0 <= line < len(entries):
            return
        self._go(line)
        on_mark = any(
            slot.column.id == "name" and slot.x <= event.x < slot.x + 2 for slot in self._slots
        )
        if event.chain == 2 and not on_mark:
            self.post_message(self.Opened())
        elif on_mark and entries[line].is_set:
            self.action_toggle_fold()
