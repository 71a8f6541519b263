"""The list as a person would describe it: made anew at every look, in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtower.model import JobRow, Status
from qtower.ui.board import SMALL_SET
from qtower.ui.listing import Entry

ORDER = ["RUNNING", "QUEUED", "VALIDATING", "INITIALIZING", "ERROR", "SUBMIT_FAILED", "UNKNOWN",
         "CANCELLED", "DONE"]  # fmt: skip

COLUMNS = ["age", "status", "queue", "name", "shots"]


def made(row: JobRow) -> float:
    return next((at for at in (row.created, row.since) if at is not None), float("inf"))


def job_value(column: str, row: JobRow) -> Any:
    return {
        "age": -made(row),
        "status": ORDER.index(row.status.value),
        "queue": row.queue_position,
        "name": (row.label or row.name or row.job_id or row.key).casefold(),
        "shots": row.shots,
    }[column]


class PlainList:
    """Rows, folds, a filter, an order and marks, and the lines that follow from them."""

    def __init__(self) -> None:
        self.rows: dict[str, JobRow] = {}
        self.folds: dict[str, bool] = {}
        self.words: list[str] = []
        self.column, self.descending = "age", False
        self.marks: set[str] = set()

    def apply(self, rows: list[JobRow], gone: list[str]) -> None:
        for row in rows:
            self.rows[row.key] = row
        for key in gone:
            self.rows.pop(key, None)
        self.marks &= self.rows.keys()

    def set_rows(self, set_id: str) -> list[JobRow]:
        return [row for row in self.rows.values() if set_id and row.set_id == set_id]

    def matches(self, row: JobRow) -> bool:
        text = "\n".join([row.name, row.label, row.set_name, row.job_id, row.key, row.backend,
                          row.status.value, *row.tags]).casefold()  # fmt: skip
        return all(word in text for word in self.words)

    def folded(self, set_id: str) -> bool:
        many = len(self.set_rows(set_id)) > SMALL_SET
        return self.folds.get(set_id, many and not self.words)

    def headed(self, set_id: str) -> bool:
        return len(self.set_rows(set_id)) > 1

    def jobs_on(self, entry: Entry) -> list[JobRow]:
        if entry.key:
            return [self.rows[entry.key]]
        return [row for row in self.set_rows(entry.set_id) if self.matches(row)]

    def lines(self) -> list[Entry]:
        listed = [row for row in self.rows.values() if self.matches(row)]
        heads = [Entry(row.set_id, row.key) for row in listed if not self.headed(row.set_id)]
        heads += [
            Entry(id_, "") for id_ in {row.set_id for row in listed if self.headed(row.set_id)}
        ]
        lines = []
        for head in self._sorted(heads, self._head_value, self._head_made):
            lines.append(head)
            if not head.key and not self.folded(head.set_id):
                lines += self.members(head.set_id)
        return lines

    def near(self, wanted: Entry, before: dict[str, JobRow]) -> int:
        """The line of `wanted`, else of what stood beside it, as all jobs would be listed.

        `before`: the rows as they were when it was seen last, for its place if it has gone.
        """
        lines = self.lines()
        rows = self.set_rows(wanted.set_id)
        if wanted.key not in self.rows and len(rows) == 1:
            wanted = Entry(wanted.set_id, rows[0].key)  # all that is left of the set
        head = Entry(wanted.set_id, "")
        if wanted in lines:
            return lines.index(wanted)
        all_of_it = PlainList()
        all_of_it.column, all_of_it.descending = self.column, self.descending
        all_of_it.rows = dict(self.rows)
        all_of_it.folds = {row.set_id: False for row in [*self.rows.values(), *before.values()]}
        if wanted.key in before and (rows or not wanted.set_id):
            all_of_it.rows.setdefault(wanted.key, before[wanted.key])
        elif not rows:
            all_of_it.rows |= {k: row for k, row in before.items() if row.set_id == wanted.set_id}
        if head in lines:
            was_lone = sum(row.set_id == wanted.set_id for row in before.values()) == 1
            if self.folded(wanted.set_id) or (was_lone and wanted.key not in self.rows):
                return lines.index(head)
            order = all_of_it.members(wanted.set_id)
        else:
            if rows and wanted.key not in self.rows:
                all_of_it.rows = dict(self.rows)  # where its set stands now
            order = [entry for entry in all_of_it.lines() if all_of_it.is_head(entry)]
            if wanted not in order:
                wanted = head
        listed = [entry for entry in order if entry in lines]
        after = [entry for entry in order[order.index(wanted) :] if entry in lines]
        if after:
            return lines.index(after[0])
        return lines.index(listed[-1]) if head in lines else len(lines) - 1

    def is_head(self, entry: Entry) -> bool:
        return not entry.key or not self.headed(entry.set_id)

    def jobs_under(self, entry: Entry) -> list[JobRow]:
        return [] if entry.key else self.set_rows(entry.set_id)

    def members(self, set_id: str) -> list[Entry]:
        rows = sorted(self.jobs_on(Entry(set_id, "")), key=lambda row: row.index or 0)
        members = [Entry(set_id, row.key) for row in rows]
        if self.column == "age":
            return members
        return self._by_value(members, lambda entry: job_value(self.column, self.rows[entry.key]))

    def _sorted(
        self, heads: list[Entry], value: Callable[[Entry], Any], at: Callable[[Entry], float]
    ) -> list[Entry]:
        heads = sorted(heads, reverse=self.descending)
        return self._by_value(sorted(heads, key=at, reverse=True), value)

    def _by_value(self, entries: list[Entry], value: Callable[[Entry], Any]) -> list[Entry]:
        known = [entry for entry in entries if value(entry) is not None]
        unknown = [entry for entry in entries if value(entry) is None]
        return sorted(known, key=value, reverse=self.descending) + unknown

    def _head_made(self, head: Entry) -> float:
        if head.key:
            return made(self.rows[head.key])
        known = [at for row in self.set_rows(head.set_id) if (at := made(row)) != float("inf")]
        return max(known, default=float("inf"))

    def _head_value(self, head: Entry) -> Any:
        if head.key:
            return job_value(self.column, self.rows[head.key])
        rows = self.set_rows(head.set_id)
        if self.column == "age":
            return -self._head_made(head)
        if self.column == "name":
            # The name that was told last: all jobs of a set bear the same here.
            return (rows[0].set_name or head.set_id).casefold()
        values = [value for row in rows if (value := job_value(self.column, row)) is not None]
        return (max if self.column == "shots" else min)(values, default=None)

    def marked(self, entry: Entry) -> str:
        """ "all", "some" or "none" of the jobs of a line."""
        keys = {entry.key} if entry.key else {row.key for row in self.set_rows(entry.set_id)}
        count = len(keys & self.marks)
        return "all" if count == len(keys) else "some" if count else "none"

    def status(self, entry: Entry) -> Status:
        if entry.key:
            return self.rows[entry.key].status
        names = [row.status.value for row in self.set_rows(entry.set_id)]
        return Status(min(names, key=ORDER.index))
