"""All rows, grouped into sets, folded, filtered, sorted, marked and counted: plain Python, no
Textual.

A row that comes or changes costs the same whether ten or a hundred thousand are listed. What looks
at every row, another order or another filter, is done in slices beside what is listed meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from qtower.model import JobRow, Status
from qtower.ui.arranging import Arranging
from qtower.ui.groups import Group
from qtower.ui.lines import Lines
from qtower.ui.listing import Entry, Listing
from qtower.ui.marks import Marked, Marks
from qtower.ui.sorting import ATTENTION, Sort
from qtower.ui.words import search_text

SMALL_SET = 20
"""Sets of up to so many jobs start unfolded."""


class Board:
    """Every row that the agent has told of, and the lines that the list shows of them.

    Rows come in with `apply`. After another sort or filter is asked for, `work` brings it about.
    """

    def __init__(self) -> None:
        self.marks = Marks()
        self._rows: dict[str, JobRow] = {}
        self._groups: dict[str, Group] = {}
        self._counts = dict.fromkeys(Status, 0)
        self._chosen_folds: dict[str, bool] = {}
        self._texts: dict[str, str] = {}
        self._arranging = Arranging(self._listing, self._rows, self.headed)

    # -- what the agent tells --

    def apply(self, rows: Iterable[JobRow], gone: Iterable[str] = ()) -> set[str]:
        """Takes new and changed rows and keys of rows that are gone; returns the keys touched."""
        rows = list(rows)
        touched = {row.key for row in rows}
        for row in self._replace(rows) if self._arranging.is_by_age else rows:
            self._put(row)
        for key in gone:
            if key in self._rows:
                self.marks.unmark(key)
                self._remove(self._rows[key])
                touched.add(key)
        for _ in self.every.settle():
            pass  # what is shown settles when it is read: this is what a filter hides
        return touched

    def _replace(self, rows: Iterable[JobRow]) -> Iterator[JobRow]:
        """Takes those rows that stand where they stood, and gives back the others.

        Most updates are of them, of hundreds of rows at once: here every look-up counts.
        """
        known, counts, texts = self._rows, self._counts, self._texts
        for row in rows:
            key = row.key
            old = known.get(key)
            if (
                old is None
                or old.created is None
                or old.created != row.created
                or old.set_id
                or row.set_id
            ):
                yield row
                continue
            known[key] = row
            if texts:
                texts.pop(key, None)
            if old.status is not row.status:
                counts[old.status] -= 1
                counts[row.status] += 1

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
        for listing in self._arranging.listings():
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
        for listing in self._arranging.listings():
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
            for listing in self._arranging.listings():
                listing.put(row, in_set)

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
        for listing in self._arranging.listings():
            listing.touch(set_id)

    def fold_all(self, folded: bool) -> None:
        """Folds or unfolds every set."""
        self._chosen_folds = dict.fromkeys(self._groups, folded)
        for listing in self._arranging.listings():
            listing.fold_all()

    # -- sorting and filtering --

    @property
    def sort(self) -> Sort:
        """The order that was asked for."""
        return self._arranging.sort

    @sort.setter
    def sort(self, sort: Sort) -> None:
        self._arranging.ask_for(sort, self._arranging.filter_text)

    @property
    def filter_text(self) -> str:
        """Words that a job must hold to be listed; empty lists all."""
        return self._arranging.filter_text

    @filter_text.setter
    def filter_text(self, text: str) -> None:
        self._arranging.ask_for(self._arranging.sort, text)

    @property
    def doing(self) -> str:
        """What is still being made of what was asked for: "filtering", "sorting" or ""."""
        return self._arranging.doing

    def work(self, seconds: float) -> bool:
        """Goes on with what was asked for, so long at most; true once it is listed."""
        return self._arranging.work(seconds)

    @property
    def every(self) -> Listing:
        """Each job, in the order that is there; only to be read."""
        return self._arranging.every

    @property
    def shown(self) -> Listing:
        """Those jobs that match; only to be read."""
        return self._arranging.shown

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
