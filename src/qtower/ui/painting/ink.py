"""How cells are drawn, and the fewest codes from one way to another.

The codes are those of ECMA-48, Select Graphic Rendition (SGR).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from rich.color import ColorSystem
from rich.style import Style
from textual.strip import Strip

Ink = str
"""The parameters of an SGR sequence that sets all of a style from nothing, as "1;38;5;9"."""

_MARKS = frozenset({"4", "7", "9", "21", "51", "52", "53"})
"""Attributes that are seen where there is no letter."""

_DEFAULT_INK, _DEFAULT_GROUND = "39", "49"


class _Parts(NamedTuple):
    attributes: tuple[str, ...]
    letters: str  # the colour of letters
    ground: str  # the colour behind them


def ink_of(style: Style | None, color_system: ColorSystem) -> Ink:
    """The ink of a style. Links are not drawn: no text of ours has one."""
    if style is None:
        return ""
    # What Textual would write of it; kept in the style.
    return style._ansi if style._ansi is not None else Strip.render_ansi(style, color_system)


@lru_cache(4096)
def change_of_ink(before: Ink | None, ink: Ink) -> str:
    """What is written between cells of one ink and those of the other; None: any before."""
    if before == ink:
        return ""
    new = _parts(ink)
    old = None if before is None else _parts(before)
    if old is None or old.attributes != new.attributes:
        return f"\x1b[0;{ink}m" if ink else "\x1b[0m"
    codes = []
    if old.letters != new.letters:
        codes.append(new.letters)
    if old.ground != new.ground:
        codes.append(new.ground)
    return f"\x1b[{';'.join(codes)}m" if codes else ""


@lru_cache(4096)
def same_blank(one: Ink, other: Ink) -> bool:
    """True if a blank cell looks the same in both."""
    if one == other:
        return True
    parts, others = _parts(one), _parts(other)
    plain = _MARKS.isdisjoint(parts.attributes) and _MARKS.isdisjoint(others.attributes)
    return plain and parts.ground == others.ground


@lru_cache(1024)
def _parts(ink: Ink) -> _Parts:
    attributes: list[str] = []
    letters, ground = _DEFAULT_INK, _DEFAULT_GROUND
    codes = [code for code in ink.split(";") if code]
    at = 0
    while at < len(codes):
        code = codes[at]
        # 38;2;R;G;B, 38;5;N and the like for what is behind; else a colour is one number.
        length = {"2": 5, "5": 3}.get(codes[at + 1], 1) if code in ("38", "48") else 1
        colour = ";".join(codes[at : at + length])
        number = int(code)
        if 30 <= number <= 39 or 90 <= number <= 97:
            letters = colour
        elif 40 <= number <= 49 or 100 <= number <= 107:
            ground = colour
        else:
            attributes.append(code)
        at += length
    return _Parts(tuple(attributes), letters, ground)
