"""All rows, grouped into sets, folded, filtered, sorted, marked and counted: plain Python, no
Textual.

A row that comes or changes costs the same whether ten or a hundred thousand are listed. What looks
at every row, another order or another filter, is done in slices beside what is listed meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter

from qtower.model import JobRow, Status
from qtower.ui.groups import Group
from qtower.ui.lines import Lines
from qtower.ui.listing import Entry, Listing
from qtower.ui.marks import Marked, Marks
from qtower.ui.sorting import ATTENTION, Sort
from qtower.ui.words import search_text

SMALL_SET = 20
"""Sets of up to so many jobs start unfolded."""

AT_ONCE = 500
"""So many rows are sorted or filtered at once: nobody waits for a short list."""

_STEPS = 16
"""Rows between two looks at the clock."""


class Board:
    """Every row that the agent has told of, and the lines that the list shows of them.

    Rows come in with `apply`. After another sort or filter is asked for, `work` brings it about.
    `every` lists each job in the order that is there, `shown` those that match; only to be read.
    """

    def __init__(self) -> None:
        self.marks = Marks()
        self._rows: dict[str, JobRow] = {}
        self._groups: dict[str, Group] = {}
        self._counts: Counter[Status] = Counter()
        self._chosen_folds: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self._filter_text = ""
        self._words: tuple[str, ...] = ()
        self._sort = Sort()
        self.every = self._listing(self._sort, ())
        self.shown = self.every
        self._next: tuple[Listing, Listing] | None = None  # what becomes of both when it is made
        self._making: Iterator[None] = iter(())

    # -- what the agent tells --

    def apply(self, rows: Iterable[JobRow], gone: Iterable[str] = ()) -> frozenset[str]:
        """Takes new and changed rows and keys of rows that are gone; returns the keys touched."""
        touched = set()
        for row in rows:
            self._put(row)
            touched.add(row.key)
        for key in gone:
            if key in self._rows:
                self.marks.unmark(key)
                self._remove(self._rows[key])
                touched.add(key)
        for _ in self.every.settle():
            pass  # what is shown settles when it is read: this is what a filter hides
        return frozenset(touched)

    def _put(self, row: JobRow) -> None:
        old = self._rows.get(row.key)
        if old is not None:
            if old.set_id != row.set_id:
                self._remove(old)
                self.marks.follow(row)
            else:
                self._counts[old.status] -= 1
        if self._texts:
            self._texts.pop(row.key, None)
        self._rows[row.key] = row
        self._counts[row.status] += 1
        if row.set_id:
            self._put_in_group(row)
            return
        for listing in self._listings():
            if old is None or not listing.keeps(old, row):
                listing.put(row, in_set=False)

    def _put_in_group(self, row: JobRow) -> None:
        group = self._groups.get(row.set_id)
        if group is None:
            group = self._groups[row.set_id] = Group(row.set_id)
        headed = len(group.rows) > 1
        group.put(row)
        self._list(group, [row] if (len(group.rows) > 1) is headed else group.rows.values())

    def _remove(self, row: JobRow) -> None:
        del self._rows[row.key]
        self._texts.pop(row.key, None)
        self._counts[row.status] -= 1
        for listing in self._listings():
            listing.remove(row.key, row.set_id)
        group = self._groups.get(row.set_id)
        if group is None:
            return
        group.remove(row.key)
        if len(group.rows) == 1:
            self._list(group, group.rows.values())
        elif not group.rows:
            del self._groups[row.set_id]

    def _list(self, group: Group, rows: Iterable[JobRow]) -> None:
        in_set = len(group.rows) > 1
        for row in rows:
            for listing in self._listings():
                listing.put(row, in_set)

    def _listings(self) -> Iterable[Listing]:
        """All that are shown or being made: each of them once."""
        if self._next is None and self.shown is self.every:
            return (self.every,)
        return {self.every, self.shown, *(self._next or ())}

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
        return group.in_order() if group is not None else []

    @property
    def counts(self) -> dict[Status, int]:
        """How many jobs have each status, of all jobs; the numbers sum to `len(rows)`."""
        return {status: self._counts[status] for status in ATTENTION if self._counts[status]}

    def headed(self, set_id: str) -> bool:
        """True if the jobs of the set stand under a row of the set: not where there is but one."""
        group = self._groups.get(set_id)
        return group is not None and len(group.rows) > 1

    # -- folding --

    def folded(self, set_id: str) -> bool:
        """True if the jobs of the set are not listed. A filter unfolds what nobody folded."""
        return self._folds(set_id, bool(self.shown.words))

    def _folds(self, set_id: str, filtered: bool) -> bool:
        chosen = self._chosen_folds.get(set_id)
        if chosen is not None:
            return chosen
        group = self._groups.get(set_id)
        return group is not None and len(group.rows) > SMALL_SET and not filtered

    def fold(self, set_id: str, folded: bool) -> None:
        """Folds or unfolds one set."""
        self._chosen_folds[set_id] = folded
        for listing in self._listings():
            listing.touch(set_id)

    def fold_all(self, folded: bool) -> None:
        """Folds or unfolds every set."""
        self._chosen_folds = dict.fromkeys(self._groups, folded)
        for listing in self._listings():
            listing.fold_all()

    # -- sorting and filtering --

    @property
    def sort(self) -> Sort:
        """The order that was asked for."""
        return self._sort

    @sort.setter
    def sort(self, sort: Sort) -> None:
        if sort != self._sort:
            self._sort = sort
            self._begin()

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
            self._begin()

    @property
    def doing(self) -> str:
        """What is still being made of what was asked for: "filtering", "sorting" or ""."""
        if self._next is None:
            return ""
        filtered = self._words and self._words != self.shown.words
        return "filtering" if filtered or self._sort == self.shown.sort else "sorting"

    def work(self, seconds: float) -> bool:
        """Goes on with what was asked for, so long at most; true once it is listed."""
        end = perf_counter() + seconds
        while self._next is not None:
            if not self._advance(_STEPS):
                break
            if perf_counter() >= end:
                return False
        return True

    def _begin(self) -> None:
        """Begins to make the lists of the order and the filter that were asked for."""
        every = self.every
        keys: dict[Listing, Iterable[str]] = {}
        if every.sort != self._sort:
            every = self._listing(self._sort, ())
            keys[every] = list(self._rows)
        shown = every
        if self._words:
            shown = self._listing(self._sort, self._words)
            keys[shown] = list(self.shown.matching_keys() if self._narrows() else self._rows)
        self._next = (every, shown)
        self._making = self._fill(keys)
        self._advance(AT_ONCE)

    def _narrows(self) -> bool:
        """True if what matches now did match what is listed: every old word is in a new one."""
        return all(any(old in new for new in self._words) for old in self.shown.words)

    def _fill(self, keys: Mapping[Listing, Iterable[str]]) -> Iterator[None]:
        for listing, waiting in keys.items():
            for key in waiting:
                row = self._rows.get(key)  # it may have gone meanwhile
                if row is not None:
                    listing.put(row, self.headed(row.set_id))
                yield
            yield from listing.settle()

    def _advance(self, steps: int) -> bool:
        """Makes some steps; false once there is none left, and what was made is listed."""
        if sum(1 for _ in islice(self._making, steps)) == steps:
            return True
        if self._next is not None:
            self.every, self.shown = self._next
            self._next = None
        return False

    def _listing(self, sort: Sort, words: tuple[str, ...]) -> Listing:
        return Listing(sort, words, self._text_of, self._groups, self._folds)

    def _text_of(self, row: JobRow) -> str:
        text = self._texts.get(row.key)
        if text is None:
            text = self._texts[row.key] = search_text(row)
        return text

    # -- marks --

    def marked(self, entry: Entry) -> Marked:
        """Whether the job of a line is marked, or which of the jobs of a set."""
        if not entry.is_set:
            return Marked.ALL if entry.key in self.marks else Marked.NONE
        return self.marks.of_set(entry.set_id, len(self._groups[entry.set_id].rows))

    def jobs_on(self, entry: Entry) -> list[JobRow]:
        """The job of a line; of a set those jobs that match the filter."""
        keys = self.shown.keys_under(entry.set_id) if entry.is_set else [entry.key]
        return [self._rows[key] for key in keys]

    def listed_jobs(self) -> list[JobRow]:
        """All jobs that match the filter, folded ones included, in no order."""
        return [self._rows[key] for key in self.shown.matching_keys()]

    @property
    def hidden_marks(self) -> int:
        """How many marked jobs the filter hides."""
        return self.shown.hidden(self.marks)

    # -- the lines --

    @property
    def entries(self) -> Lines:
        """The lines of the list: jobs and sets by the sort, jobs of a set by it or by index."""
        return Lines(self.shown)

    def position(self, entry: Entry) -> int | None:
        """The line that shows `entry`, from 0, or None if none does."""
        return self.shown.position(entry)
