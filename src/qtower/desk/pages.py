"""The job list, read in pages: never one request per job.

These are the requests of `provider.backend.jobs`, made through the same client. That method itself
asks for an empty page more each time, and fails as a whole when one job of a page has a date or a
status that it does not know; a monitor has to show the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from qtower.desk.faults import explain, faults, is_too_long
from qtower.desk.rows import FINAL_API_STATUSES, Document
from qtower.errors import JobStateError

PAGE = 50
"""Jobs a page, as IBM's service had it. A list of ids travels in the URL: no more than this."""

MOST = 500
"""What is asked for: a server gives what it allows."""

_MOST_PAGES = 100_000 // PAGE


class JobPages:
    """Pages of job documents (qtower.desk.rows), newest first."""

    def __init__(self, provider: Any) -> None:
        self._client = provider._api_client
        self.before: Callable[[], object] = _at_once
        """Called before each request; it may wait."""
        self._limit = MOST
        self._given = 0  # the longest page so far

    @property
    def size(self) -> int:
        """How long a page is when there is more."""
        return min(self._limit, max(PAGE, self._given))

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
        """All jobs there are. An error does not end it: the next call asks for that page again."""
        return self._pages({}, to_the_end=True)

    def tagged(self, tag: str) -> Iterator[list[Document]]:
        """All jobs that bear `tag`."""
        return self._pages({"tags": {"inq": [tag]}}, to_the_end=True)

    def by_id(self, job_ids: Sequence[str]) -> Iterator[list[Document]]:
        """The jobs of these ids, as far as they exist."""
        for first in range(0, len(job_ids), PAGE):
            wanted = list(job_ids[first : first + PAGE])
            self.before()
            yield self._client.list_jobs_statuses(
                limit=len(wanted), extra_filter={"id": {"inq": wanted}}
            )

    def ids(self) -> Iterator[list[dict[str, Any]]]:
        """Ids and creation dates of all jobs there are, as `history`."""
        return _Pages(
            lambda where: self._ask(self._client.list_jobs_ids, where),
            {},
            ("id", "creationDate"),
            lambda: 1,
        )

    def one(self, job_id: str) -> Document:
        """A job with its steps and its error, which pages leave out."""
        self.before()
        document: Document = self._client.job_get(job_id)
        return document

    def _pages(
        self, where: dict[str, Any], *, to_the_end: bool = False
    ) -> Iterator[list[Document]]:
        """A server may give less than a whole page although there is more: with `to_the_end` only
        an empty one counts as the end, or one without news from a server that ignores the filter.
        """
        names = ("job_id", "creation_date")
        return _Pages(self._listed, where, names, lambda: 1 if to_the_end else self.size)

    def _listed(self, where: dict[str, Any] | None) -> list[Any]:
        page = self._ask(self._client.list_jobs_statuses, where)
        self._given = max(self._given, len(page))
        return page

    def _ask(self, listing: Callable[..., list[Any]], where: dict[str, Any] | None) -> list[Any]:
        """Asks for a long page; if that is refused, or too much, for one of the usual length."""
        self.before()
        try:
            return listing(limit=self._limit, extra_filter=where)
        except faults() as error:
            refused = isinstance(explain(error), JobStateError) or is_too_long(error)
            if self._limit <= PAGE or not refused:
                raise
            self.before()
            page = listing(limit=PAGE, extra_filter=where)  # or it is the filter that is refused
            self._limit = PAGE
            return page


def names_a_job(listed: Any) -> bool:
    """Whether an entry of a list of ids is one."""
    return isinstance(listed, dict) and isinstance(listed.get("id"), str)


def _at_once() -> None:
    """For who need not wait, or waits elsewhere."""


class _Pages(Iterator[list[Any]]):
    """Pages that go on from the last job's creation date, so that new jobs do not shift them.

    An error leaves it where it was.
    """

    def __init__(
        self,
        ask: Callable[[dict[str, Any] | None], list[Any]],
        where: dict[str, Any],
        names: tuple[str, str],
        least: Callable[[], int],
    ) -> None:
        """`names` are those of a job's id and creation date; a page shorter than `least` is the
        last."""
        self._ask = ask
        self._where = where
        self._names = names
        self._least = least
        self._seen: set[str] = set()
        self._last: dict[str, Any] | None = None
        self._left = _MOST_PAGES

    def __next__(self) -> list[Any]:
        if not self._left:
            raise StopIteration
        id_name, date_name = self._names
        follow = _after(self._last, id_name, date_name)
        both = {"and": [self._where, follow]} if self._where and follow else self._where or follow
        page = self._ask(both or None)
        self._left -= 1
        placed = [document for document in page if _placed(document, *self._names)]
        fresh = {document[id_name] for document in placed} - self._seen
        if not fresh or len(page) < self._least():
            self._left = 0
        if not page:
            raise StopIteration
        if placed:
            self._last = placed[-1]
        self._seen |= fresh
        return page


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
