"""The list as it is seen: a cursor that stays on its job, scrolling, repaints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence, Set
from time import monotonic, time
from typing import ClassVar

from rich.style import Style
from textual import events, work
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from qtower.model import Status
from qtower.ui.board import Board
from qtower.ui.joblist.cells import Slot, lay_out
from qtower.ui.joblist.cursor import Anchor, Cursor, Scene, anchor, top_with
from qtower.ui.joblist.picture import Frame, Picture, Stale
from qtower.ui.joblist.render import Line, Look, strip_of
from qtower.ui.listing import Entry
from qtower.ui.signs import UNICODE, Signs
from qtower.ui.sorting import Sort

_STATUS_CLASS = {status: f"joblist--{status.value.lower().replace('_', '-')}" for status in Status}
_SLICE_SECONDS = _REST_SECONDS = 0.004
"""While the list is sorted or filtered a key waits for a slice, and is answered in the rest."""

_LONG_REST_SECONDS, _MOVING_SECONDS = 0.02, 0.2
"""A person who moves the cursor meanwhile, so lately, gets more of the time."""

_WAIT_SECONDS = 0.004


class ListView(ScrollView, can_focus=True, inherit_bindings=False):
    """Every line of a board; only the visible ones are drawn, and of those what differs.

    Args:
        board: What to list. After changing it, call `board_changed`; after asking it for another
            order or filter, `pursue`.
        clock: Seconds since 1970 UTC, for ages.
        signs: Signs that the terminal can show.
        stale: Which rows are drawn dim.
        behind: True while the terminal has not taken what it was sent: nothing is painted then.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "joblist--dim",
        "joblist--stale",
        "joblist--set",
        "joblist--cursor",
        "joblist--marked",
        "joblist--bar",
        *_STATUS_CLASS.values(),
    }

    class LaidOut(Message):
        """The columns stand elsewhere, or another is sorted by."""

    class Pursuing(Message):
        """The board was asked for another order or filter."""

    class Pursued(Message):
        """The order or the filter that the board was asked for is there."""

    class Looked(Message):
        """Other lines may be visible, or another under the cursor."""

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
        super().__init__(id=id)
        self.signs = signs
        self._board = board
        self._clock = clock
        self._behind = behind
        self._selection = Cursor()
        self._anchor: Anchor | None = None
        self._picture = Picture(board, stale)
        self._look: Look | None = None
        self._painted: dict[int, Line] = {}  # by line of the screen
        self._waits = False
        self._moved = 0.0  # when the cursor was moved last
        self._told_sort = board.sort
        self._seen = Scene(0, 0, None, [])

    # -- what others read and tell --

    @property
    def cursor(self) -> Entry | None:
        """What is under the cursor, or None if the list is empty."""
        return self._selection.entry

    def choose(self) -> Entry | None:
        """What is under the cursor, which from now on stays there: a person acts on it."""
        self._selection.choose()
        return self._selection.entry

    def stay(self) -> Entry | None:
        """What is under the cursor, which from now on stays there until the person moves it."""
        self._selection.stay()
        return self._selection.entry

    @property
    def slots(self) -> Sequence[Slot]:
        """The columns as they stand now."""
        return self._picture.slots

    @property
    def sort(self) -> Sort:
        """The order of the lines: one that was asked for counts once it is there."""
        return self._board.shown.sort

    @property
    def visible_entries(self) -> list[Entry]:
        """What is on the screen."""
        return self._board.entries[self._top : self._top + self.size.height]

    def board_changed(self, touched: Set[str] | None = None) -> None:
        """The board changed: keep the cursor on its job and repaint.

        `touched`: the keys of the rows that came, changed or went, if that was all.
        """
        height = max(1, self.size.height)
        before = self._selection.entry
        filtered = self._selection.follow(self._board)
        kept = self._anchor if self._selection.chosen or self._top else None
        if filtered and kept and kept.entry == before and self._selection.entry:
            kept = Anchor(self._selection.entry, kept.y)
        self._take_size()
        top = top_with(self._board, kept, self._top, height)
        self._scroll(min(top, max(0, len(self._board.entries) - height)))
        self._keep_anchor()
        seen, self._seen = self._seen, self._scene()
        if touched is not None and seen == self._seen:
            self.repaint(seen.lines_of(touched))
            return
        self.repaint()
        if self.sort != self._told_sort:
            self._told_sort = self.sort
            self.post_message(self.LaidOut())
        self.post_message(self.Looked())

    def _scene(self) -> Scene:
        lines = len(self._board.entries)
        return Scene(self._top, lines, self._selection.entry, self.visible_entries)

    def pursue(self) -> None:
        """Goes on with the order or filter that the board was asked for, between keys."""
        self.post_message(self.Pursuing())
        self._pursue()

    @work(group="pursue", exclusive=True)
    async def _pursue(self) -> None:
        for _ in iter(lambda: self._board.work(_SLICE_SECONDS), True):
            moving = monotonic() - self._moved < _MOVING_SECONDS
            await asyncio.sleep(_LONG_REST_SECONDS if moving else _REST_SECONDS)
        self.board_changed()
        self._show_line(self._selection.line)
        self.post_message(self.Pursued())

    def repaint(self, only: Collection[int] | None = None) -> None:
        """Draws those visible lines again that are no more what they were, of all or `only` these.

        While the terminal has not taken what it was sent, all of them wait.
        """
        if not self.slots or self._waits or (only is not None and not only):
            return
        if self._behind():
            self._waits = True
            self.set_timer(_WAIT_SECONDS, self._repaint_later)
            return
        for y, new in self._lines(only).items():
            if self._painted.get(y) != new:
                self._painted[y] = new
                self.refresh(Region(0, y, self.size.width, 1))

    def _repaint_later(self) -> None:
        self._waits = False
        self.repaint()

    # -- drawing --

    def render_line(self, y: int) -> Strip:
        """One visible line, `y` cells below the top of the widget, as it was last painted."""
        look = self._take_look()
        if y not in self._painted:
            self._painted.update(self._lines())
        return strip_of(self._painted.get(y, ()), self.size.width, look.plain)

    def _lines(self, only: Collection[int] | None = None) -> dict[int, Line]:
        width, height = self.size
        frame = Frame(self._top, height, width, self._clock(), self._take_look())
        return self._picture.lines(frame, self._selection.entry, only)

    def notify_style_update(self) -> None:
        """The theme or the focus changed: take the styles anew at the next drawing."""
        super().notify_style_update()
        self._look = None
        self._forget()

    def _forget(self) -> None:
        self._picture.forget()
        self._painted.clear()

    def _take_look(self) -> Look:
        if self._look is None:
            style = self.get_component_rich_style
            cursor = style("joblist--cursor")
            self._look = Look(
                signs=self.signs,
                plain=self.rich_style,
                dim=style("joblist--dim"),
                stale=style("joblist--stale"),
                set_name=style("joblist--set"),
                cursor=Style(bgcolor=cursor.bgcolor, bold=True),
                marker=cursor,
                marked=style("joblist--marked"),
                bar=style("joblist--bar"),
                status={status: style(name) for status, name in _STATUS_CLASS.items()},
            )
        return self._look

    def on_resize(self) -> None:
        self._picture.slots = lay_out(self.size.width - 1)
        self._forget()
        self._take_size()
        self.refresh()
        self.post_message(self.LaidOut())
        self._show_line(self._selection.line)
        self.post_message(self.Looked())

    def on_hide(self, event: events.Hide) -> None:
        """Keeps the focus: a list that was empty for a while is moved in again once it is not."""
        event.prevent_default()

    # -- cursor and scroll --

    @property
    def _top(self) -> int:
        return int(self.scroll_offset.y)

    def _take_size(self) -> None:
        """Tells Textual how far one can scroll, without its laying out the whole screen anew."""
        size = Size(self.size.width, len(self._board.entries))
        if self.virtual_size != size:
            self.set_reactive(ListView.virtual_size, size)

    def _scroll(self, top: int) -> None:
        if top != self._top:
            self.scroll_to(y=top, animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Every way of scrolling ends here. What stands on both pictures is not sent again."""
        if round(old_value) != round(new_value):
            self._keep_anchor()
            self.repaint()
            self.post_message(self.Looked())

    def _keep_anchor(self) -> None:
        self._anchor = anchor(self._board, self._selection, self._top, max(1, self.size.height))

    def _go(self, line: int) -> None:
        self._moved = monotonic()
        self._selection.go(self._board, line)
        self._show_line(self._selection.line)
        self._keep_anchor()
        self.repaint()
        self.post_message(self.Looked())

    def _show_line(self, line: int) -> None:
        top, height = self._top, max(1, self.size.height)
        if line < top:
            self._scroll(line)
        elif line >= top + height:
            self._scroll(line - height + 1)

    def go_to_set(self, set_id: str) -> None:
        """Moves the cursor to a set, or to its only job; nothing happens if it is not listed."""
        group = self._board.group(set_id)
        keys = ["", *(group.rows if group is not None else ())]
        lines = (self._board.position(Entry(set_id, key)) for key in keys)
        line = next((line for line in lines if line is not None), None)
        if line is not None:
            self.board_changed()
            self._go(line)
