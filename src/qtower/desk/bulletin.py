"""What the desk tells its listener and its journal, in the order in which it happened."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from msgspec.structs import replace

from qtower.config import Account
from qtower.desk.budget import Budget
from qtower.desk.journal import Journal
from qtower.desk.registry import Changes
from qtower.model import (
    Connected,
    Connection,
    Event,
    JobRow,
    Link,
    Notice,
    Rows,
    Sending,
    UnsentSet,
)
from qtower.text import encodable

_log = logging.getLogger(__name__)

_CHUNK = 500
_CONFIRM_SECONDS = 1.0  # how often an unchanged connection is confirmed


class Bulletin:
    """Publishes rows, the connection and notices, one thread at a time.

    While the listener blocks, whoever has something to tell waits: a screen that does not read
    slows the polling down instead of filling this machine's memory.
    """

    def __init__(
        self,
        listener: Callable[[Event], None],
        account_name: str,
        clock: Callable[[], float],
        *,
        read_only: bool = False,
        insecure: bool = False,
    ) -> None:
        self._listener = listener
        self._clock = clock
        self._order = threading.RLock()
        self._told = 0.0
        self.connection = Connection(
            account=account_name,
            endpoint="",
            link=Link.STARTING,
            since=clock(),
            read_only=read_only,
            insecure=insecure,
        )
        self.journal: Journal | None = None
        self.budget = Budget()

    def publish(self, take_in: Callable[[], Changes]) -> Changes:
        """Takes changes in and tells them, before anybody else may tell anything."""
        with self._order:
            changes = take_in()
            if changes.unreadable:
                _log.warning("%d jobs of a page could not be read", changes.unreadable)
            if changes and self.journal is not None:
                self.journal.save(changes.rows, changes.gone)
            self.tell_rows(changes.rows, changes.gone)
        return changes

    def tell_rows(self, rows: Sequence[JobRow], gone: Sequence[str] = ()) -> None:
        """Tells rows in chunks, without the journal."""
        with self._order:
            for first in range(0, len(rows), _CHUNK):
                self._listener(Rows(rows=list(rows[first : first + _CHUNK])))
            if gone:
                self._listener(Rows(gone=list(gone)))

    def tell_connection(self) -> None:
        """Tells the connection as it is."""
        with self._order:
            self._listener(Connected(connection=self.connection))

    def tell_sending(self, look: Callable[[], Sequence[UnsentSet] | None]) -> None:
        """Tells the sets that are not wholly sent, as `look` finds them; None is no news.

        Nobody tells what he has seen before another looked.
        """
        with self._order:
            sets = look()
            if sets is not None:
                self._listener(Sending(sets=list(sets)))

    def tell_calls(self) -> None:
        """Tells the connection if its calls are news to who watches an account elsewhere."""
        with self._order:
            if not self.connection.local_service and self._count():
                self.tell_connection()

    def connect(
        self,
        link: Link,
        detail: str,
        confirmed: float | None,
        account: Account | None,
        *,
        slowed: str = "",
        fresh_for: float | None = None,
    ) -> None:
        """Notes how the connection stands; tells it if it changed, or was not told for a while."""
        now = self._clock()
        with self._order:
            before = self.connection
            self.connection = replace(
                before,
                link=link,
                since=before.since if link is before.link else now,
                confirmed=confirmed if confirmed is not None else before.confirmed,
                detail=encodable(detail),
                slowed=encodable(slowed),
                slowed_since=(before.slowed_since or now) if slowed else None,
                fresh_for=fresh_for if fresh_for is not None else before.fresh_for,
            )
            if account is not None:
                self.connection = replace(
                    self.connection,
                    endpoint=_without_credentials(account.url),
                    local_service=account.local_service,
                )
            self._count()
            news = (link, self.connection.detail, self.connection.slowed)
            changed = news != (before.link, before.detail, before.slowed)
            # The clock may have been set back since.
            lately = 0.0 <= now - self._told < _CONFIRM_SECONDS
            if changed or (link is Link.LIVE and not lately):
                self._told = now
                self.tell_connection()

    def _count(self) -> bool:
        """Notes the calls that were made; whether these are other than before."""
        before = self.connection
        self.connection = replace(
            before, calls_used=self.budget.used(), calls_allowed=self.budget.per_minute
        )
        return self.connection != before

    def note_unwritten(self, since: float | None) -> None:
        """Tells since when the journal's file cannot be written; None: it is."""
        with self._order:
            if since != self.connection.unwritten:
                self.connection = replace(self.connection, unwritten=since)
                self.tell_connection()

    def warn(self, title: str, text: str) -> None:
        """Tells a person that something is not as it should be."""
        _log.warning("%s: %s", title, text)
        self._notify("warning", title, text)

    def inform(self, title: str, text: str) -> None:
        """Tells a person that something is well again."""
        _log.info("%s: %s", title, text)
        self._notify("info", title, text)

    def _notify(self, level: str, title: str, text: str) -> None:
        with self._order:
            self._listener(Notice(level=level, title=title, text=encodable(text)))


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
