"""Where the cursor is and which line must not move, by what stands there and never by number."""

from __future__ import annotations

from collections.abc import Set
from typing import NamedTuple

from qtower.ui.board import Board
from qtower.ui.listing import Entry, Place
from qtower.ui.sorting import Sort


class Cursor:
    """The selected line: it follows what it shows when the board changes.

    Until a person has chosen a line it is the first one, so that jobs that are still being read
    do not carry it down the list. Where a filter hides what was chosen, a neighbour stands in for
    it until another filter lists it again; news alone never moves the cursor from a line that is
    listed.
    """

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.line = 0
        self.chosen = False
        self._home: Entry | None = None  # what the person chose
        self._words: tuple[str, ...] = ()  # of the filter when it followed last
        self._place: tuple[Sort, Place] | None = None  # of the entry, should it go

    def follow(self, board: Board) -> bool:
        """Finds the entry again, or its nearest neighbour; true if another filter is there."""
        words = board.shown.words
        filtered = words != self._words
        self._words = words
        wanted = self.entry
        if filtered and self._home is not None and _is_known(board, self._home):
            wanted = self._home
        self._stand(board, self._line_of(board, wanted) if self.chosen and wanted else 0)
        if self._home is not None and not _is_known(board, self._home):
            self._home = self.entry
        return filtered

    def stay(self) -> None:
        """From now on it stays on what is under it, whatever comes above."""
        self.chosen = True
        self._home = self._home or self.entry

    def choose(self) -> None:
        """A person acts on what is under it."""
        self.chosen = True
        self._home = self.entry

    def go(self, board: Board, line: int) -> None:
        """Selects a line, or the nearest there is."""
        self._stand(board, line)
        self.choose()

    def _stand(self, board: Board, line: int) -> None:
        entries = board.entries
        self.line = max(0, min(line, len(entries) - 1))
        self.entry = entries[self.line] if entries else None
        place = board.every.place_of(self.entry) if self.entry else None
        self._place = (board.every.sort, place) if place else None

    def _line_of(self, board: Board, wanted: Entry) -> int:
        entry = _as_it_is_now(board, wanted)
        place = board.every.place_of(entry)
        if wanted == self.entry and self._place and self._place[0] == board.every.sort:
            before = self._place[1]
            if place is None:
                place = before
            elif place.member is None and not entry.is_set:
                place = place._replace(member=before.member)  # it has gone from its set
        # Only of what went while another order came it is not known where it would stand.
        return self.line if place is None else board.shown.line_near(entry, place)


def _is_known(board: Board, entry: Entry) -> bool:
    if entry.is_set:
        return board.group(entry.set_id) is not None
    return board.row(entry.key) is not None


def _as_it_is_now(board: Board, entry: Entry) -> Entry:
    """The job under the set it has now; of a set that has but one job left, that job."""
    row = board.row(entry.key)
    if row is not None:
        return Entry(row.set_id, row.key)
    group = board.group(entry.set_id)
    if group is None or board.headed(entry.set_id):
        return entry
    return Entry(entry.set_id, next(iter(group.rows)))


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


class Scene(NamedTuple):
    """What stands where: the first visible line, of how many, the cursor, all that is visible."""

    top: int
    listed: int
    cursor: Entry | None
    entries: list[Entry]

    def lines_of(self, keys: Set[str]) -> list[int]:
        """Which visible lines tell of one of these jobs; the row of a set may of any."""
        return [y for y, entry in enumerate(self.entries) if entry.is_set or entry.key in keys]
