"""What stands in each column: the columns as a table, and a job's cells as text. All pure."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len

from qtower.fitting import fit
from qtower.model import JobRow, Status
from qtower.ui import times, words
from qtower.ui.groups import Group
from qtower.ui.signs import Signs
from qtower.ui.sorting import Sort


@dataclass(frozen=True)
class Column:
    """A column of the list.

    Attributes:
        appears: Cells of total width from which on it is shown.
        width: Its cells; `grows` columns share what is left over.
    """

    id: str
    title: str
    appears: int
    width: int
    right: bool = False
    grows: int = 0


# What changes most stands left: a partial update is sent from the leftmost changed cell on.
COLUMNS: tuple[Column, ...] = (
    Column("status", "STATUS", 0, 15),
    Column("queue", "QUEUE", 60, 5, right=True),
    Column("state", "FOR", 100, 5, right=True),
    Column("start", "START", 140, 5, right=True),
    Column("run", "RUN", 100, 6, right=True),
    Column("age", "AGE", 40, 5, right=True),
    Column("index", "#", 60, 4, right=True),
    Column("name", "NAME", 0, 12, grows=3),
    Column("experiments", "EXPER.", 110, 9, right=True),
    Column("backend", "BACKEND", 70, 15, grows=2),
    Column("shots", "SHOTS", 120, 7, right=True),
    Column("tags", "TAGS", 130, 8, grows=1),
    Column("id", "JOB ID", 78, 6),
)

_FULL_ID = 24
_FULL_ID_FROM = 150
_BACKEND_LIMIT = 24
_SHORTEST_SET_NAME = 14
_TAG = 1000  # characters, and tags: more than a line can show of them
_GAP = 1
_MARGIN = 2


@dataclass(frozen=True)
class Slot:
    """A column in its place: its first cell and its width."""

    column: Column
    x: int
    width: int


def lay_out(total: int) -> list[Slot]:
    """The columns that fit `total` cells, placed; the first two cells are the cursor's."""
    columns = [column for column in COLUMNS if total >= column.appears]
    widths = {column.id: column.width for column in columns}
    if total >= _FULL_ID_FROM:
        widths["id"] = _FULL_ID
    spare = total - _MARGIN - sum(widths.values()) - _GAP * (len(columns) - 1)
    shares = sum(column.grows for column in columns)
    for column in columns:
        if column.grows and spare > 0:
            share = spare * column.grows // shares
            if column.id == "backend":
                share = max(0, min(share, _BACKEND_LIMIT - column.width))
            widths[column.id] += share
            spare, shares = spare - share, shares - column.grows
    if spare > 0:
        widths["name"] += spare
    slots, x = [], _MARGIN
    for column in columns:
        width = max(0, min(widths[column.id], total - x))
        slots.append(Slot(column, x, width))
        x += width + _GAP
    return slots


def status_word(status: Status, signs: Signs) -> str:
    """A status as sign and word: `✓ DONE`."""
    return f"{signs.status[status]} {status.value}"


def job_cell(column: str, row: JobRow, now: float, width: int, signs: Signs) -> str:
    """What a job shows in a column, not yet inert nor cut to size.

    `width` only decides whether a job id is shown in full or by its end, where ids differ.
    """
    if column == "status":
        return status_word(row.status, signs)
    if column == "queue":
        return "" if row.queue_position is None else str(row.queue_position)
    if column == "state":
        return "" if row.since is None else times.age(now - row.since)
    if column == "start":
        return "" if row.estimated_start is None else _start(row.estimated_start, now)
    if column == "run":
        return _run_time(row, now)
    if column == "age":
        return "" if row.created is None else times.age(now - row.created)
    if column == "index":
        return "" if row.index is None else str(row.index)
    if column == "name":
        return words.job_name(row)
    if column == "experiments":
        return _experiments(row)
    if column == "backend":
        return row.backend
    if column == "shots":
        return "" if row.shots is None else str(row.shots)
    if column == "tags":
        return " ".join(tag[:_TAG] for tag in row.tags[:_TAG])
    return row.job_id if len(row.job_id) <= width else "…" + row.job_id[1 - width :]


def job_ages(row: JobRow, now: float) -> tuple[str, ...]:
    """What time alone changes of a job's cells: those that `job_cell` makes from `now`."""
    since, created, start = row.since, row.created, row.estimated_start
    return (
        "" if since is None else times.age(now - since),
        "" if created is None else times.age(now - created),
        "" if start is None else _start(start, now),
    )


def set_ages(group: Group, now: float) -> tuple[str, ...]:
    """What time alone changes of a set's cells."""
    return () if group.newest is None else (times.age(now - group.newest),)


def title_cell(slot: Slot, sort: Sort, signs: Signs) -> tuple[int, str]:
    """A column's title and its first cell; a sign stands before that of the sorted column."""
    title = fit(slot.column.title, slot.width, slot.column.right)
    if slot.column.id != sort.column.id or not slot.width:
        return slot.x, title
    sign = signs.descending if sort.descending else signs.ascending
    text = sign + slot.column.title
    return slot.x - _GAP, fit(text, slot.width + _GAP, slot.column.right)


def set_cell(column: str, group: Group, now: float, signs: Signs) -> str:
    """What the row of a set shows in a column left of its name."""
    if column == "status":
        return status_word(group.status, signs)
    if column == "queue":
        return "" if group.first_in_queue is None else str(group.first_in_queue)
    if column == "age":
        return "" if group.newest is None else times.age(now - group.newest)
    return ""


def set_name(group: Group, folded: bool, signs: Signs) -> str:
    """The name of a set with its fold mark."""
    return f"{signs.folded if folded else signs.unfolded} {group.name or group.set_id}"


def set_texts(
    group: Group, listed: int, folded: bool, signs: Signs, column: int, width: int
) -> tuple[str, str]:
    """The set's name and its jobs by status, which together fill `width` cells and a gap.

    `listed`: so many of its jobs match the filter; where not all do, that is said first.

    The summary begins beyond the name's column (`column` cells wide); where it does not fit
    there, it first does without the total, then takes room from the name.
    """
    name = set_name(group, folded, signs)
    counts, total = words.count_words(group.counts), len(group.rows)
    some = f"{listed} of " if listed < total else ""
    summary = f"{some}{words.jobs(total)}: {counts}"
    counts = f"{some}{total}: {counts}" if some else counts
    if cell_len(summary) > width - column - 1:
        summary = counts
    needed = max(column - max(0, cell_len(counts) - (width - column - 1)), _SHORTEST_SET_NAME)
    column = min(column, needed, width)
    return fit(name, column), fit(summary, max(0, width - column - 1))


def _experiments(row: JobRow) -> str:
    if row.start_index is None or row.end_index is None:
        return ""
    if row.start_index == row.end_index:
        return str(row.start_index)
    return f"{row.start_index}-{row.end_index}"


def _run_time(row: JobRow, now: float) -> str:
    if row.run_seconds is not None:
        return times.span(row.run_seconds)
    if row.status is Status.RUNNING and row.since is not None:
        return times.age(now - row.since)
    return ""


def _start(moment: float, now: float) -> str:
    # An estimate that has passed was wrong: what still waits does not start now because of it.
    return "" if moment <= now else times.age(moment - now)
