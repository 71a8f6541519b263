"""The job list, read in pages: never one request per job.

These are the requests of `provider.backend.jobs`, made through the same client. That method itself
asks for an empty page more each time, and fails as a whole when one job of a page has a date or a
status that it does not know; a monitor has to show the others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from qtower.desk.rows import FINAL_API_STATUSES, Document

PAGE = 50
"""Jobs a page. A list of ids travels in the URL: no more than this there either."""

_IDS_PAGE = 500  # a server may give less
_MOST_PAGES = 100_000 // PAGE


class JobPages:
    """Pages of job documents (qtower.desk.rows), newest first."""

    def __init__(self, provider: Any) -> None:
        self._client = provider._api_client

    def active(self) -> Iterator[list[Document]]:
        """All jobs that have not ended."""
        return self._pages({"status": {"nin": FINAL_API_STATUSES}})

    def changed_since(self, updated: str) -> Iterator[list[Document]]:
        """Jobs whose `updatedDate` is later than `updated`; only where the endpoint has that."""
        return self._pages({"updatedDate": {"gt": updated}})

    def created_since(self, created: str) -> Iterator[list[Document]]:
        """Jobs created later than `created`, a date as the endpoint wrote it."""
        return self._pages({"creationDate": {"gt": created}})

    def history(self) -> Iterator[list[Document]]:
        """All jobs there are."""
        return self._pages({}, to_the_end=True)

    def by_id(self, job_ids: Sequence[str]) -> Iterator[list[Document]]:
        """The jobs of these ids, as far as they exist."""
        for first in range(0, len(job_ids), PAGE):
            wanted = list(job_ids[first : first + PAGE])
            yield self._client.list_jobs_statuses(
                limit=len(wanted), extra_filter={"id": {"inq": wanted}}
            )

    def ids(self) -> Iterator[set[str]]:
        """The ids of all jobs there are, page by page."""
        seen: set[str] = set()
        last: dict[str, Any] | None = None
        for _ in range(_MOST_PAGES):
            answer = self._client.list_jobs_ids(
                limit=_IDS_PAGE, extra_filter=_after(last, "id", "creationDate")
            )
            page = [document for document in answer if _placed(document, "id", "creationDate")]
            fresh = {document["id"] for document in page} - seen
            if not fresh:
                return
            yield fresh
            seen |= fresh
            last = page[-1]

    def one(self, job_id: str) -> Document:
        """A job with its steps and its error, which pages leave out."""
        document: Document = self._client.job_get(job_id)
        return document

    def _pages(
        self, where: dict[str, Any], *, to_the_end: bool = False
    ) -> Iterator[list[Document]]:
        """Goes on from the last job's creation date, so that new jobs do not shift the pages.

        A server may give less than a whole page although there is more: with `to_the_end` only an
        empty one counts as the end, or one without news from a server that ignores the filter.
        """
        seen: set[str] = set()
        last: dict[str, Any] | None = None
        for _ in range(_MOST_PAGES):
            follow = _after(last, "job_id", "creation_date")
            both = {"and": [where, follow]} if where and follow else where or follow
            page = self._client.list_jobs_statuses(limit=PAGE, extra_filter=both or None)
            if page:
                yield page
            placed = [document for document in page if _placed(document, "job_id", "creation_date")]
            fresh = {document["job_id"] for document in placed} - seen
            if not fresh or (len(page) < PAGE and not to_the_end):
                return
            seen |= fresh
            last = placed[-1]


def _placed(document: Any, id_name: str, date_name: str) -> bool:
    """Whether it is a job document that says where in the order it stands."""
    return isinstance(document, dict) and all(
        isinstance(document.get(name), str) for name in (id_name, date_name)
    )


def _after(last: dict[str, Any] | None, id_name: str, date_name: str) -> dict[str, Any]:
    """The filter for what follows a job when newest come first."""
    if last is None:
        return {}
    return {"creationDate": {"lte": last[date_name]}, "id": {"nin": [last[id_name]]}}
