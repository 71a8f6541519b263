"""How many requests an account may make: a token bucket, and the count that is shown of it.

The bucket holds a third of a minute's requests and fills with two thirds of them a minute: after a
rest they may come at once, and no minute has more than it may.

Every request of every session of an account passes through its budget. Who asks decides what
happens when nothing is left: a person is served at once and borrows, up to a minute's worth; a
submission waits its turn; the poller asks beforehand and does something else meanwhile. Where both
want more than there is, three requests of submissions, which make a job, go before one of the
poller.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from enum import Enum

_MINUTE = 60.0
_BURST = 1 / 3
_LONGEST_WAIT = 1.0  # s, before it is looked at again whether to wait
_TURNS = 3  # requests of submissions before one of the poller: create, upload, notify


class Urgency(Enum):
    """On whose account a thread asks."""

    PERSON = "person"  # never waits behind anybody; the default
    SUBMISSION = "submission"  # waits until there is something left
    POLLER = "poller"  # has waited already, by `Budget.delay`


class Budget:
    """The requests of an account, at most `per_minute` in any minute, and what persons borrow.

    Safe for all threads.
    """

    def __init__(
        self, per_minute: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """With None there is no limit, and requests are counted all the same."""
        self._clock = clock
        self._changed = threading.Condition()
        self._per_minute = per_minute
        self._left = _BURST * (per_minute or 0)
        self._filled = clock()
        self._booked = False  # the poller stands in line before submissions
        self._submissions = 0  # threads that wait in `take`
        self._turns = 0  # requests of submissions since the poller could go
        self._held_until = 0.0
        self.count = 0  # of all requests ever
        self._counts: deque[tuple[int, int]] = deque()  # second, requests in it

    @property
    def per_minute(self) -> int | None:
        """The limit; None: there is none."""
        return self._per_minute

    def allow(self, per_minute: int | None) -> None:
        """Sets the limit. The bucket is full when it is set first, or changes."""
        with self._changed:
            if per_minute != self._per_minute:
                self._per_minute, self._left = per_minute, _BURST * (per_minute or 0)
                self._filled = self._clock()
                self._changed.notify_all()

    def take(self) -> None:
        """Counts a request of this thread, and waits before it as the thread's urgency says.

        A person waits only when a minute's worth has been borrowed.
        """
        urgency = getattr(_thread, "urgency", Urgency.PERSON)
        with self._changed:
            if urgency is Urgency.SUBMISSION:
                self._submissions += 1
                try:
                    self._wait(self._submission_waits)
                finally:
                    self._submissions -= 1
                self._turns += 1
            elif urgency is Urgency.PERSON:
                self._wait(lambda: self._seconds_until(1.0 - (self._per_minute or 0)))
            self._spend()

    def spend(self) -> None:
        """Counts a request that is made whatever is left: a repetition within a request."""
        with self._changed:
            self._spend()

    def delay(self) -> float:
        """Seconds until the poller may ask; 0: now. Books a place before submissions till then,
        unless it is the turn of those that wait."""
        with self._changed:
            yields = self._submissions > 0 and self._turns < _TURNS and not self._booked
            seconds = max(self._seconds_until(2.0 if yields else 1.0), self._held(), 0.0)
            self._booked = seconds > 0 and not yields
            if not seconds:
                self._turns = 0
            return seconds

    def room(self) -> int | None:
        """Requests that may be made now without borrowing; None: any number."""
        with self._changed:
            if not self._per_minute:
                return None
            self._seconds_until(0.0)
            return max(0, int(self._left))

    def hold(self, seconds: float) -> None:
        """Leaves the endpoint alone, except for what persons ask."""
        with self._changed:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def wait(self) -> float:
        """Seconds that a submission has to wait now for its next request."""
        with self._changed:
            return max(self._submission_waits(), 0.0)

    def used(self) -> int:
        """Requests in the last minute."""
        with self._changed:
            self._forget()
            return sum(count for _, count in self._counts)

    def _wait(self, left: Callable[[], float]) -> None:
        while (seconds := left()) > 0:
            self._changed.wait(min(seconds, _LONGEST_WAIT))

    def _submission_waits(self) -> float:
        return max(self._seconds_until(2.0 if self._booked else 1.0), self._held())

    def _held(self) -> float:
        return self._held_until - self._clock()

    def _seconds_until(self, tokens: float) -> float:
        """Seconds until so many are left."""
        if not self._per_minute:
            return 0.0
        now, rate = self._clock(), (1.0 - _BURST) * self._per_minute / _MINUTE
        self._left = min(_BURST * self._per_minute, self._left + (now - self._filled) * rate)
        self._filled = now
        return max(0.0, (tokens - self._left) / rate)

    def _spend(self) -> None:
        self._seconds_until(0.0)
        self._left -= 1.0
        self.count += 1
        self._forget()
        second = int(self._clock())
        if self._counts and self._counts[-1][0] == second:
            self._counts[-1] = (second, self._counts[-1][1] + 1)
        else:
            self._counts.append((second, 1))

    def _forget(self) -> None:
        oldest = self._clock() - _MINUTE
        while self._counts and self._counts[0][0] <= oldest:
            self._counts.popleft()


_thread = threading.local()


@contextlib.contextmanager
def asking_as(urgency: Urgency) -> Iterator[None]:
    """What this thread asks inside the `with`, it asks so urgently."""
    before = getattr(_thread, "urgency", Urgency.PERSON)
    _thread.urgency = urgency
    try:
        yield
    finally:
        _thread.urgency = before


@contextlib.contextmanager
def charging(budget: Budget) -> Iterator[None]:
    """Sessions that this thread makes inside the `with` belong to `budget`."""
    _thread.budget = budget
    try:
        yield
    finally:
        del _thread.budget


def budget_of_thread() -> Budget:
    """The budget that a session made now belongs to; without `charging` one that has no limit."""
    return getattr(_thread, "budget", None) or Budget()
