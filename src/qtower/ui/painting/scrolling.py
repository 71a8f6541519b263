"""Lines that stand elsewhere than before: a terminal moves them itself, for a few bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qtower.ui.painting.line import Line

_LEAST_LINES = 3


class Scroll(NamedTuple):
    """The lines from `top` to `bottom` (inclusive) move up by `lines`; down if that is negative."""

    top: int
    bottom: int
    lines: int

    @property
    def sequence(self) -> str:
        """What moves them: DECSTBM, and IND or RI, as every terminal since the VT100 has them."""
        if self.lines > 0:
            move = f"\x1b[{self.bottom + 1};1H" + "\x1bD" * self.lines
        else:
            move = f"\x1b[{self.top + 1};1H" + "\x1bM" * -self.lines
        # The lines that come are filled with the ground of the moment: they are sent anyway.
        return f"\x1b[0m\x1b[{self.top + 1};{self.bottom + 1}r{move}\x1b[r"

    def move(self, lines: list[Line], width: int) -> None:
        """Does to the known lines what the terminal does."""
        part = lines[self.top : self.bottom + 1]
        blank = [Line.unknown(width) for _ in range(abs(self.lines))]
        moved = [*part[self.lines :], *blank] if self.lines > 0 else [*blank, *part[: self.lines]]
        lines[self.top : self.bottom + 1] = moved


def find_scroll(old: Sequence[Line], new: Mapping[int, Line], width: int) -> Scroll | None:
    """The scroll after which most lines of `new` stand where they should, if there is one.

    The last cell of a line is not looked at: a scroll bar stands there and does not move with it.
    """
    changed = {y: line for y, line in new.items() if old[y] != line}
    if len(changed) < _LEAST_LINES:
        return None
    places = _places(old, width)
    # By how many lines up each line moves whose text stood in one place before.
    moves = {y: places[text] - y for y, text in _texts(changed, width).items() if text in places}
    votes = Counter(lines for lines in moves.values() if lines)  # 0: only its ink is another
    if not votes:
        return None
    lines, _ = votes.most_common(1)[0]
    matched = [y for y, by in moves.items() if by == lines]
    top = min(min(matched), min(matched) + lines)
    bottom = max(max(matched), max(matched) + lines)
    damaged = sum(y not in changed for y in range(top, bottom + 1))
    return Scroll(top, bottom, lines) if len(matched) >= _LEAST_LINES + damaged else None


def _places(lines: Sequence[Line], width: int) -> dict[str, int]:
    """Where each text stands that stands in one place only."""
    texts = _texts(dict(enumerate(lines)), width)
    counts = Counter(texts.values())
    return {text: y for y, text in texts.items() if counts[text] == 1}


def _texts(lines: Mapping[int, Line], width: int) -> dict[int, str]:
    texts = {y: line.text(width - 1) for y, line in lines.items()}
    return {y: text for y, text in texts.items() if text and not text.isspace()}
