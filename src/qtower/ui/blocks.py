"""A sorted sequence in which every item takes up a number of lines: the order of a long list.

Items lie in blocks of a few hundred, so that putting one in or taking one out moves few others,
and a line is found by the heights of the blocks first.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, TypeAlias

Key: TypeAlias = tuple[Any, ...]
"""What is sorted: tuples that differ and can be compared."""

_LARGEST = 512


class SortedBlocks:
    """Keys in ascending order, or in descending order if `descending`; one line each at first."""

    def __init__(self, descending: bool = False) -> None:
        self._descending = descending
        self._blocks: list[list[Key]] = []
        self._lasts: list[Key] = []  # of each block
        self._heights: list[int] = []  # of each block, in lines
        self._tall: dict[Key, int] = {}  # lines of the keys that take up more than one
        self._ends: list[int] | None = None  # of each block; None: not summed up since a change
        self._inner: dict[int, list[int]] = {}  # ends of the keys of blocks that were looked into

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def __iter__(self) -> Iterator[Key]:
        """The keys as they are listed."""
        if not self._descending:
            for block in self._blocks:
                yield from block
        else:
            for block in reversed(self._blocks):
                yield from reversed(block)

    @property
    def height(self) -> int:
        """All lines."""
        ends = self._sum_up()
        return ends[-1] if ends else 0

    def add(self, key: Key, height: int = 1) -> None:
        """Puts in a key that is not there yet."""
        if not self._blocks:
            self._blocks.append([key])
            self._lasts.append(key)
            self._heights.append(0)
            number = 0
        else:
            number = min(bisect_left(self._lasts, key), len(self._blocks) - 1)
            block = self._blocks[number]
            insort(block, key)
            self._lasts[number] = block[-1]
        if height != 1:
            self._tall[key] = height
        self._changed(number, height)
        if len(self._blocks[number]) > _LARGEST:
            self._split(number)

    def remove(self, key: Key) -> None:
        """Takes out a key that is there."""
        number = bisect_left(self._lasts, key)
        block = self._blocks[number]
        del block[bisect_left(block, key)]
        self._changed(number, -self._tall.pop(key, 1))
        if block:
            self._lasts[number] = block[-1]
        else:
            del self._blocks[number], self._lasts[number], self._heights[number]
            self._inner.clear()

    def resize(self, key: Key, height: int) -> None:
        """Gives a key that is there another height."""
        before = self._tall.pop(key, 1)
        if height != 1:
            self._tall[key] = height
        if height != before:
            self._changed(bisect_left(self._lasts, key), height - before)

    def line_of(self, key: Key) -> int:
        """The first line of a key that is there, from 0."""
        before = self._lines_below(key)
        return self.height - before - self._tall.get(key, 1) if self._descending else before

    def line_for(self, key: Key) -> int:
        """The line where a key that is not there would stand; the height if behind all others."""
        before = self._lines_below(key)
        return self.height - before if self._descending else before

    def _lines_below(self, key: Key) -> int:
        """The lines of all keys that are less."""
        number = bisect_left(self._lasts, key)
        if number == len(self._blocks):
            return self.height
        block = self._blocks[number]
        place = bisect_left(block, key)
        before = self._sum_up()[number] - self._heights[number]
        if self._heights[number] == len(block):
            return before + place
        return before + self._ends_within(number)[place - 1] if place else before

    def at(self, line: int) -> tuple[Key, int]:
        """The key that takes up a line, and which of its lines that is.

        Raises:
            IndexError: There are not so many lines.
        """
        ends = self._sum_up()
        if not ends or not 0 <= line < ends[-1]:
            raise IndexError(line)
        if self._descending:
            line = ends[-1] - 1 - line
        number = bisect_right(ends, line)
        block = self._blocks[number]
        rest = line - (ends[number] - self._heights[number])
        if self._heights[number] == len(block):
            return block[rest], 0
        within = self._ends_within(number)
        key = block[bisect_right(within, rest)]
        height = self._tall.get(key, 1)
        rest -= within[bisect_right(within, rest)] - height
        return key, (height - 1 - rest if self._descending else rest)

    def resize_many(self, heights: Mapping[Key, int]) -> None:
        """Gives many keys that are there other heights, at the cost of one look at all."""
        tall = self._tall
        tall.update(heights)
        self._heights = [sum(tall.get(key, 1) for key in block) for block in self._blocks]
        self._ends = None
        self._inner.clear()

    def _changed(self, number: int, lines: int) -> None:
        self._heights[number] += lines
        self._ends = None
        self._inner.pop(number, None)

    def _split(self, number: int) -> None:
        block = self._blocks[number]
        half = len(block) // 2
        parts = [block[:half], block[half:]]
        self._blocks[number : number + 1] = parts
        self._lasts[number : number + 1] = [part[-1] for part in parts]
        heights = [sum(self._tall.get(key, 1) for key in part) for part in parts]
        self._heights[number : number + 1] = heights
        self._inner.clear()

    def _sum_up(self) -> list[int]:
        if self._ends is None:
            self._ends = list(accumulate(self._heights))
        return self._ends

    def _ends_within(self, number: int) -> list[int]:
        if number not in self._inner:
            tall = self._tall
            ends = list(accumulate(tall.get(key, 1) for key in self._blocks[number]))
            self._inner[number] = ends
        return self._inner[number]
