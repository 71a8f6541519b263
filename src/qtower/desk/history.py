"""All jobs of an endpoint, read once after the start, and from time to time which still exist.

Where the journal knows jobs already, only the ids of all are read, and of the jobs those that are
not known: one that has ended is not asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qtower.desk.intake import Intake
from qtower.desk.pages import PAGE, JobPages, names_a_job
from qtower.desk.registry import Registry
from qtower.desk.rows import Document
from qtower.text import encodable

_FEW = 2 * PAGE  # unknown jobs in a page: of more, all are better read as at the first start


class History:
    """Goes on a page at a time, as its reader finds time; an error leaves it where it was."""

    def __init__(self, pages: JobPages, intake: Intake, registry: Registry) -> None:
        self._pages = pages
        self._intake = intake
        self._registry = registry
        self._jobs: Iterator[list[Document]] | None = pages.history()
        self._ids: Iterator[list[dict[str, Any]]] | None = None
        self._resumed = any(row.status.final and row.job_id for row in registry.rows())
        self._met: set[str] = set()
        self.complete = False  # every job of the endpoint has been read once

    @property
    def pending(self) -> bool:
        """Whether there is more to read."""
        return self._jobs is not None or self._ids is not None

    def begin_census(self) -> None:
        """Looks through all ids, so that jobs are missed that were deleted."""
        if not self.pending:
            self._ids, self._met = self._pages.ids(), set()

    def read_page(self) -> None:
        """Reads on; after the last page, jobs that it did not meet are dropped."""
        if self._jobs is not None:
            page = next(self._jobs, None)
            if page is not None:
                self._met |= self._intake.page(page)
                if self._resumed:
                    self._jobs, self._ids = None, self._pages.ids()
                return
        elif self._ids is not None:
            ids = next(self._ids, None)
            if ids is not None:
                self._meet({encodable(job["id"]) for job in ids if names_a_job(job)})
                return
        self._drop_missing()
        self._jobs = self._ids = None
        self._met = set()
        self.complete = True

    def _meet(self, ids: set[str]) -> None:
        unknown = sorted(self._registry.unknown(ids))
        if len(unknown) > _FEW:
            self._resumed = False
            self._jobs, self._ids = self._pages.history(), None
        else:
            self._met |= ids
            self._intake.pages(self._pages.by_id(unknown))

    def _drop_missing(self) -> None:
        """Drops jobs that were deleted; each is asked for once more before it is believed."""
        known = {row.job_id for row in self._registry.rows() if row.job_id}
        self._intake.by_id(sorted(known - self._met), self._pages)
