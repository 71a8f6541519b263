"""Foreign text in exactly so many cells of a terminal, and in no other encoding than its own."""

from __future__ import annotations

import codecs
import textwrap
from collections.abc import Sequence
from typing import TextIO

from rich.cells import cell_len, chop_cells, set_cell_size

from qtower.text import inert

_MOST_CHARACTERS = 8
"""In one cell: a letter with its marks. What lies behind so many a cell is not even looked at."""

_ERRORS = "qtower.plain"

# Drawings and signs that a terminal may lack, by ASCII that takes as many cells.
_PLAIN = {
    # Corners and crossings of lines, as frames and circuits have them.
    **dict.fromkeys(map(chr, (*range(0x250C, 0x254C), *range(0x2552, 0x2571))), "+"),
    **dict.fromkeys("─━═╌╍┄┅┈┉╴╶╸╺╼╾▔▁‐‑‒–—―−", "-"),
    **dict.fromkeys("│┃║╎╏┆┇┊┋╵╷╹╻╽╿▏▕", "|"),
    **dict.fromkeys("█▉▊▋▌▍▎▐▂▃▄▅▆▇▀■▪▮", "#"),
    **dict.fromkeys("░▒▓", ":"),
    **dict.fromkeys("…·•∙⋅", "."),
    **dict.fromkeys("●◆◉", "*"),
    **dict.fromkeys("○◯◇", "o"),
    **dict.fromkeys("←◀◂◄", "<"),
    **dict.fromkeys("→▶▸►", ">"),
    **dict.fromkeys("↑▲▴", "^"),
    **dict.fromkeys("↓▼▾", "v"),
    **dict.fromkeys("✓✔", "+"),
    **dict.fromkeys("✗✘✕×", "x"),
    **dict.fromkeys("‘’‚", "'"),
    **dict.fromkeys("“”„", '"'),
    "\u00a0": " ",
    "µ": "u",
    "μ": "u",
}


def cut(text: str, width: int) -> str:
    """Returns `text`, inert, in at most `width` cells; what is longer ends with an ellipsis."""
    if width <= 0:
        return ""
    # Cut before it is made inert: a megabyte costs no more than what is seen of it.
    text = inert(text, _MOST_CHARACTERS * width + _MOST_CHARACTERS)
    return text if cell_len(text) <= width else set_cell_size(text, width - 1) + "…"


def fit(text: str, width: int, right: bool = False) -> str:
    """Returns `text`, inert, in exactly `width` cells: cut as `cut` does, padded on one side."""
    text = cut(text, width)
    padding = " " * (width - cell_len(text))
    return padding + text if right else text + padding


def end_of(text: str, width: int) -> str:
    """Returns the end of `text`, inert, in at most `width` cells: of a path it says the most."""
    tail = inert(text[-_MOST_CHARACTERS * max(width, 1) :])
    if len(tail) >= len(text) and cell_len(tail) <= width:
        return tail
    while tail and cell_len(tail) > width - 1:
        tail = tail[1:]
    # A mark has lost what it stood on.
    return cut("…" + tail, width)


def columns(lines: Sequence[tuple[str, ...]]) -> list[str]:
    """Returns a table as lines: each column as wide as its widest cell, two spaces between."""
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(map(fit, line, widths)).rstrip() for line in lines]


def fold(text: str, width: int, limit: int = 4096) -> list[str]:
    """Returns `text`, inert, as lines of at most `width` cells, folded at spaces where it can be.

    A line break in it does not make a line: what looks like a line was folded here.
    """
    text = inert(text, limit)
    if text.isascii():
        return textwrap.wrap(text, width, replace_whitespace=False) or [""]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_len(longer) > width and line:
            lines.append(line)
            longer = word
        *full, line = chop_cells(longer, width) or [""]
        lines += full
    return [*lines, line]


def write_plainly(stream: TextIO) -> None:
    """From now on `stream` writes what its encoding lacks as ASCII of as many cells."""
    codecs.register_error(_ERRORS, _plain)
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors=_ERRORS)


def plain(text: str, encoding: str) -> str:
    """Returns `text` as a terminal of that encoding shows it."""
    codecs.register_error(_ERRORS, _plain)
    return text.encode(encoding, _ERRORS).decode(encoding)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(map(_plain_character, lacking)), error.end


def _plain_character(character: str) -> str:
    if 0xD800 <= ord(character) < 0xE000:
        return "?"
    return _PLAIN.get(character) or "?" * cell_len(character)
