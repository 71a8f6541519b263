"""Whether there is room for results: where there is none, they are better left at the endpoint.

An endpoint may hand a result out once: what is read while it cannot be kept is lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from qtower.desk.kept_results import KeptResults
from qtower.errors import StorageError

_LOOK_SECONDS = 10.0  # from one look to the next
_REST_SECONDS = 60.0  # after a result for which there was not enough

_LEFT = "The results of jobs stay at the endpoint until there is room; then they are read."


class ResultRoom:
    """Looks now and then, and says when it has changed. Safe for all threads."""

    def __init__(
        self,
        kept: KeptResults,
        warn: Callable[[str, str], object],
        inform: Callable[[str, str], object],
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """`warn` and `inform` are told a title and a sentence; `ticks` are seconds."""
        self._kept = kept
        self._warn, self._inform = warn, inform
        self._ticks = ticks
        self._lock = threading.Lock()
        self._there = True
        self._next_look = ticks()

    def there_is(self) -> bool:
        """Whether results can be kept, as far as a look of a moment ago tells."""
        with self._lock:
            if self._ticks() < self._next_look:
                return self._there
            why = self._kept.obstacle()
            was_there, self._there = self._there, not why
            self._next_look = self._ticks() + _LOOK_SECONDS
        if why and was_there:
            self._warn("Results not kept", f"{why} {_LEFT}")
        elif not why and not was_there:
            self._inform("Results kept again", "The results of jobs are read and kept again.")
        return not why

    def missed(self, problem: StorageError) -> None:
        """A result was read and could not be kept."""
        with self._lock:
            was_there, self._there = self._there, False
            self._next_look = self._ticks() + _REST_SECONDS
        if was_there:
            self._warn("Results not kept", f"{problem} {_LEFT}")
