"""Tells the agent what a person looks at, so that it is read first."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtower.model import Look
from qtower.ui.listing import Entry

AT_MOST_EVERY = 0.5
"""Seconds between two requests."""


class Gaze:
    """What was looked at when the agent was told last, and what has to be told.

    Args:
        send: Sends the request.
        later: Calls back after so many seconds.
    """

    def __init__(
        self, send: Callable[[Look], None], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._send = send
        self._later = later
        self._now = Look()
        self._told: Look | None = None
        self._waits = False

    def rest_on(self, entries: Iterable[Entry], cursor: Entry | None) -> None:
        """What is visible now, and what is under the cursor."""
        keys = [entry.key for entry in entries if not entry.is_set]
        self._now = Look(keys=keys, cursor=cursor.key if cursor is not None else "")
        if not self._waits:
            self._tell()

    def forget(self) -> None:
        """The agent is another one, which was told nothing yet."""
        self._told = None
        if not self._waits:
            self._tell()

    def _tell(self) -> None:
        self._waits = False
        if self._now != (self._told or Look()):
            self._told = self._now
            self._waits = True
            self._send(self._now)
            self._later(AT_MOST_EVERY, self._tell)
