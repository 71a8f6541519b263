"""The lines of the list in one order, under one filter: kept up to date row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from itertools import chain
from typing import Any, NamedTuple

from qtower.model import JobRow
from qtower.ui.blocks import SortedBlocks
from qtower.ui.groups import Group
from qtower.ui.marks import Marks
from qtower.ui.sorting import Sort, moment

_SET_ID, _KEY = 3, 4
"""Where they stand in a key of `SortedBlocks`, as `Sort` makes them."""


_FEW = 1000  # marks


class Entry(NamedTuple):
    """A line of the list: a job, or a set if `key` is empty. It is its own identity."""

    set_id: str
    key: str

    @property
    def is_set(self) -> bool:
        """True for the row of a set."""
        return not self.key


class Place(NamedTuple):
    """Where a line stands in an order, or would stand: its keys of `SortedBlocks`."""

    head: tuple[Any, ...]  # of the job, or of the row of its set
    member: tuple[Any, ...] | None  # among the jobs of its set; None for a line that has no set


class Section:
    """The listed jobs of a set under its row."""

    def __init__(self, sort: Sort) -> None:
        self.head: tuple[Any, ...] | None = None  # where its row stands; None: not put there yet
        self.folded = False
        self.placed: dict[str, tuple[Any, ...]] = {}
        self.jobs = SortedBlocks(sort.descending and not sort.is_by_age)

    @property
    def height(self) -> int:
        """Lines of the set, its row included."""
        return 1 if self.folded else 1 + len(self.placed)


class Listing:
    """What is listed of all rows, and where.

    Args:
        sort: The order.
        words: What a job must hold to be listed, in lower case.
        text_of: A job's text, in lower case, in which the words are looked for.
        groups: The sets of which jobs are known.
        folded: Whether the jobs of a set are hidden, given its id and whether a filter is set.
    """

    def __init__(
        self,
        sort: Sort,
        words: tuple[str, ...],
        text_of: Callable[[JobRow], str],
        groups: Mapping[str, Group],
        folded: Callable[[str, bool], bool],
    ) -> None:
        self.sort = sort
        self.words = words
        self._text_of = text_of
        self._groups = groups
        self._folded = folded
        self._heads = SortedBlocks(sort.descending)
        self._placed: dict[str, tuple[Any, ...]] = {}  # jobs that stand for themselves
        self._sections: dict[str, Section] = {}
        self._unsettled: set[str] = set()  # sets whose row may stand elsewhere, or fold otherwise
        self._under_sets = 0

    # -- rows come and go --

    def put(self, row: JobRow, in_set: bool) -> None:
        """Takes a new or changed row; `in_set`: it stands under the row of its set."""
        if in_set:
            self._take_out(row.key, row.set_id)
            self._put_under_set(row)
            return
        old = self._placed.get(row.key)
        new = None
        if self.matches(row):
            made = moment(row)
            value = -made if self.sort.is_by_age else self.sort.column.value(row)
            new = self.sort.head_key(value, made, row.set_id, row.key)
        if old != new or (row.set_id and row.set_id in self._sections):
            self.remove(row.key, row.set_id)
            if new is not None:
                self._heads.add(new)
                self._placed[row.key] = new

    def keeps(self, old: JobRow, row: JobRow) -> bool:
        """True if a job of no set stands where it stood, known without looking for it."""
        if self.words or not self.sort.is_by_age or old.set_id:
            return False
        return moment(old) == moment(row)

    def remove(self, key: str, set_id: str) -> None:
        """Takes out a row, if it is listed."""
        self._take_out(key, set_id)
        section = self._sections.get(set_id)
        if section is not None and key in section.placed:
            section.jobs.remove(section.placed.pop(key))
            self._under_sets -= 1
        if set_id:
            self._unsettled.add(set_id)

    def matches(self, row: JobRow) -> bool:
        """True if the row holds all the words."""
        if not self.words:
            return True
        text = self._text_of(row)
        return all(word in text for word in self.words)

    def touch(self, set_id: str) -> None:
        """The set may be folded otherwise than before."""
        self._unsettled.add(set_id)

    def fold_all(self) -> None:
        """Every set may be folded otherwise than before."""
        heads = {}
        for set_id, section in self._sections.items():
            if section.head is not None:
                section.folded = self._folded(set_id, bool(self.words))
                heads[section.head] = section.height
        self._heads.resize_many(heads)

    def _put_under_set(self, row: JobRow) -> None:
        self._unsettled.add(row.set_id)
        section = self._sections.get(row.set_id)
        old = section.placed.get(row.key) if section is not None else None
        new = self.sort.member_key(row) if self.matches(row) else None
        if old == new:
            return
        if section is None:
            section = self._sections[row.set_id] = Section(self.sort)
        if old is not None:
            section.jobs.remove(old)
            del section.placed[row.key]
            self._under_sets -= 1
        if new is not None:
            section.jobs.add(new)
            section.placed[row.key] = new
            self._under_sets += 1

    def _take_out(self, key: str, set_id: str) -> None:
        old = self._placed.get(key)
        if old is not None and old[_SET_ID] == set_id:
            self._heads.remove(old)
            del self._placed[key]

    # -- the rows of sets --

    def settle(self) -> Iterator[None]:
        """Puts rows of sets where they belong now, step by step."""
        while self._unsettled:
            self._settle_one(self._unsettled.pop())
            yield

    def _settled(self) -> None:
        for _ in self.settle():
            pass

    def _settle_one(self, set_id: str) -> None:
        section = self._sections.get(set_id)
        if section is None:
            return
        if not section.placed:
            if section.head is not None:
                self._heads.remove(section.head)
            del self._sections[set_id]
            return
        head = self._groups[set_id].head_key(self.sort)
        section.folded = self._folded(set_id, bool(self.words))
        if head == section.head:
            self._heads.resize(head, section.height)
            return
        if section.head is not None:
            self._heads.remove(section.head)
        section.head = head
        self._heads.add(head, section.height)

    # -- the lines --

    @property
    def matching(self) -> int:
        """How many jobs are listed, folded ones included."""
        return len(self._placed) + self._under_sets

    def matching_keys(self) -> Iterator[str]:
        """The jobs that are listed, folded ones included, in no order."""
        return chain(self._placed, *(section.placed for section in self._sections.values()))

    def hidden(self, marks: Marks) -> int:
        """How many marked jobs are not listed; those that a set folds are."""
        if not self.words:
            return 0
        if len(marks) < _FEW:
            return sum(self._hides(keys, set_id) for set_id, keys in marks.by_set.items())
        # Asked of those that are listed: sets of a hundred thousand keys take a quarter second.
        return len(marks) - sum(map(marks.keys.__contains__, self.matching_keys()))

    def _hides(self, keys: Set[str], set_id: str) -> int:
        section = self._sections.get(set_id)
        hidden = keys - self._placed.keys()
        return len(hidden - section.placed.keys() if section is not None else hidden)

    def keys_under(self, set_id: str) -> list[str]:
        """The jobs of a set that are listed under its row, or would be if it were not folded."""
        section = self._sections.get(set_id)
        return list(section.placed) if section is not None else []

    def count_under(self, set_id: str) -> int:
        """How many `keys_under` would give."""
        section = self._sections.get(set_id)
        return len(section.placed) if section is not None else 0

    def __len__(self) -> int:
        self._settled()
        return self._heads.height

    def at(self, line: int) -> Entry:
        """What stands on a line, from 0.

        Raises:
            IndexError: There are not so many lines.
        """
        self._settled()
        head, below = self._heads.at(line)
        set_id = head[_SET_ID]
        if not below:
            return Entry(set_id, head[_KEY])
        return Entry(set_id, self._sections[set_id].jobs.at(below - 1)[0][_KEY])

    def position(self, entry: Entry) -> int | None:
        """The line that shows `entry`, or None if none does."""
        self._settled()
        lone = self._placed.get(entry.key)
        if lone is not None and lone[_SET_ID] == entry.set_id:
            return self._heads.line_of(lone)
        section = self._sections.get(entry.set_id)
        if section is None or section.head is None:
            return None
        if entry.is_set:
            return self._heads.line_of(section.head)
        place = section.placed.get(entry.key)
        if place is None or section.folded:
            return None
        return self._heads.line_of(section.head) + 1 + section.jobs.line_of(place)

    def place_of(self, entry: Entry) -> Place | None:
        """Where `entry` stands in this order, folded or not; of a job that is not here, its set."""
        self._settled()
        lone = self._placed.get(entry.key)
        if lone is not None:
            return Place(lone, None)
        section = self._sections.get(entry.set_id)
        if section is None or section.head is None:
            return None
        return Place(section.head, section.placed.get(entry.key))

    def line_near(self, entry: Entry, place: Place) -> int:
        """The line of `entry`; if there is none, of its nearest neighbour by `place` in this order.

        That is the row of its set if it is folded, else what follows in its set or else precedes;
        without its set, what follows the place, or the last line.
        """
        line = self.position(entry)
        if line is not None:
            return line
        section = self._sections.get(entry.set_id)
        if section is None or section.head is None:
            return max(0, min(self._heads.line_for(place.head), self._heads.height - 1))
        line = self._heads.line_of(section.head)
        if section.folded or place.member is None:
            return line
        return line + 1 + min(section.jobs.line_for(place.member), len(section.placed) - 1)
