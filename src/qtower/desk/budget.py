"""Who may ask an endpoint, and who waits: the requests of an account, at most so many a minute.

A token bucket holds a third of a minute's requests and fills with two thirds of them a minute:
after a rest they may come at once, and no minute has more than it may. All qtowers of an account
on this machine have one bucket (`qtower.desk.tally`, and where it lies: `tally_places`).

Every request of every session of an account passes through its budget. Who asks decides what
happens when nothing is left: a person is served at once and borrows, up to a minute's worth; a
submission waits its turn; the poller asks beforehand and does something else meanwhile. Where both
want more than there is, three requests of submissions, which make a job, go before one of a
poller, whichever processes these are.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

from qtower.desk.tally import Tally
from qtower.desk.tally_places import OwnTally, SharedTally, TallyPlace

_LONGEST_WAIT = 1.0  # s, before it is looked at again whether to wait: others change it too


class Urgency(Enum):
    """On whose account a thread asks."""

    PERSON = "person"  # never waits behind anybody; the default
    SUBMISSION = "submission"  # waits until there is something left
    POLLER = "poller"  # has waited already, by `Budget.delay`


class Budget:
    """The requests of an account, at most `per_minute` in any minute, and what persons borrow.

    Safe for all threads; once it is shared, for all processes.
    """

    def __init__(
        self, per_minute: int | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """With None there is no limit, and requests are counted all the same.

        `clock` is one that other processes have, too.
        """
        self._clock = clock
        self._changed = threading.Condition()
        self._place: TallyPlace = OwnTally(Tally(per_minute, clock()))
        self._shared_in: Path | None = None
        self._allowed = per_minute  # what this process was told last
        self._submissions = 0  # threads that wait in `take`,
        self._persons = 0  # and of those as persons
        self._waiting: dict[int, float] = {}  # threads that stand in line, and since when
        self._paid: set[int] = set()  # threads whose next request is paid for
        self.count = 0  # of all requests that this process ever made

    def share(self, file: Path) -> None:
        """From now on it is one with those of all processes that name this file.

        If that cannot be made or written, this process has a budget of its own.
        """
        with self._changed:
            if file == self._shared_in:
                return
            self._place.close()
            self._place = SharedTally(file, Tally(self._allowed, self._clock()))
            self._shared_in, self._allowed = file, None

    def close(self) -> None:
        """Lets go of the file; from now on it is a budget of its own."""
        with self._changed:
            self._place.close()

    @property
    def per_minute(self) -> int | None:
        """The limit, whoever set it; None: there is none."""
        with self._tally() as tally:
            return tally.per_minute

    def allow(self, per_minute: int | None) -> None:
        """Sets the limit, for all that share it, if it is news to this process.

        The bucket is full then but for what the last minute had.
        """
        with self._changed:
            if per_minute == self._allowed:
                return  # another process may have been told otherwise since
            self._allowed = per_minute
            with self._tally() as tally:
                if per_minute != tally.per_minute:
                    tally.allow(per_minute)
            self._changed.notify_all()

    def take(self) -> None:
        """Counts a request of this thread, and waits before it as the thread's urgency says.

        A person waits only when a minute's worth has been borrowed.
        """
        urgency = getattr(_thread, "urgency", Urgency.PERSON)
        submits, asks = urgency is Urgency.SUBMISSION, urgency is Urgency.PERSON
        with self._changed:
            self._submissions += submits
            self._persons += asks
            try:
                while (seconds := self._try(urgency)) > 0:
                    self._changed.wait(min(seconds, _LONGEST_WAIT))
            finally:
                self._submissions -= submits
                self._persons -= asks

    def spend(self) -> None:
        """Counts a request that is made whatever is left: a repetition within a request."""
        with self._tally() as tally:
            self._spend(tally)

    def delay(self, urgency: Urgency = Urgency.POLLER) -> float:
        """Seconds until this thread may ask; 0: now, and its next request is paid for.

        For the poller it books a place before submissions till then, unless it is the turn of
        those that wait.
        """
        with self._tally() as tally:
            if self._is_paid():
                return 0.0
            seconds = self._pay(tally, urgency)
            if not seconds:
                self._paid.add(threading.get_ident())
            return seconds

    def give_back(self) -> None:
        """This thread does not ask after all, if its next request is paid for."""
        if self._is_paid():
            with self._tally() as tally:
                self._paid.discard(threading.get_ident())
                tally.give_back()

    @property
    def keeps_persons(self) -> bool:
        """Whether a thread waits as a person does: a minute's worth has been borrowed."""
        with self._changed:
            return self._persons > 0

    def room(self) -> int | None:
        """Requests that may be made now without borrowing; None: any number."""
        with self._tally() as tally:
            return max(0, int(tally.left + self._is_paid())) if tally.per_minute else None

    def hold(self, seconds: float) -> None:
        """Leaves the endpoint alone, except for what persons ask."""
        with self._tally() as tally:
            tally.hold(seconds)

    def held(self) -> float:
        """Seconds that the endpoint is still left alone, whichever process was told so."""
        with self._tally() as tally:
            return tally.held

    def wait(self) -> float:
        """Seconds that a submission has to wait now for its next request."""
        with self._tally() as tally:
            return tally.until_submission()

    def used(self) -> int:
        """Requests in the last minute."""
        with self._tally() as tally:
            return max(0, tally.used - len(self._paid))

    @contextlib.contextmanager
    def _tally(self) -> Iterator[Tally]:
        with self._changed, self._place as tally:
            tally.move_to(self._clock())
            yield tally

    def _try(self, urgency: Urgency) -> float:
        """Counts a request if it may be made, or returns the seconds until it may."""
        with self._tally() as tally:
            if urgency is Urgency.POLLER or self._is_paid():
                self._spend(tally)
            elif seconds := self._pay(tally, urgency):
                return seconds
            else:
                self.count += 1
            return 0.0

    def _pay(self, tally: Tally, urgency: Urgency) -> float:
        """Pays for a request if it may be made, or returns the seconds until it may."""
        if urgency is Urgency.PERSON:
            seconds = tally.until_person()
        elif urgency is Urgency.POLLER:
            thread = threading.get_ident()
            since = min(self._waiting.pop(thread, tally.now), tally.now)
            seconds = tally.until_poller(since, wanted=self._submissions > 0)
            if seconds:
                self._waiting[thread] = since
        elif seconds := tally.until_submission():
            tally.want()
        else:
            tally.take_turn()
        if not seconds:
            tally.spend()
        return seconds

    def _is_paid(self) -> bool:
        return threading.get_ident() in self._paid

    def _spend(self, tally: Tally) -> None:
        if self._is_paid():
            self._paid.discard(threading.get_ident())
        else:
            tally.spend()
        self.count += 1


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
