"""When the history is read on between rounds, and when it is looked through again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from qtower.desk.budget import Budget
from qtower.desk.cadence import Cadence
from qtower.desk.faults import endpoint_errors
from qtower.desk.history import History
from qtower.desk.setbacks import Setbacks
from qtower.errors import NetworkError, QtowerError

logger = logging.getLogger(__name__)

_BREATH = 0.01  # s between pages, for whoever waits for this process
_AGAIN_SECONDS = 1.0  # after a failure that the next round tells
_CENSUS_SECONDS = 2.0  # so long a refresh waits to learn what was deleted


class ReadingBack:
    """Reads the history a page at a time. A page that fails slows down the history alone."""

    def __init__(
        self, history: History, budget: Budget, cadence: Cadence, completed: Callable[[], None]
    ) -> None:
        """`completed` is called when every job of the endpoint has been read once."""
        self._history = history
        self._budget = budget
        self._cadence = cadence
        self._completed = completed
        self._setbacks = Setbacks()
        self._waits_until = 0.0
        self._next_census = 0.0
        self.slowed = ""
        """Why it waits, in words; empty if it does not."""

    @property
    def complete(self) -> bool:
        """Every job of the endpoint has been read once."""
        return self._history.complete

    @property
    def pending(self) -> bool:
        """Whether there is more to read."""
        return self._history.pending

    def read_on(self, now: float, *, awaited: bool) -> float:
        """Reads a page, if it may be asked for, and returns s until the next.

        Somebody who waits for it (`awaited`) borrows. Whether the endpoint is there is shown by
        rounds.
        """
        wait = self._waits_until - now
        if wait <= 0 and not awaited:
            wait = self._budget.delay()
        if wait > 0:
            return wait
        try:
            with endpoint_errors():
                self.read_page()
        except NetworkError as error:
            setback = self._setbacks.met(error, was_live=True)
            self._waits_until = now + setback.pause
            # Told with the rounds, whose time is not that of the next try.
            self.slowed = f"reading earlier jobs: {setback.problem} It is tried again."
            return setback.pause
        except QtowerError as error:
            logger.info("the history waits: %s", error)  # the next round fails by it, and says so
            self._waits_until = now + _AGAIN_SECONDS
            return _AGAIN_SECONDS
        self._setbacks.over()
        self.slowed = ""
        return _BREATH

    def look_through(self, now: float, *, refreshing: bool, closed: Callable[[], bool]) -> None:
        """What a round has of it: a census when it is time. `refreshing` waits for that a while."""
        if self.complete and (refreshing or now >= self._next_census):
            self._history.begin_census()
            self._next_census = now + self._cadence.census
        end = now + _CENSUS_SECONDS
        while refreshing and self.pending and time.monotonic() < end and not closed():
            self.read_page()

    def read_page(self) -> None:
        """Reads a page now; raises what the endpoint makes of it."""
        before = self.complete
        self._history.read_page()
        if self.complete and not before:
            self._next_census = time.monotonic() + self._cadence.census  # this was one
            self._completed()
