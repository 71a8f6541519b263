"""What stands on the lines of the list: drawn when it is looked at, kept until it differs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

from qtower.ui.board import Board
from qtower.ui.joblist import cells
from qtower.ui.joblist.cells import Slot
from qtower.ui.joblist.render import Condition, Line, Look, Piece, job_line, scroll_bar, set_line
from qtower.ui.listing import Entry

Stale = Callable[[bool, "float | None", float], bool]
"""Whether a job is told of too long ago: has it ended, when was it confirmed, what time is it."""


class Frame(NamedTuple):
    """What part of the list is drawn, how wide, when, and in which signs and styles."""

    top: int
    height: int
    width: int
    now: float
    look: Look


class Picture:
    """The lines of a board, each with its part of the scroll bar.

    Args:
        board: What is drawn.
        stale: Which rows are drawn dim.
    """

    def __init__(self, board: Board, stale: Stale) -> None:
        self.slots: Sequence[Slot] = ()
        self._board = board
        self._stale = stale
        self._kept: dict[int, tuple[tuple[Any, ...], Line]] = {}

    def forget(self) -> None:
        """Styles or columns are others: everything is drawn anew."""
        self._kept.clear()

    def lines(
        self, frame: Frame, cursor: Entry | None, only: Collection[int] | None = None
    ) -> dict[int, Line]:
        """The visible lines, of all or `only` these, by how far they stand below the first."""
        entries = self._board.entries
        count = len(entries)
        thumb = scroll_bar(frame.top, frame.height, count)
        kept, lines = {}, {}
        for y in range(frame.height) if only is None else only:
            line: Line = ()
            number = frame.top + y
            if number < count:
                known = self._entry_line(number, entries[number], frame, cursor)
                kept[number] = known
                line = known[1]
            lines[y] = (*line, _bar(y, thumb, frame))
        self._kept = kept if only is None else {**self._kept, **kept}
        return lines

    def _entry_line(
        self, number: int, entry: Entry, frame: Frame, cursor: Entry | None
    ) -> tuple[tuple[Any, ...], Line]:
        board, now, look = self._board, frame.now, frame.look
        selected, marked = entry == cursor, board.marked(entry)
        kept = self._kept.get(number)
        if entry.is_set:
            group = board.group(entry.set_id)
            assert group is not None
            condition = Condition(selected, marked, self._stale(group.ended, None, now))
            folded, listed = board.folded(entry.set_id), board.shown.count_under(entry.set_id)
            state = (group, group.changes, cells.set_ages(group, now), condition, folded, listed)
            if kept is not None and kept[0] == state:
                return kept
            return state, set_line(group, listed, folded, self.slots, now, look, condition)
        row = board.rows[entry.key]
        condition = Condition(selected, marked, self._stale(row.status.final, row.confirmed, now))
        in_set = board.headed(entry.set_id)
        token = (row, cells.job_ages(row, now), condition, in_set)
        if kept is not None and kept[0][0] is row and kept[0][1:] == token[1:]:
            return kept
        return token, job_line(row, self.slots, now, look, condition, in_set)


def _bar(y: int, thumb: range, frame: Frame) -> Piece:
    sign, look = " ", frame.look
    if thumb:
        sign = look.signs.thumb if y in thumb else look.signs.track
    return Piece(frame.width - 1, 1, sign, look.bar)
