"""What becomes of news: from the poller, a submission or the journal, to whoever wants to know."""

from __future__ import annotations

import threading
from collections.abc import Callable

from qtower.desk.account_session import AccountSession
from qtower.desk.bulletin import Bulletin
from qtower.desk.journal import Journal
from qtower.desk.registry import Changes, Registry
from qtower.desk.result_fetching import ResultFetching
from qtower.desk.set_requests import SetRequests
from qtower.errors import AccountError, NetworkError
from qtower.model import Connection, Link


class Watching:
    """Whom the poller tells (`qtower.desk.intake.Watch`). Safe for all threads."""

    def __init__(self, bulletin: Bulletin, session: AccountSession, registry: Registry) -> None:
        self._bulletin = bulletin
        self._session = session
        self._registry = registry
        self._changed = threading.Condition()
        self._caught_up = False
        self._closed = False
        self._offer: Callable[[], object] = lambda: None
        self._journal: Journal | None = None
        self._sets: SetRequests | None = None
        self._fetching: ResultFetching | None = None

    def begin(
        self,
        journal: Journal,
        sets: SetRequests,
        fetching: ResultFetching | None,
        offer: Callable[[], object],
    ) -> None:
        """There is somebody who wants to know from now on.

        `fetching` reads results by itself; `offer` sees to what was not sent, once it is known
        what the endpoint has.
        """
        self._journal, self._sets, self._fetching = journal, sets, fetching
        self._offer = offer
        journal.results.tell = lambda id: self.changed(lambda: self._registry.mark_saved(id))
        journal.results.tell_gone = lambda names: self.changed(
            lambda: self._registry.mark_gone(names)
        )
        journal.watch(self._journal_moved)
        self._journal_moved()  # it may be in memory already, or again in its file

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._fetching is not None:
            self._fetching.close()

    def wait_ready(self, timeout: float) -> Connection:
        """As `Desk.wait_ready`."""
        with self._changed:
            self._changed.wait_for(
                lambda: (
                    self._caught_up
                    or self._closed
                    or self._bulletin.connection.link in (Link.OFFLINE, Link.REFUSED)
                ),
                timeout,
            )
            connection = self._bulletin.connection
        if connection.link is Link.REFUSED:
            raise AccountError(*self._session.words_of_problem(connection.detail))
        if connection.link is Link.OFFLINE:
            raise NetworkError(*self._session.words_of_problem(connection.detail))
        if not self._caught_up:
            raise NetworkError(f"Not all jobs could be read within {timeout:.0f} s.")
        return connection

    # -- jobs -----------------------------------------------------------------------------------

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        """Takes changes in and publishes them, before anybody else may publish."""
        changes = self._bulletin.publish(take_in)
        if self._fetching is not None:
            self._fetching.note(changes)
        return changes

    def announce(self, changes: Changes) -> None:
        """Publishes rows that a submission changed, as they are by now: a poll may have been
        quicker with news of them."""

        def as_they_are() -> Changes:
            return Changes(rows=self._registry.rows_of([row.key for row in changes.rows]))

        self.changed(as_they_are)

    def caught_up(self) -> None:
        """All jobs were read: what was meant to be sent and did not arrive, never will."""
        self._offer()
        with self._changed:
            self._caught_up = True
            self._changed.notify_all()

    # -- the way to them ------------------------------------------------------------------------

    def connected(
        self,
        link: Link,
        detail: str,
        confirmed: float | None,
        *,
        slowed: str = "",
        fresh_for: float | None = None,
    ) -> None:
        """Notes and publishes how the connection stands."""
        back = link is Link.LIVE and self._bulletin.connection.link is not Link.LIVE
        self._bulletin.connect(
            link, detail, confirmed, self._session.account, slowed=slowed, fresh_for=fresh_for
        )
        if back and self._fetching is not None:
            self._fetching.make_up(self._registry.rows())
        if self._sets is not None:
            if self._caught_up:
                self._sets.look()
            self._sets.tell()
        with self._changed:
            self._changed.notify_all()

    def counted(self) -> None:
        """Publishes how many requests there were, if that is news."""
        self._bulletin.tell_calls()

    def _journal_moved(self) -> None:
        """The journal's file cannot be written any more, or can be again."""
        assert self._journal is not None and self._sets is not None
        unwritten = self._journal.unwritten
        self._bulletin.note_unwritten(unwritten)
        if unwritten is None and self._caught_up:
            self._offer()  # what it could not claim, and what others have left meanwhile
        self._sets.tell()
