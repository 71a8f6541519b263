"""By what the list can be sorted: a job's value and a set's, as data. Nothing here knows the time.

Jobs without a value stand last, whichever the direction; jobs with the same one newest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from qtower.model import JobRow, Status
from qtower.ui.words import job_name

NOT_YET = float("inf")

ATTENTION = (
    Status.RUNNING,
    Status.QUEUED,
    Status.VALIDATING,
    Status.INITIALIZING,
    Status.ERROR,
    Status.SUBMIT_FAILED,
    Status.UNKNOWN,
    Status.CANCELLED,
    Status.DONE,
)
"""What goes on first, then what went wrong."""

_RANK = {status: rank for rank, status in enumerate(ATTENTION)}
_STILL_RUNNING = 1e12  # s; longer than any run that has ended

Value: TypeAlias = float | str | None
"""What is compared; None stands last."""


@dataclass(frozen=True)
class SortColumn:
    """A column that the list can be sorted by.

    Attributes:
        id: The column's, as in `joblist.cells`.
        title: What the palette calls it.
        value: Of one job.
        of_set: A set is sorted as its job with the "least" or the "most" of it.
        most_first: The direction that is meant unless a person turns it round.
    """

    id: str
    title: str
    value: Callable[[JobRow], Value]
    of_set: Literal["least", "most"]
    most_first: bool = False


def moment(row: JobRow) -> float:
    """When a job was made: one that was not made yet is the newest."""
    if row.created is not None:
        return row.created
    return row.since if row.since is not None else NOT_YET


def _run_seconds(row: JobRow) -> float | None:
    if row.run_seconds is not None:
        return row.run_seconds
    # Those that still run get older all at the same pace.
    running = row.status is Status.RUNNING and row.since is not None
    return _STILL_RUNNING - (row.since or 0.0) if running else None


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


# Ages grow while moments stay: the younger is the less.
COLUMNS: tuple[SortColumn, ...] = (
    SortColumn("status", "status", lambda row: _RANK[row.status], "least"),
    SortColumn("queue", "queue position", lambda row: row.queue_position, "least"),
    SortColumn("state", "time in its status", lambda row: _negative(row.since), "least"),
    SortColumn("start", "estimated start", lambda row: row.estimated_start, "least"),
    SortColumn("run", "run time", _run_seconds, "most", most_first=True),
    SortColumn("age", "age", lambda row: -moment(row), "least"),
    SortColumn("name", "name", lambda row: job_name(row).casefold() or None, "least"),
    SortColumn("backend", "backend", lambda row: row.backend.casefold() or None, "least"),
    SortColumn("shots", "shots", lambda row: row.shots, "most", most_first=True),
    SortColumn("tags", "tags", lambda row: " ".join(row.tags).casefold() or None, "least"),
    SortColumn("id", "job id", lambda row: row.job_id or None, "least"),
)

BY_ID: Mapping[str, SortColumn] = {column.id: column for column in COLUMNS}

_DEFAULT = "age"


@dataclass(frozen=True)
class Sort:
    """A column and a direction; as it is made, newest first."""

    column: SortColumn = field(default_factory=lambda: BY_ID[_DEFAULT])
    descending: bool = False

    @classmethod
    def by(cls, column: str) -> Sort:
        """By a column, in the direction that is meant with it."""
        return cls(BY_ID[column], BY_ID[column].most_first)

    def turned(self) -> Sort:
        """The other way round."""
        return Sort(self.column, not self.descending)

    @property
    def is_by_age(self) -> bool:
        """True if jobs of a set stand by their index, as they were made."""
        return self.column.id == _DEFAULT

    def head_key(self, value: Value, made: float, set_id: str, key: str) -> tuple[Any, ...]:
        """Where a job of its own, or a set if `key` is empty, stands among the others."""
        if value is None:
            flag, value = (-1 if self.descending else 1), 0
        else:
            flag = 0
        return (flag, value, made if self.descending else -made, set_id, key)

    def member_key(self, row: JobRow) -> tuple[Any, ...]:
        """Where a job stands among those of its set."""
        index = NOT_YET if row.index is None else row.index
        if self.is_by_age:
            return (0, 0, index, moment(row), row.key)
        value = self.column.value(row)
        if value is None:
            flag, value = (-1 if self.descending else 1), 0
        else:
            flag = 0
        return (flag, value, -index if self.descending else index, moment(row), row.key)
