"""One round of reading: what changed, what is new, and the active jobs that are due."""

from __future__ import annotations

import logging
from collections.abc import Callable

from qtower.desk.cadence import Schedule
from qtower.desk.intake import Intake, later, latest
from qtower.desk.pages import PAGE, JobPages
from qtower.errors import JobStateError
from qtower.model import JobRow, Status

logger = logging.getLogger(__name__)


class Sweep:
    """Reads an endpoint in at most ceil(active / page) + ceil(ended since / page) requests."""

    def __init__(
        self,
        pages: JobPages,
        intake: Intake,
        schedule: Schedule,
        clock: Callable[[], float],
    ) -> None:
        """`clock` is the wall's."""
        self._pages = pages
        self._intake = intake
        self._schedule = schedule
        self._clock = clock
        self._next_new = 0.0
        self._all_active = False  # every active job is known

    def round(self, now: float, *, everything: bool, told: bool, complete: bool) -> None:
        """Reads what is to be read at `now`.

        `everything`: all active jobs are due. `told`: something is known to have changed.
        `complete`: every job of the endpoint is known.
        """
        before = self._intake.active()
        if everything or told:
            self._next_new = now
        if self._read_news(now, complete=complete):  # of the others every change has been read
            self._schedule.read(
                (row.job_id for row in before if row.status is not Status.QUEUED), now
            )
        if not self._all_active:
            self._read_active(before, now, known=False)
            self._all_active = True
            return
        active = self._intake.active()
        due = active if everything else self._schedule.due(active, now, self._clock())
        self._schedule.forget_all_but(row.job_id for row in active)
        if due and _pages(len(due), PAGE) < _pages(len(active), self._pages.size):
            self._read_due(due, now)
        elif due:
            self._read_active(active, now, known=True)

    def _read_news(self, now: float, *, complete: bool) -> bool:
        """Reads what changed, or at least what is new; True if no change can have been missed."""
        intake = self._intake
        if intake.updated and complete:
            self._read_changes(now)
            if intake.updated:
                return True
        if now < self._next_new:
            return False
        self._next_new = now + self._schedule.cadence.new
        if intake.created:
            new = intake.pages(self._pages.created_since(intake.created))
            self._schedule.read(new, now)
        elif complete:  # there was no job at all
            intake.pages(self._pages.history())
        return False

    def _read_changes(self, now: float) -> None:
        intake = self._intake
        until = ""
        try:
            for page in self._pages.changed_since(intake.updated):
                self._schedule.read(intake.page(page), now)
                # What changes between two pages is later than all of the first: the next round
                # reads on from there, and what it reads twice is no news.
                until = until or later(intake.updated, latest(page, "updated_date"))
            intake.updated = until or intake.updated
        except JobStateError as error:
            logger.info("the endpoint reports updatedDate but does not filter by it: %s", error)
            intake.reports_updates, intake.updated = False, ""

    def _read_due(self, due: list[JobRow], now: float) -> None:
        """Asks for these jobs by their ids."""
        self._ask_for([row.job_id for row in due], now)

    def _read_active(self, active: list[JobRow], now: float, *, known: bool) -> None:
        """Asks for all active jobs, until there are no more; or, if all are `known`, until those
        not seen fit into one request by id, which says besides how they ended."""
        expected = {row.job_id for row in active}
        seen: set[str] = set()
        for page in self._pages.active():
            seen |= self._intake.page(page)
            if known and len(expected - seen) <= PAGE:
                break
        self._schedule.read(seen, now)
        self._ask_for([row.job_id for row in active if row.job_id not in seen], now)

    def _ask_for(self, wanted: list[str], now: float) -> None:
        self._intake.by_id(wanted, self._pages)
        self._schedule.read(wanted, now)


def _pages(jobs: int, size: int) -> int:
    return -(-jobs // size)
