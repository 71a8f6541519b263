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

from qtower.model import JobRow, Status
from qtower.ui.board import Group
from qtower.ui.joblist import cells
from qtower.ui.joblist.cells import Slot
from qtower.ui.signs import Signs


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
    set_name: Style
    cursor: Style  # laid over the styles of the selected line
    marker: Style
    status: Mapping[Status, Style]


Line = tuple[Piece, ...]
"""A drawn line; two lines are the same picture if they are equal."""


def job_line(
    row: JobRow, slots: Sequence[Slot], now: float, look: Look, selected: bool, in_set: bool
) -> Line:
    """The line of a job; one of a set is indented under the set's name."""
    pieces = [_marker(look, selected)]
    for slot in slots:
        column = slot.column.id
        text = cells.job_cell(column, row, now, slot.width, look.signs)
        if column == "name" and in_set:
            text = "  " + text
        text = cells.fit(text, slot.width, slot.column.right)
        style = _job_style(column, row, look)
        pieces.append(Piece(slot.x, slot.width, text, _lit(style, look, selected)))
    return tuple(pieces)


def set_line(
    group: Group, folded: bool, slots: Sequence[Slot], now: float, look: Look, selected: bool
) -> Line:
    """The line of a set: its state, its name, and its jobs by status over the columns beyond."""
    pieces = [_marker(look, selected)]
    for slot in slots:
        column = slot.column.id
        if column == "name":
            pieces.extend(_set_text(group, folded, slot, slots, look, selected))
            break
        text = cells.set_cell(column, group, now, look.signs)
        style = look.status[group.status] if column == "status" else look.plain
        text = cells.fit(text, slot.width, slot.column.right)
        pieces.append(Piece(slot.x, slot.width, text, _lit(style, look, selected)))
    return tuple(pieces)


def title_line(slots: Sequence[Slot], style: Style) -> Line:
    """The names of the columns."""
    return tuple(
        Piece(
            slot.x, slot.width, cells.fit(slot.column.title, slot.width, slot.column.right), style
        )
        for slot in slots
    )


def strip_of(line: Line, width: int, gap: Style) -> Strip:
    """The line as a strip of `width` cells, with `gap` between its pieces."""
    segments, x = [], 0
    for piece in line:
        if piece.width <= 0 or piece.x >= width:
            continue
        if piece.x > x:
            segments.append(Segment(" " * (piece.x - x), gap))
        segments.append(Segment(piece.text, piece.style))
        x = piece.x + piece.width
    if x < width:
        segments.append(Segment(" " * (width - x), gap))
    return Strip(segments, max(x, width)).crop(0, width)


def changed_cells(old: Line, new: Line) -> tuple[int, int] | None:
    """From which cell to which (exclusive) two lines differ; None if they do not."""
    different = [piece for piece in (*old, *new) if piece not in old or piece not in new]
    if not different:
        return None
    return min(piece.x for piece in different), max(piece.x + piece.width for piece in different)


def _marker(look: Look, selected: bool) -> Piece:
    style = look.marker if selected else look.plain
    return Piece(0, 2, f"{look.signs.cursor} " if selected else "  ", style)


def _set_text(
    group: Group, folded: bool, slot: Slot, slots: Sequence[Slot], look: Look, selected: bool
) -> list[Piece]:
    """The name, and the summary in the space of all columns after it."""
    width = slots[-1].x + slots[-1].width - slot.x
    name, summary = cells.set_texts(group, folded, look.signs, slot.width, width)
    used = cell_len(name)
    pieces = [Piece(slot.x, used, name, _lit(look.set_name, look, selected))]
    if width > used + 1:
        style = _lit(look.dim, look, selected)
        pieces.append(Piece(slot.x + used + 1, width - used - 1, summary, style))
    return pieces


def _job_style(column: str, row: JobRow, look: Look) -> Style:
    if column == "status":
        return look.status[row.status]
    return look.plain if column in ("name", "queue", "run") else look.dim


def _lit(style: Style, look: Look, selected: bool) -> Style:
    return style + look.cursor if selected else style
