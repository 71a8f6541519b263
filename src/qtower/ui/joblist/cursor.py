"""Where the cursor is and which line must not move, by what stands there and never by number."""

from __future__ import annotations

from typing import NamedTuple

from qtower.ui.board import Board
from qtower.ui.listing import Entry


class Cursor:
    """The selected line: it follows what it shows when the board changes.

    Until a person has chosen a line it is the first one, so that jobs that are still being read
    do not carry it down the list.
    """

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.line = 0
        self.chosen = False

    def follow(self, board: Board) -> None:
        """Finds the entry again; one that is listed no more gives way to its set or neighbour."""
        entries = board.entries
        line = None
        if not self.chosen:
            line = 0
        elif self.entry:
            line = board.position(self.entry)
        if line is None and self.entry and self.entry.set_id:
            line = board.position(Entry(self.entry.set_id, ""))
        if line is None:
            line = min(self.line, len(entries) - 1)
        self.line = max(0, line)
        self.entry = entries[self.line] if entries else None

    def go(self, board: Board, line: int) -> None:
        """Selects a line, or the nearest there is."""
        self.chosen = True
        entries = board.entries
        self.line = max(0, min(line, len(entries) - 1))
        self.entry = entries[self.line] if entries else None


class Anchor(NamedTuple):
    """An entry and the line of the screen where it stands."""

    entry: Entry
    y: int


def anchor(board: Board, cursor: Cursor, top: int, height: int) -> Anchor | None:
    """What must not move on the screen: the cursor where it is visible, else the first line."""
    entries = board.entries
    if not entries:
        return None
    visible = top <= cursor.line < top + height
    line = cursor.line if visible else min(top, len(entries) - 1)
    return Anchor(entries[line], line - top)


def top_with(board: Board, kept: Anchor | None, top: int, height: int) -> int:
    """The first visible line that leaves the anchor where it stands.

    A list that shows its top goes on showing it, so that new jobs are seen, as long as the anchor
    stays in sight.
    """
    line = board.position(kept.entry) if kept else None
    if kept is None or line is None:
        return top
    if top == 0 and line < height:
        return 0
    return max(0, line - kept.y)
