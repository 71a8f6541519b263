"""The background reading of an account: what is active, what is new, how the last ones ended."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import msgspec

from qtower.desk.account import AccountSession
from qtower.desk.faults import AccessExpiredError, endpoint_errors
from qtower.desk.pages import JobPages
from qtower.desk.registry import Changes, Registry
from qtower.desk.rows import Document, epoch
from qtower.desk.scrubbing import scrub
from qtower.errors import AccountError, ConfigError, JobStateError, NotFoundError, QtowerError
from qtower.model import Link

logger = logging.getLogger(__name__)

_REFUSED_SECONDS = 60.0
_LONGEST_BACKOFF = 30.0
_MOST_LACKING = 200  # jobs that had ended before we came; older ones are read when looked at


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often an endpoint is asked; times in seconds."""

    busy: float  # between rounds while anything is active
    idle: float  # between rounds otherwise
    positions: float  # between readings of queue positions, where a round reads only changes
    census: float  # between readings of all ids, which show what was deleted
    details: int  # jobs a round whose last details are read


LOCAL = Cadence(busy=0.5, idle=1.0, positions=2.0, census=300.0, details=25)
REMOTE = Cadence(busy=5.0, idle=30.0, positions=15.0, census=3600.0, details=5)


class Watch(Protocol):
    """Whom the poller tells."""

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        """Calls `take_in`, publishes what it returns before anybody else may, and returns it."""

    def connected(self, link: Link, detail: str, confirmed: float | None) -> None:
        """The state of the connection after a round."""

    def caught_up(self) -> None:
        """Every job of the endpoint has been read once."""


class Poller:
    """A daemon thread that reads the endpoint round after round until it is closed."""

    def __init__(
        self,
        session: AccountSession,
        registry: Registry,
        watch: Watch,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._registry = registry
        self._watch = watch
        self._clock = clock
        self._wake = threading.Condition()
        self._asked = 0  # refreshes asked for,
        self._done = 0  # and how many of them are done
        self._hurry = False
        self._closed = False
        self._failures = 0
        self._pages: JobPages | None = None
        self._history: Iterator[list[Document]] | None = None
        self._caught_up = False
        self._updated = ""  # everything that changed until then has been read; "": not known
        self._reports_updates = True
        self._created = ""  # the latest creation date seen
        self._next_positions = 0.0
        self._next_census = 0.0
        self._lacking: deque[str] = deque()  # ids of final jobs whose details were not read yet

    def start(self) -> None:
        """Begins."""
        threading.Thread(target=self._run, name="poller", daemon=True).start()

    def close(self) -> None:
        """Ends after the request that is under way; returns at once."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def nudge(self) -> None:
        """Makes the next round come now: something was submitted or cancelled."""
        with self._wake:
            self._hurry = True
            self._wake.notify_all()

    def refresh(self, timeout: float) -> bool:
        """Waits for a whole round that begins now; False if it is not over after `timeout` s."""
        with self._wake:
            self._asked += 1
            asked = self._asked
            self._wake.notify_all()
            return self._wake.wait_for(lambda: self._done >= asked or self._closed, timeout)

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closed:
            with self._wake:
                asked, self._hurry = self._asked, False
            pause = self._round(refreshing=asked > self._done)
            with self._wake:
                self._done = asked
                self._wake.notify_all()
                self._wake.wait_for(
                    lambda: self._closed or self._hurry or self._asked > self._done, pause
                )

    def _round(self, *, refreshing: bool) -> float:
        """Reads once, tells how that went, and returns the seconds until the next time."""
        try:
            self._read(self._session.ensure(), refreshing=refreshing)
        except AccessExpiredError as error:
            if self._failures == 0:  # log in again, silently
                self._failures = 1
                self._session.doubt(error)
                return self._round(refreshing=refreshing)
            return self._failed(error)
        except QtowerError as error:
            return self._failed(error)
        except Exception as error:
            logger.exception("a fault of the poller")
            words = scrub(f"{type(error).__name__}: {error}")
            return self._failed(QtowerError(f"A fault of qtower ({words})."))
        self._failures = 0
        self._session.settle()
        self._watch.connected(Link.LIVE, "", self._clock())
        self._read_history(self._pause())
        return self._pause() if self._history is None else 0.0

    def _failed(self, error: QtowerError) -> float:
        self._failures += 1
        self._session.doubt(error)
        if isinstance(error, AccountError | ConfigError):
            pause, link = _REFUSED_SECONDS, Link.REFUSED
        else:
            pause = min(_LONGEST_BACKOFF, 2.0 ** min(self._failures - 1, 10))
            link = Link.OFFLINE
        self._watch.connected(link, f"{error} Trying again in {pause:.0f} s.", None)
        return pause

    def _pause(self) -> float:
        cadence = self._cadence()
        active = any(not row.status.final for row in self._registry.rows())
        return cadence.busy if active else cadence.idle

    def _cadence(self) -> Cadence:
        account = self._session.account
        return LOCAL if account is not None and account.local_service else REMOTE

    # -- one round ------------------------------------------------------------------------------

    def _read(self, provider: Any, *, refreshing: bool) -> None:
        with endpoint_errors():
            if self._pages is None:
                self._pages = JobPages(provider)
                self._history = self._pages.history()
            self._read_active(self._pages, everything=refreshing)
            self._read_details(self._pages)
            now = self._clock()
            if self._caught_up and (refreshing or now >= self._next_census):
                self._take_census(self._pages)
                self._next_census = now + self._cadence().census

    def _read_active(self, pages: JobPages, *, everything: bool) -> None:
        now = self._clock()
        before = [row for row in self._registry.rows() if row.job_id and not row.status.final]
        if self._updated and self._caught_up:
            self._read_changes(pages)
            if not everything and (now < self._next_positions or not before):
                return
        elif self._created:
            self._absorb_all(pages.created_since(self._created))
        elif self._caught_up:  # there was no job at all
            self._absorb_all(pages.history())
        self._next_positions = now + self._cadence().positions
        seen = self._absorb_all(pages.active())
        ended = [row.job_id for row in before if row.job_id not in seen]
        if ended:
            found = self._absorb_all(pages.by_id(ended))
            gone = [job_id for job_id in ended if job_id not in found]
            self._watch.changed(lambda: self._registry.drop(gone))

    def _read_changes(self, pages: JobPages) -> None:
        latest = self._updated
        try:
            for page in pages.changed_since(self._updated):
                self._absorb(page)
                latest = max([latest, *_dates(page, "updated_date")], key=_order)
        except JobStateError as error:
            logger.info("the endpoint reports updatedDate but does not filter by it: %s", error)
            self._reports_updates, latest = False, ""
        self._updated = latest

    def _read_details(self, pages: JobPages) -> None:
        """Steps and error of jobs that ended, which pages leave out, a few a round."""
        for _ in range(min(self._cadence().details, len(self._lacking))):
            try:
                with endpoint_errors():
                    self._absorb([pages.one(self._lacking[0])])
            except (NotFoundError, JobStateError) as error:
                logger.info("no details of job %s: %s", self._lacking[0], error)
            self._lacking.popleft()

    def _read_history(self, seconds: float) -> None:
        """Reads on through the history, until it ends or the next round is due."""
        end = time.monotonic() + seconds
        while self._history is not None and time.monotonic() < end and not self._closed:
            try:
                with endpoint_errors():
                    page = next(self._history, None)
            except QtowerError as error:  # from the start again, once the endpoint answers
                logger.info("the history was not read to its end: %s", error)
                self._pages = self._history = None
                return
            if page is not None:
                self._absorb(page)
                continue
            self._history = None
            if not self._caught_up:
                self._caught_up = True
                self._watch.caught_up()

    def _take_census(self, pages: JobPages) -> None:
        """Notices jobs that were deleted; each is asked for once more before it is believed."""
        known = {row.job_id for row in self._registry.rows() if row.job_id}
        doubtful = sorted(known - pages.all_ids())
        if doubtful:
            found = self._absorb_all(pages.by_id(doubtful))
            gone = [job_id for job_id in doubtful if job_id not in found]
            self._watch.changed(lambda: self._registry.drop(gone))

    def _absorb_all(self, pages: Iterable[list[Document]]) -> set[str]:
        seen: set[str] = set()
        for page in pages:
            seen |= self._absorb(page)
        return seen

    def _absorb(self, page: list[Document]) -> set[str]:
        """Takes a page in, publishes what changed, and returns the ids of its jobs."""
        now = self._clock()
        changes = self._watch.changed(lambda: self._registry.absorb(page, now))
        self._note_lacking(changes)
        if not self._updated and self._reports_updates:
            # The first page ever read: all others are read later, and so is every later change.
            self._updated = max(_dates(page, "updated_date"), key=_order, default="")
        self._created = max([self._created, *_dates(page, "creation_date")], key=_order)
        return {str(document.get("job_id")) for document in page}

    def _note_lacking(self, changes: Changes) -> None:
        finished = set(changes.finished)
        for row in changes.rows:
            if not row.status.final or not row.job_id or row.run_seconds is not None:
                continue
            if row.key in finished:
                self._lacking.appendleft(row.job_id)
            elif len(self._lacking) < _MOST_LACKING:
                self._lacking.append(row.job_id)


def _dates(page: list[Document], name: str) -> list[str]:
    return [date for document in page if isinstance(date := document.get(name), str)]


def _order(date: str) -> float:
    return epoch(date) or 0.0
