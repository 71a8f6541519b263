"""Marked jobs: by key, whatever the list shows of them, and never longer than their rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping, Set
from enum import Enum

from qtower.model import JobRow


class Marked(Enum):
    """How many jobs of a line are marked."""

    NONE = 0
    SOME = 1
    ALL = 2


class Marks:
    """The jobs that a person has marked."""

    def __init__(self) -> None:
        self._set_of: dict[str, str] = {}
        self._by_set: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._set_of)

    def __iter__(self) -> Iterator[str]:
        """Their keys, in the order of marking."""
        return iter(self._set_of)

    def __contains__(self, key: object) -> bool:
        return key in self._set_of

    @property
    def keys(self) -> KeysView[str]:
        """The marked jobs."""
        return self._set_of.keys()

    @property
    def by_set(self) -> Mapping[str, Set[str]]:
        """The marked jobs of each set; "" for those of none."""
        return self._by_set

    def mark(self, rows: Iterable[JobRow]) -> None:
        """Marks jobs."""
        for row in rows:
            before = self._set_of.get(row.key)
            if before != row.set_id:
                if before is not None:
                    self.unmark(row.key)
                self._set_of[row.key] = row.set_id
                self._by_set.setdefault(row.set_id, set()).add(row.key)

    def unmark(self, key: str) -> None:
        """Unmarks a job, if it is marked."""
        set_id = self._set_of.pop(key, None)
        if set_id is not None:
            self._by_set[set_id].discard(key)
            if not self._by_set[set_id]:
                del self._by_set[set_id]

    def of_set(self, set_id: str, jobs: int) -> Marked:
        """How many of a set are marked, which has so many jobs."""
        marked = self._by_set.get(set_id, ())
        return (Marked.ALL if len(marked) == jobs else Marked.SOME) if marked else Marked.NONE

    def toggle(self, rows: Iterable[JobRow]) -> None:
        """Marks all of them, or unmarks them if all are marked."""
        rows = list(rows)
        if all(row.key in self._set_of for row in rows):
            for row in rows:
                self.unmark(row.key)
        else:
            self.mark(rows)

    def invert(self, rows: Iterable[JobRow]) -> None:
        """Marks those that are not marked, and unmarks those that are."""
        for row in rows:
            if row.key in self._set_of:
                self.unmark(row.key)
            else:
                self.mark([row])

    def clear(self) -> None:
        """Unmarks all jobs."""
        self._set_of.clear()
        self._by_set.clear()

    def follow(self, row: JobRow) -> None:
        """A marked job may have turned out to belong to a set."""
        if row.key in self._set_of:
            self.mark([row])
