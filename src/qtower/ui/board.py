"""All rows, grouped into sets, folded, filtered, ordered and counted: plain Python, no Textual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from qtower.model import JobRow, Status

SMALL_SET = 20
"""Sets of up to so many jobs start unfolded."""

_NOT_YET = float("inf")

_ATTENTION = (
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


class Entry(NamedTuple):
    """A line of the list: a job, or a set if `key` is empty. It is its own identity."""

    set_id: str
    key: str

    @property
    def is_set(self) -> bool:
        """True for the row of a set."""
        return not self.key


class Group:
    """The jobs of one set, and what its row sums up of them."""

    def __init__(self, set_id: str) -> None:
        self.set_id = set_id
        self.name = ""
        self.rows: dict[str, JobRow] = {}
        self.counts: Counter[Status] = Counter()
        self._summed = True
        self._newest: float | None = None
        self._first_in_queue: int | None = None

    def put(self, row: JobRow) -> None:
        """Takes a new or changed job."""
        if old := self.rows.get(row.key):
            self.counts[old.status] -= 1
        self.rows[row.key] = row
        self.counts[row.status] += 1
        self.name = row.set_name or self.name
        self._summed = False

    def remove(self, key: str) -> None:
        """Forgets the job `key` of the set."""
        self.counts[self.rows.pop(key).status] -= 1
        self._summed = False

    @property
    def status(self) -> Status:
        """What goes on in the set; where all has ended, the worst end."""
        return next((status for status in _ATTENTION if self.counts[status]), Status.UNKNOWN)

    @property
    def newest(self) -> float | None:
        """When its newest job was made."""
        self._sum_up()
        return self._newest

    @property
    def first_in_queue(self) -> int | None:
        """The best queue position of its jobs."""
        self._sum_up()
        return self._first_in_queue

    def _sum_up(self) -> None:
        if self._summed:
            return
        rows = self.rows.values()
        made = (_moment(row) for row in rows)
        queued = (row.queue_position for row in rows if row.queue_position is not None)
        self._newest = max((moment for moment in made if moment != _NOT_YET), default=None)
        self._first_in_queue = min(queued, default=None)
        self._summed = True


class Board:
    """Every row that the agent has told of, and the lines that the list shows of them.

    Rows come in with `apply`; `entries` is brought up to date when it is read.
    """

    def __init__(self) -> None:
        self._rows: dict[str, JobRow] = {}
        self._groups: dict[str, Group] = {}
        self._counts: Counter[Status] = Counter()
        self._folded: dict[str, bool] = {}
        self._words: tuple[str, ...] = ()
        self._filter_text = ""
        self._texts: dict[str, str] = {}
        self._entries: list[Entry] = []
        self._positions: dict[Entry, int] = {}
        self._matching = 0
        self._stale = False

    # -- what the agent tells --

    def apply(self, rows: Iterable[JobRow], gone: Iterable[str] = ()) -> frozenset[str]:
        """Takes new and changed rows and keys of rows that are gone; returns the keys touched."""
        touched = set()
        for row in rows:
            self._put(row)
            touched.add(row.key)
        for key in gone:
            if key in self._rows:
                self._remove(self._rows[key])
                touched.add(key)
        return frozenset(touched)

    def _put(self, row: JobRow) -> None:
        old = self._rows.get(row.key)
        if old is not None and old.set_id != row.set_id:
            self._remove(old)
            old = None
        matched = old is not None and self._matches(old)
        self._texts.pop(row.key, None)
        self._rows[row.key] = row
        self._counts[row.status] += 1
        if old is not None:
            self._counts[old.status] -= 1
        if row.set_id:
            self._groups.setdefault(row.set_id, Group(row.set_id)).put(row)
        if old is None or _place(old) != _place(row) or matched is not self._matches(row):
            self._stale = True

    def _remove(self, row: JobRow) -> None:
        del self._rows[row.key]
        self._texts.pop(row.key, None)
        self._counts[row.status] -= 1
        self._stale = True
        if group := self._groups.get(row.set_id):
            group.remove(row.key)
            if not group.rows:
                del self._groups[row.set_id]

    # -- what is known --

    @property
    def rows(self) -> Mapping[str, JobRow]:
        """All jobs by key, listed or not."""
        return self._rows

    def row(self, key: str) -> JobRow | None:
        """The job `key`, or None if it is not known or no more."""
        return self._rows.get(key)

    def group(self, set_id: str) -> Group | None:
        """The set `set_id`, or None if no job of it is known."""
        return self._groups.get(set_id)

    def jobs_of(self, set_id: str) -> list[JobRow]:
        """The jobs of a set, by index."""
        group = self._groups.get(set_id)
        return sorted(group.rows.values(), key=_by_index) if group else []

    @property
    def counts(self) -> dict[Status, int]:
        """How many jobs have each status, of all jobs; the numbers sum to `len(rows)`."""
        return {status: self._counts[status] for status in _ATTENTION if self._counts[status]}

    def headed(self, set_id: str) -> bool:
        """True if the jobs of the set stand under a row of the set: not where there is but one."""
        group = self._groups.get(set_id)
        return group is not None and len(group.rows) > 1

    # -- folding and filtering --

    def folded(self, set_id: str) -> bool:
        """True if the jobs of the set are not listed. A filter unfolds what nobody folded."""
        chosen = self._folded.get(set_id)
        if chosen is not None:
            return chosen
        group = self._groups.get(set_id)
        return group is not None and len(group.rows) > SMALL_SET and not self._words

    def fold(self, set_id: str, folded: bool) -> None:
        """Folds or unfolds one set."""
        if self.folded(set_id) is not folded:
            self._stale = True
        self._folded[set_id] = folded

    def fold_all(self, folded: bool) -> None:
        """Folds or unfolds every set."""
        self._folded = dict.fromkeys(self._groups, folded)
        self._stale = True

    @property
    def filter_text(self) -> str:
        """Words that a job must hold to be listed; empty lists all."""
        return self._filter_text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._filter_text = text
        words = tuple(text.casefold().split())
        if words != self._words:
            self._words = words
            self._stale = True

    @property
    def matching(self) -> int:
        """How many jobs match the filter, folded ones included."""
        self._refresh()
        return self._matching

    # -- the lines --

    @property
    def entries(self) -> list[Entry]:
        """The lines of the list: newest first, sets by their newest job, jobs in them by index."""
        self._refresh()
        return self._entries

    def position(self, entry: Entry) -> int | None:
        """The line that shows `entry`, from 0, or None if none does."""
        self._refresh()
        return self._positions.get(entry)

    def _refresh(self) -> None:
        if not self._stale:
            return
        self._stale = False
        rows = [row for row in self._rows.values() if self._matches(row)]
        self._matching = len(rows)
        self._entries = self._arrange(rows)
        self._positions = {entry: line for line, entry in enumerate(self._entries)}

    def _arrange(self, rows: list[JobRow]) -> list[Entry]:
        members: dict[str, list[JobRow]] = {}
        heads: list[tuple[float, Entry]] = []
        for row in rows:
            if self.headed(row.set_id):
                members.setdefault(row.set_id, []).append(row)
            else:
                heads.append((_moment(row), Entry(row.set_id, row.key)))
        # The newest of all jobs of a set, not of those that match: a filter does not reorder.
        for set_id in members:
            newest = self._groups[set_id].newest
            heads.append((_NOT_YET if newest is None else newest, Entry(set_id, "")))
        heads.sort(key=lambda head: (-head[0], head[1]))
        entries: list[Entry] = []
        for _, entry in heads:
            entries.append(entry)
            if entry.is_set and not self.folded(entry.set_id):
                jobs = sorted(members[entry.set_id], key=_by_index)
                entries.extend(Entry(row.set_id, row.key) for row in jobs)
        return entries

    def _matches(self, row: JobRow) -> bool:
        if not self._words:
            return True
        text = self._texts.get(row.key)
        if text is None:
            parts = (row.name, row.label, row.set_name, row.job_id, row.key, row.backend)
            text = "\n".join((*parts, row.status.value, *row.tags)).casefold()
            self._texts[row.key] = text
        return all(word in text for word in self._words)


def _moment(row: JobRow) -> float:
    """When a job was made, for the order: one that was not made yet is the newest."""
    if row.created is not None:
        return row.created
    return row.since if row.since is not None else _NOT_YET


def _by_index(row: JobRow) -> tuple[float, float, str]:
    return (_NOT_YET if row.index is None else row.index, _moment(row), row.key)


def _place(row: JobRow) -> tuple[float, int | None]:
    """What a row's line depends on, filter aside."""
    return (_moment(row), row.index)
