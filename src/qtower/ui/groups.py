"""A set's jobs, and what its row sums up of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from qtower.model import JobRow, Status
from qtower.ui.sorting import ATTENTION, NOT_YET, Sort, Value, moment


class Best:
    """The least or the most of a value among jobs; looked for anew only where it has been lost."""

    def __init__(self, value_of: Callable[[JobRow], Any], least: bool) -> None:
        self._value_of = value_of
        self._least = least
        self._best: Any = None
        self._known = False

    def replace(self, old: JobRow | None, new: JobRow | None) -> None:
        """A job came (`old` is None), changed, or went (`new` is None)."""
        if not self._known:
            return
        before = None if old is None else self._value_of(old)
        after = None if new is None else self._value_of(new)
        if after is not None and (self._best is None or not self._is_behind(after)):
            self._best = after
        elif before is not None and before == self._best and before != after:
            self._known = False

    def among(self, rows: dict[str, JobRow]) -> Any:
        """The best value of the jobs; None if none has one."""
        if not self._known:
            values = (value for row in rows.values() if (value := self._value_of(row)) is not None)
            self._best = min(values, default=None) if self._least else max(values, default=None)
            self._known = True
        return self._best

    def _is_behind(self, value: Any) -> bool:
        return bool(value > self._best if self._least else value < self._best)


class Group:
    """The jobs of one set, and what its row sums up of them."""

    def __init__(self, set_id: str) -> None:
        self.set_id = set_id
        self.name = ""
        self.rows: dict[str, JobRow] = {}
        self.counts: Counter[Status] = Counter()
        self.changes = 0
        self._newest = Best(_made, least=False)
        self._first_in_queue = Best(lambda row: row.queue_position, least=True)
        self._sorted: dict[str, Best] = {}  # by the columns it was sorted by last

    def put(self, row: JobRow) -> None:
        """Takes a new or changed job."""
        old = self.rows.get(row.key)
        if old is not None:
            self.counts[old.status] -= 1
        self.rows[row.key] = row
        self.counts[row.status] += 1
        self.name = row.set_name or self.name
        self._replace(old, row)

    def remove(self, key: str) -> None:
        """Forgets the job `key` of the set."""
        old = self.rows.pop(key)
        self.counts[old.status] -= 1
        self._replace(old, None)

    def in_order(self) -> list[JobRow]:
        """Its jobs by index."""
        return sorted(self.rows.values(), key=_by_index)

    @property
    def status(self) -> Status:
        """What goes on in the set; where all has ended, the worst end."""
        return next((status for status in ATTENTION if self.counts[status]), Status.UNKNOWN)

    @property
    def ended(self) -> bool:
        """True if no job of it can change any more."""
        return not any(count for status, count in self.counts.items() if not status.final)

    @property
    def newest(self) -> float | None:
        """When its newest job was made."""
        newest: float | None = self._newest.among(self.rows)
        return newest

    @property
    def first_in_queue(self) -> int | None:
        """The best queue position of its jobs."""
        first: int | None = self._first_in_queue.among(self.rows)
        return first

    def head_key(self, sort: Sort) -> tuple[Any, ...]:
        """Where the set stands among the others: by all its jobs, whatever is filtered."""
        made = NOT_YET if self.newest is None else self.newest
        return sort.head_key(self._value(sort, made), made, self.set_id, "")

    def _value(self, sort: Sort, made: float) -> Value:
        if sort.is_by_age:
            return -made
        if sort.column.id == "name":
            return (self.name or self.set_id).casefold()
        best = self._sorted.get(sort.column.id)
        if best is None:
            # While the list is sorted anew it is kept in two orders, never in more.
            if len(self._sorted) == 2:
                del self._sorted[next(iter(self._sorted))]
            best = Best(sort.column.value, least=sort.column.of_set == "least")
            self._sorted[sort.column.id] = best
        value: Value = best.among(self.rows)
        return value

    def _replace(self, old: JobRow | None, new: JobRow | None) -> None:
        self.changes += 1
        self._newest.replace(old, new)
        self._first_in_queue.replace(old, new)
        for best in self._sorted.values():
            best.replace(old, new)


def _made(row: JobRow) -> float | None:
    made = moment(row)
    return None if made == NOT_YET else made


def _by_index(row: JobRow) -> tuple[float, float, str]:
    return (NOT_YET if row.index is None else row.index, moment(row), row.key)
