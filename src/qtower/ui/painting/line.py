"""A line of the terminal, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len, get_character_cell_size
from rich.color import ColorSystem
from textual.strip import Strip

from qtower.text import inert_character
from qtower.ui.painting.ink import Ink, ink_of, same_blank

_NEAR = 8
"""Moving the terminal's cursor costs as much as so many cells."""


@dataclass(slots=True)
class Line:
    """Its cells from left to right.

    A wide character stands in the first of its cells, and the others hold "". A cell of which
    nothing is known holds None.
    """

    cells: list[str | None]
    inks: list[Ink]

    @classmethod
    def unknown(cls, width: int) -> Line:
        """A line on which anything may stand."""
        return cls([None] * width, [""] * width)

    def copy(self) -> Line:
        """Another line that is equal to it."""
        return Line(self.cells.copy(), self.inks.copy())

    def put(self, x: int, strip: Strip, color_system: ColorSystem) -> int:
        """Puts a strip on it from cell `x` on; returns the cell after it.

        What does not fit on it is left out: a terminal that was made narrower is drawn once more
        as it was laid out before.
        """
        cells: list[str | None] = []
        inks: list[Ink] = []
        for text, style, _ in strip:
            if text.isascii() and text.isprintable():
                cells.extend(text)
            else:
                cells.extend(_cells_of(text))
            inks.extend([ink_of(style, color_system)] * (len(cells) - len(inks)))
        end = x + len(cells)
        room = max(0, len(self.cells) - x)
        if room < len(cells):
            cells, inks = _cut(cells, room), inks[:room]
        self._part(x)
        self._part(x + len(cells))
        self.cells[x : x + len(cells)] = cells
        self.inks[x : x + len(inks)] = inks
        return end

    def _part(self, x: int) -> None:
        """Blanks a wide character of which a part is before the cell `x`, and a part behind."""
        if x >= len(self.cells) or self.cells[x] != "":
            return
        start, end = x, x
        while start and self.cells[start] == "":
            start -= 1
        while end < len(self.cells) and self.cells[end] == "":
            end += 1
        self.cells[start:end] = " " * (end - start)

    def text(self, end: int) -> str | None:
        """What is to be read on it before the cell `end`; None if that is not wholly known."""
        cells = self.cells[:end]
        return None if None in cells else "".join(cells)  # type: ignore[arg-type]


def changed_runs(old: Line, new: Line) -> list[tuple[int, int]]:
    """From which cells to which (exclusive) `new` has to be sent where `old` stands."""
    if old.cells == new.cells and old.inks == new.inks:
        return []
    runs: list[tuple[int, int]] = []
    uneven = "" in new.cells or "" in old.cells
    for at in _changed(old, new):
        start, end = _whole(old, new, at) if uneven else (at, at + 1)
        if runs and start - runs[-1][1] <= _NEAR and None not in new.cells[runs[-1][1] : start]:
            runs[-1] = (runs[-1][0], max(end, runs[-1][1]))
        else:
            runs.append((start, end))
    return runs


def is_wide(cells: Sequence[str | None], at: int) -> bool:
    """True if the cell belongs to a character that takes up several cells, or to several in one.

    Terminals do not agree how wide such characters are.
    """
    cell = cells[at]
    return cell is not None and (len(cell) != 1 or (at + 1 < len(cells) and cells[at + 1] == ""))


def _changed(old: Line, new: Line) -> Iterator[int]:
    cells = zip(old.cells, new.cells, old.inks, new.inks, strict=True)
    for at, (before, after, ink, other) in enumerate(cells):
        if after is None or (before == after and ink == other):
            continue
        if before == after == " " and same_blank(ink, other):
            continue
        yield at


def _whole(old: Line, new: Line, at: int) -> tuple[int, int]:
    """The cells around one with all of the wide characters that it stands among, now or before."""
    start, end = at, at + 1
    while start and any(
        is_wide(line.cells, at) for line in (old, new) for at in (start - 1, start)
    ):
        start -= 1
    while end < len(new.cells) and any(is_wide(line.cells, end) for line in (old, new)):
        end += 1
    return start, end


def _cut(cells: list[str | None], room: int) -> list[str | None]:
    """The first `room` of more cells; a wide character that does not fit wholly is blank."""
    end = room
    while end and cells[end] == "":
        end -= 1
    return [*cells[:end], *" " * (room - end)]


@lru_cache(2048)
def _cells_of(text: str) -> tuple[str, ...]:
    """The cells that a text takes up; nothing in it acts on the terminal."""
    cells: list[str] = []
    for character in text:
        if not character.isprintable():
            # Whoever draws foreign text has made it inert. This is the last door before the line.
            character = inert_character(character)
        width = get_character_cell_size(character)
        if width:
            cells += [character, *[""] * (width - 1)]
        elif cells:
            at = max(at for at, cell in enumerate(cells) if cell)
            cells[at] += character
    # A text of which Rich counts otherwise than its characters is one piece.
    width = cell_len(text)
    return tuple(cells if len(cells) == width else ["".join(cells), *[""] * (width - 1)][:width])
