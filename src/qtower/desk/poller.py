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
from qtower.desk.faults import AccessExpiredError, BusyError, endpoint_errors
from qtower.desk.pages import JobPages
from qtower.desk.registry import Changes, Registry
from qtower.desk.rows import Document, epoch
from qtower.desk.scrubbing import scrub
from qtower.errors import (
    AccountError,
    ConfigError,
    JobStateError,
    NetworkError,
    NotFoundError,
    QtowerError,
)
from qtower.model import Link, Status
from qtower.text import encodable

logger = logging.getLogger(__name__)

_REFUSED_SECONDS = 60.0
_LONGEST_BACKOFF = 30.0
_LONGEST_WISH = 300.0  # of an endpoint that asks to be left alone
_MOST_TRIES = 3  # for the details of a job
_MOST_LACKING = 200  # jobs that had ended before we came; older ones are read when looked at


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often an endpoint is asked; times in seconds."""

    busy: float  # between rounds while anything is active
    idle: float  # between rounds otherwise
    positions: float  # between readings of queue positions, where a round reads only changes
    census: float  # between readings of all ids, which show what was deleted
    details: int  # jobs a round whose last details are read
    page: float  # between pages of the history or the census


LOCAL = Cadence(busy=0.5, idle=1.0, positions=2.0, census=300.0, details=25, page=0.0)
REMOTE = Cadence(busy=5.0, idle=30.0, positions=15.0, census=3600.0, details=5, page=0.25)


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
        self._met: set[str] = set()  # ids that the history has brought
        self._caught_up = False
        self._updated = ""  # everything that changed until then has been read; "": not known
        self._reports_updates = True
        self._created = ""  # the latest creation date seen
        self._next_positions = 0.0
        self._next_census = 0.0
        self._lacking: deque[str] = deque()  # ids of final jobs whose details were not read yet
        self._failed_details: dict[str, int] = {}  # tries by job id

    def start(self) -> None:
        """Begins."""
        self._recall_lacking()
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
            pause = self._round(refreshing=asked > self._done, may_renew=True)
            with self._wake:
                self._done = asked
                self._wake.notify_all()
                self._wake.wait_for(
                    lambda: self._closed or self._hurry or self._asked > self._done, pause
                )

    def _round(self, *, refreshing: bool, may_renew: bool) -> float:
        """Reads once, tells how that went, and returns the seconds until the next time.

        An access token that has expired is renewed silently, once a round, if that `may_renew`.
        """
        try:
            return self._succeed(self._session.ensure(self._tell_stage), refreshing=refreshing)
        except AccessExpiredError as error:
            if may_renew:
                self._session.doubt(error)
                return self._round(refreshing=refreshing, may_renew=False)
            return self._failed(error)
        except QtowerError as error:
            return self._failed(error)
        except Exception as error:
            logger.exception("a fault of the poller")
            words = scrub(f"{type(error).__name__}: {error}")
            return self._failed(QtowerError(f"A fault of qtower ({words})."))

    def _succeed(self, provider: Any, *, refreshing: bool) -> float:
        self._read(provider, refreshing=refreshing)
        self._session.settle()
        self._watch.connected(Link.LIVE, "", self._clock())
        self._read_history(self._pause())
        if self._history is not None:
            return 0.0
        self._failures = 0
        return self._pause()

    def _tell_stage(self, stage: str) -> None:
        """What the first login waits for; later ones are told as what made them necessary."""
        if self._pages is None and not self._failures:
            self._watch.connected(Link.STARTING, stage, None)

    def _failed(self, error: QtowerError) -> float:
        self._failures += 1
        self._session.doubt(error)
        if isinstance(error, AccountError | ConfigError):
            pause, link = _REFUSED_SECONDS, Link.REFUSED
        else:
            pause = min(_LONGEST_BACKOFF, 2.0 ** min(self._failures - 1, 10))
            link = Link.OFFLINE
        if isinstance(error, BusyError):
            pause = max(pause, min(error.seconds, _LONGEST_WISH))
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
                self._history, self._met = self._pages.history(), set()
                self._read_history_page()  # nothing is live before it
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
        latest = ""
        try:
            for page in pages.changed_since(self._updated):
                self._absorb(page)
                # What changes between two pages is later than all of the first: the next round
                # reads on from there, and what it reads twice is no news.
                latest = latest or max([self._updated, *_dates(page, "updated_date")], key=_order)
            self._updated = latest or self._updated
        except JobStateError as error:
            logger.info("the endpoint reports updatedDate but does not filter by it: %s", error)
            self._reports_updates, self._updated = False, ""

    def _read_details(self, pages: JobPages) -> None:
        """Steps and error of jobs that ended, which pages leave out, a few a round.

        A job whose details fail comes again after the others, and not for ever.
        """
        for _ in range(min(self._cadence().details, len(self._lacking))):
            job_id = self._lacking.popleft()
            try:
                with endpoint_errors():
                    document = pages.one(job_id)
            except (NotFoundError, JobStateError) as error:
                logger.info("no details of job %s: %s", job_id, error)
            except NetworkError as error:
                self._put_off(job_id, error)
                return  # if it is the endpoint that fails, the next pages show it
            except QtowerError:
                self._lacking.appendleft(job_id)
                raise
            else:
                self._take_in([document])
            self._failed_details.pop(job_id, None)

    def _put_off(self, job_id: str, error: NetworkError) -> None:
        tries = self._failed_details.pop(job_id, 0) + 1
        logger.info("details of job %s failed (%d): %s", job_id, tries, error)
        if tries < _MOST_TRIES:
            self._failed_details[job_id] = tries
            self._lacking.append(job_id)

    def _read_history(self, seconds: float) -> None:
        """Reads on through the history, until it ends or the next round is due."""
        end = time.monotonic() + seconds
        while self._history is not None and time.monotonic() < end and not self._closed:
            with endpoint_errors():
                self._read_history_page()
            self._breathe()

    def _read_history_page(self) -> None:
        """Reads a page of the history; one that fails is read from the start again."""
        assert self._pages is not None and self._history is not None
        try:
            page = next(self._history, None)
            if page is not None:
                self._met |= self._absorb(page)
                return
            self._drop_missing(self._pages, self._met)
        except BaseException:
            self._pages = self._history = None
            raise
        self._next_census = self._clock() + self._cadence().census  # this was one
        if not self._caught_up:
            self._watch.caught_up()  # and again in the next round, if that fails
            self._caught_up = True
        self._history, self._met = None, set()

    def _take_census(self, pages: JobPages) -> None:
        found: set[str] = set()
        for ids in pages.ids():
            found |= ids
            self._breathe()
        self._drop_missing(pages, {encodable(job_id) for job_id in found})

    def _drop_missing(self, pages: JobPages, met: set[str]) -> None:
        """Notices jobs that were deleted; each is asked for once more before it is believed."""
        known = {row.job_id for row in self._registry.rows() if row.job_id}
        doubtful = sorted(known - met)
        if doubtful:
            found = self._absorb_all(pages.by_id(doubtful))
            gone = [job_id for job_id in doubtful if job_id not in found]
            self._watch.changed(lambda: self._registry.drop(gone))

    def _breathe(self) -> None:
        """Leaves the endpoint alone for a moment between two pages of a long reading."""
        with self._wake:
            self._wake.wait_for(lambda: self._closed, self._cadence().page)

    def _absorb_all(self, pages: Iterable[list[Document]]) -> set[str]:
        seen: set[str] = set()
        for page in pages:
            seen |= self._absorb(page)
        return seen

    def _absorb(self, page: list[Document]) -> set[str]:
        """Takes a page in, publishes what changed, and returns the ids of its jobs."""
        self._take_in(page)
        if not self._updated and self._reports_updates:
            # The first page ever read: all others are read later, and so is every later change.
            self._updated = max(_dates(page, "updated_date"), key=_order, default="")
        self._created = max([self._created, *_dates(page, "creation_date")], key=_order)
        return {encodable(str(document.get("job_id"))) for document in page}

    def _take_in(self, page: list[Document]) -> None:
        """As `_absorb`, for documents that do not show how far the reading has come."""
        now = self._clock()
        self._note_lacking(self._watch.changed(lambda: self._registry.absorb(page, now)))

    def _recall_lacking(self) -> None:
        """Jobs of which the journal has the end without its details: who submitted them left."""
        ended = [
            row
            for row in self._registry.rows()
            if row.job_id
            and row.run_seconds is None
            and (row.status is Status.DONE or row.error.startswith("ERROR_"))
        ]
        ended.sort(key=lambda row: row.created or 0.0, reverse=True)
        self._lacking.extend(row.job_id for row in ended[:_MOST_LACKING])

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
