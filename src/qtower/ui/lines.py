"""The lines of a listing as a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

from qtower.ui.listing import Entry, Listing


class Lines(Sequence[Entry]):
    """The lines of the list, each found when it is asked for."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def __len__(self) -> int:
        return len(self._listing)

    @overload
    def __getitem__(self, line: int) -> Entry: ...

    @overload
    def __getitem__(self, line: slice) -> list[Entry]: ...

    def __getitem__(self, line: int | slice) -> Entry | list[Entry]:
        if isinstance(line, slice):
            return [self._listing.at(each) for each in range(*line.indices(len(self)))]
        return self._listing.at(line + len(self) if line < 0 else line)
