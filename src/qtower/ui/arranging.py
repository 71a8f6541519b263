"""The order and the filter that are listed, and those that are being made beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from time import perf_counter

from qtower.model import JobRow
from qtower.ui.listing import Listing
from qtower.ui.sorting import Sort

AT_ONCE = 500
"""So many rows are sorted or filtered at once: nobody waits for a short list."""

_STEPS = 16
"""Rows between two looks at the clock."""


class Arranging:
    """What is listed of all rows, in what order, and what will be.

    `every` lists each job in the order that is there, `shown` those that match.

    Args:
        listing: Makes an empty list of an order and the words that a job must hold.
        rows: All jobs by key.
        headed: Whether the jobs of a set, given its id, stand under a row of the set.
    """

    def __init__(
        self,
        listing: Callable[[Sort, tuple[str, ...]], Listing],
        rows: Mapping[str, JobRow],
        headed: Callable[[str], bool],
    ) -> None:
        self.sort = Sort()
        self.filter_text = ""
        self._words: tuple[str, ...] = ()
        self._listing = listing
        self._rows = rows
        self._headed = headed
        self.every = listing(self.sort, ())
        self.shown = self.every
        self._next: tuple[Listing, Listing] | None = None  # what becomes of both when it is made
        self._making: Iterator[None] = iter(())

    def ask_for(self, sort: Sort, filter_text: str) -> None:
        """Begins to make lists of an order and a filter, if they are not those that are there."""
        words = tuple(filter_text.casefold().split())
        other = sort != self.sort or words != self._words
        self.sort, self.filter_text, self._words = sort, filter_text, words
        if other:
            self._begin()

    @property
    def doing(self) -> str:
        """What is still being made of what was asked for: "filtering", "sorting" or ""."""
        if self._next is None:
            return ""
        filtered = self._words and self._words != self.shown.words
        return "filtering" if filtered or self.sort == self.shown.sort else "sorting"

    @property
    def is_by_age(self) -> bool:
        """True if all that is listed or made is listed by age, and nothing is filtered."""
        return self._next is None and self.shown is self.every and self.every.sort.is_by_age

    def listings(self) -> Iterable[Listing]:
        """All that are shown or being made: each of them once."""
        if self._next is None and self.shown is self.every:
            return (self.every,)
        return {self.every, self.shown, *(self._next or ())}

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
        every = self.every
        keys: dict[Listing, Iterable[str]] = {}
        if every.sort != self.sort:
            every = self._listing(self.sort, ())
            keys[every] = list(self._rows)
        shown = every
        if self._words:
            shown = self._listing(self.sort, self._words)
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
                    listing.put(row, self._headed(row.set_id))
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
