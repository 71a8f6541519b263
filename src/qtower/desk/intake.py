"""Documents on their way into the registry, and how far the reading has come by them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Protocol

from qtower.desk.cadence import UsualTimes
from qtower.desk.pages import PAGE, JobPages
from qtower.desk.registry import Changes, Registry
from qtower.desk.rows import Document, epoch, plausible
from qtower.model import JobRow, Link
from qtower.text import encodable

logger = logging.getLogger(__name__)


class Watch(Protocol):
    """Whom the poller tells."""

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        """Calls `take_in`, publishes what it returns before anybody else may, and returns it."""

    def connected(
        self,
        link: Link,
        detail: str,
        confirmed: float | None,
        *,
        slowed: str = "",
        fresh_for: float | None = None,
    ) -> None:
        """The state of the connection after a round."""

    def counted(self) -> None:
        """Requests were made, or a minute has passed since they were."""

    def caught_up(self) -> None:
        """Every job of the endpoint has been read once."""


class Intake:
    """Takes pages in, tells what changed, and keeps the dates from which to read on."""

    def __init__(
        self,
        registry: Registry,
        watch: Watch,
        ended: Callable[[Changes], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`ended` hears of all changes, some of which are jobs that have ended."""
        self._registry = registry
        self._watch = watch
        self._ended = ended
        self._clock = clock
        self.usual = UsualTimes()
        self.updated = ""  # everything that changed until then has been read; "": not known
        self.reports_updates = True
        self.created = ""  # the latest creation date seen
        self._left_off = ""  # when the last change happened that the journal knows of

    def resume(self, rows: Iterable[JobRow]) -> None:
        """What the journal knows: changes are read from there on, and usual times learnt."""
        known = list(rows)
        self.usual.learn(known)
        ends = [row.since for row in known if row.status.final and row.since is not None]
        # Older versions wrote down whatever an endpoint called a date.
        if ended := list(filter(plausible, ends)):
            self._left_off = datetime.fromtimestamp(max(ended), timezone.utc).isoformat()

    def active(self) -> list[JobRow]:
        """Jobs that have an id and can still change."""
        return [row for row in self._registry.live() if row.job_id]

    def page(self, page: Sequence[Document]) -> set[str]:
        """Takes a page in, publishes what changed, and returns the ids of its jobs."""
        self.documents(page)
        if not self.updated and self.reports_updates:
            # The first page ever read: all others are read later, and so is every later change.
            self.updated = latest(page, "updated_date")
            if self.updated and self._left_off:
                self.updated = min(self.updated, self._left_off, key=_seconds)
        self.created = later(self.created, latest(page, "creation_date"))
        return {encodable(str(document.get("job_id"))) for document in page}

    def pages(self, pages: Iterable[Sequence[Document]]) -> set[str]:
        """Takes pages in, one after the other."""
        seen: set[str] = set()
        for page in pages:
            seen |= self.page(page)
        return seen

    def by_id(self, job_ids: Iterable[str], pages: JobPages) -> None:
        """Takes in the jobs of these ids, and drops those that were deleted.

        Those were deleted of which an answer to a question for them alone holds nothing at all. One
        that is missing among others may be garbled, or the endpoint gives less at a time.
        """
        wanted = list(job_ids)
        for first in range(0, len(wanted), PAGE):
            missing = wanted[first : first + PAGE]
            while missing:
                (page,) = pages.by_id(missing)
                if not page:
                    self.drop(missing)
                    break
                seen = self.page(page)
                asked, missing = missing, [job_id for job_id in missing if job_id not in seen]
                if missing == asked:
                    logger.info("nothing is known of %d jobs", len(missing))
                    break

    def documents(self, documents: Iterable[Document]) -> None:
        """As `page`, for documents that do not show how far the reading has come."""
        now = self._clock()
        changes = self._watch.changed(lambda: self._registry.absorb(documents, now))
        self.usual.learn(changes.rows)
        self._ended(changes)

    def drop(self, job_ids: Iterable[str]) -> None:
        """The endpoint does not have these jobs any more."""
        gone = list(job_ids)
        if gone:
            self._watch.changed(lambda: self._registry.drop(gone))


def latest(page: Iterable[Document], name: str) -> str:
    """The latest date of that name in a page, as it was written; "" if there is none."""
    dates = [date for document in page if isinstance(date := document.get(name), str)]
    return max(dates, key=_seconds, default="")


def later(one: str, other: str) -> str:
    """The later of two dates."""
    return max(one, other, key=_seconds)


def _seconds(date: str) -> float:
    return epoch(date) or 0.0
