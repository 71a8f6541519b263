"""A line of the list as placed pieces of text, and those as a `Strip`: pure functions of rows,
time, width and look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from qtower.fitting import fit
from qtower.model import JobRow, Status
from qtower.ui.groups import Group
from qtower.ui.joblist import cells
from qtower.ui.joblist.cells import Slot
from qtower.ui.marks import Marked
from qtower.ui.signs import Signs
from qtower.ui.sorting import Sort


class Piece(NamedTuple):
    """Text in its place on a line: exactly `width` cells from cell `x` on."""

    x: int
    width: int
    text: str
    style: Style


@dataclass(frozen=True)
class Look:
    """Signs, and the styles that the theme gives."""

    signs: Signs
    plain: Style
    dim: Style
    stale: Style
    set_name: Style
    cursor: Style  # laid over the styles of the selected line
    marker: Style
    marked: Style
    bar: Style
    status: Mapping[Status, Style]


class Condition(NamedTuple):
    """How a line stands out."""

    selected: bool = False
    marked: Marked = Marked.NONE
    stale: bool = False  # not confirmed for longer than it should be


Line = tuple[Piece, ...]
"""A drawn line; two lines are the same picture if they are equal."""

_PLAIN_COLUMNS = ("name", "queue", "state", "start", "run")


def job_line(
    row: JobRow, slots: Sequence[Slot], now: float, look: Look, condition: Condition, in_set: bool
) -> Line:
    """The line of a job; one of a set is indented under the set's name."""
    pieces = [_marker(look, condition)]
    for slot in slots:
        column = slot.column.id
        text = cells.job_cell(column, row, now, slot.width, look.signs)
        if column == "name" and in_set:
            text = "  " + text
        text = fit(text, slot.width, slot.column.right)
        style = look.status[row.status] if column == "status" else look.dim
        if column in _PLAIN_COLUMNS:
            style = look.plain
        pieces.append(Piece(slot.x, slot.width, text, _lit(style, look, condition)))
    return tuple(pieces)


def set_line(
    group: Group,
    listed: int,
    folded: bool,
    slots: Sequence[Slot],
    now: float,
    look: Look,
    condition: Condition,
) -> Line:
    """The line of a set: its state, its name, and its jobs by status over the columns beyond.

    `listed`: how many of its jobs match the filter.
    """
    pieces = [_marker(look, condition)]
    for slot in slots:
        column = slot.column.id
        if column == "name":
            pieces.extend(_set_text(group, listed, folded, slot, slots, look, condition))
            break
        text = cells.set_cell(column, group, now, look.signs)
        style = look.status[group.status] if column == "status" else look.plain
        text = fit(text, slot.width, slot.column.right)
        pieces.append(Piece(slot.x, slot.width, text, _lit(style, look, condition)))
    return tuple(pieces)


def title_line(slots: Sequence[Slot], style: Style, sort: Sort, signs: Signs) -> Line:
    """The names of the columns, and which of them the list is sorted by."""
    pieces = []
    for slot in slots:
        x, text = cells.title_cell(slot, sort, signs)
        pieces.append(Piece(x, cell_len(text), text, style))
    return tuple(pieces)


def strip_of(line: Line, width: int, gap: Style) -> Strip:
    """The line as a strip of `width` cells; what lies between two pieces looks like the left one.

    Neighbours of one style are one segment: each costs a terminal some forty bytes.
    """
    segments: list[Segment] = []
    text, style, x = "", gap, 0
    for piece in line:
        if piece.width <= 0 or piece.x >= width:
            continue
        if piece.x > x:
            text += " " * (piece.x - x)
        if piece.style is not style and piece.style != style:
            if text:
                segments.append(Segment(text, style))
            text, style = "", piece.style
        text += piece.text
        x = piece.x + piece.width
    if x < width:
        text += " " * (width - x)
    segments.append(Segment(text, style))
    return Strip(segments, max(x, width)).crop(0, width)


def scroll_bar(top: int, height: int, lines: int) -> range:
    """Which of `height` lines the thumb of the scroll bar takes up; none if all are visible."""
    if lines <= height:
        return range(0)
    thumb = max(1, height * height // lines)
    start = round(top * (height - thumb) / (lines - height))
    return range(start, start + thumb)


def _marker(look: Look, condition: Condition) -> Piece:
    signs = look.signs
    mark = {Marked.NONE: " ", Marked.SOME: signs.partly, Marked.ALL: signs.marked}
    cursor = signs.cursor if condition.selected else " "
    style = look.plain if condition.marked is Marked.NONE else look.marked
    text = cursor + mark[condition.marked]
    return Piece(0, 2, text, look.marker if condition.selected else style)


def _set_text(
    group: Group,
    listed: int,
    folded: bool,
    slot: Slot,
    slots: Sequence[Slot],
    look: Look,
    condition: Condition,
) -> list[Piece]:
    """The name, and the summary in the space of all columns after it."""
    width = slots[-1].x + slots[-1].width - slot.x
    name, summary = cells.set_texts(group, listed, folded, look.signs, slot.width, width)
    used = cell_len(name)
    pieces = [Piece(slot.x, used, name, _lit(look.set_name, look, condition))]
    if width > used + 1:
        style = _lit(look.dim, look, condition)
        pieces.append(Piece(slot.x + used + 1, width - used - 1, summary, style))
    return pieces


def _lit(style: Style, look: Look, condition: Condition) -> Style:
    if condition.stale:
        style = look.stale
    if not condition.selected:
        return style
    # On the selected line what is dim elsewhere is to be read.
    return (look.plain if style is look.dim else style) + look.cursor
