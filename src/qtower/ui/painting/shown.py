"""What stands on the terminal, as far as we have written it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.color import ColorSystem
from textual.geometry import Size
from textual.strip import Strip

from qtower.ui.painting.ink import Ink, change_of_ink, same_blank
from qtower.ui.painting.line import Line, changed_runs, is_wide
from qtower.ui.painting.scrolling import find_scroll

Placed = tuple[int, Strip]
"""The cell at which a strip begins, and the strip."""


class Shown:
    """The cells of the terminal. Nothing is known of them at first.

    Textual sends all of a screen when another is opened over it, again when it is laid out, and
    all of a list for each line that it is scrolled by: 12 to 40 KB each, which on a thin line is
    felt for seconds. What goes through here is sent only where it differs.
    """

    def __init__(self) -> None:
        self._size = Size(0, 0)
        self._lines: list[Line] = []

    def forget(self) -> None:
        """Anything may stand on the terminal: everything is sent again."""
        self._size = Size(0, 0)

    def show(
        self, size: Size, wanted: Mapping[int, Iterable[Placed]], color_system: ColorSystem
    ) -> str:
        """Returns what to write so that the strips stand on their lines; "" if they do already.

        Args:
            size: Of the terminal; where it is another than before, nothing is known any more.
            wanted: By line, what is to stand where on it.
            color_system: What colours the terminal has.
        """
        if size != self._size:
            self._size = size
            self._lines = [Line.unknown(size.width) for _ in range(size.height)]
        new: dict[int, Line] = {}
        for y, strips in wanted.items():
            if y < size.height:
                new[y] = self._lines[y].copy()
                for x, strip in strips:
                    new[y].put(x, strip, color_system)
        written = []
        scroll = find_scroll(self._lines, new, size.width)
        if scroll is not None:
            written.append(scroll.sequence)
            for y in range(scroll.top, scroll.bottom + 1):  # what moves and should not
                new.setdefault(y, self._lines[y])
            scroll.move(self._lines, size.width)
        pen = _Pen()
        for y, line in new.items():
            for start, end in changed_runs(self._lines[y], line):
                pen.write(y, start, line.cells[start:end], line.inks[start:end])
            self._lines[y] = line
        return "".join(written) + pen.written


class _Pen:
    """Writes cells with as few changes of ink as can be."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._ink: Ink | None = None

    @property
    def written(self) -> str:
        """All of it, and then the terminal's own ink again."""
        return "".join([*self._written, "\x1b[0m"]) if self._written else ""

    def write(self, y: int, x: int, cells: Sequence[str | None], inks: Sequence[Ink]) -> None:
        """Writes cells of line `y` from cell `x` on."""
        append, now, wide_until = self._written.append, self._ink, 0
        append(_move(y, x))
        for at, (cell, ink) in enumerate(zip(cells, inks, strict=True)):
            if ink != now and not (cell == " " and now is not None and same_blank(now, ink)):
                append(change_of_ink(now, ink))
                now = ink
            if at >= wide_until and is_wide(cells, at):
                wide_until = next(
                    (end for end in range(at, len(cells)) if not is_wide(cells, end)), len(cells)
                )
                # However wide the terminal takes them to be: nothing old stands between them, and
                # what follows stands in its place.
                append(" " * (wide_until - at) + _move(y, x + at))
            elif at == wide_until and at:
                append(_move(y, x + at))
            append(cell or "")
        self._ink = now


def _move(y: int, x: int) -> str:
    return f"\x1b[{y + 1};{x + 1}H"
