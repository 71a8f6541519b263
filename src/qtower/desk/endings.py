"""The last details of jobs that have ended: their steps and their error, which pages leave out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable

from qtower.desk.faults import BusyError, endpoint_errors
from qtower.desk.pages import JobPages
from qtower.desk.registry import Changes
from qtower.desk.rows import Document
from qtower.errors import JobStateError, NetworkError, NotFoundError, QtowerError
from qtower.model import JobRow, Status

logger = logging.getLogger(__name__)

_MOST_TRIES = 3
_MOST_WAITING = 200  # jobs that had ended before we came; older ones are read when looked at


class Endings:
    """Ids of final jobs whose details were not read yet, those seen to end first."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._failed: dict[str, int] = {}  # tries by job id

    def __len__(self) -> int:
        return len(self._waiting)

    def recall(self, rows: Iterable[JobRow]) -> None:
        """Jobs of which the journal has the end without its details: who submitted them left."""
        ended = [
            row
            for row in rows
            if row.job_id
            and row.run_seconds is None
            and (row.status is Status.DONE or row.error.startswith("ERROR_"))
        ]
        ended.sort(key=lambda row: row.created or 0.0, reverse=True)
        self._waiting.extend(row.job_id for row in ended[:_MOST_WAITING])

    def note(self, changes: Changes) -> None:
        """Some of these rows may have ended."""
        finished = set(changes.finished)
        for row in changes.rows:
            if not row.status.final or not row.job_id or row.run_seconds is not None:
                continue
            if row.status is Status.CANCELLED:
                continue  # there is nothing to learn of it that anybody waits for
            if row.key in finished:
                self._waiting.appendleft(row.job_id)
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append(row.job_id)

    def read(self, pages: JobPages, take_in: Callable[[list[Document]], None], most: int) -> None:
        """Reads at most so many. A job that fails comes after the others, and not for ever."""
        for _ in range(min(most, len(self._waiting))):
            job_id = self._waiting.popleft()
            try:
                with endpoint_errors():
                    document = pages.one(job_id)
            except (NotFoundError, JobStateError) as error:
                logger.info("no details of job %s: %s", job_id, error)
            except NetworkError as error:
                if isinstance(error, BusyError) and error.asked:
                    self._waiting.appendleft(job_id)
                    raise
                self._put_off(job_id, error)
                return  # if it is the endpoint that fails, the next pages show it
            except QtowerError:
                self._waiting.appendleft(job_id)
                raise
            else:
                take_in([document])
            self._failed.pop(job_id, None)

    def _put_off(self, job_id: str, error: NetworkError) -> None:
        tries = self._failed.pop(job_id, 0) + 1
        logger.info("details of job %s failed (%d): %s", job_id, tries, error)
        if tries < _MOST_TRIES:
            self._failed[job_id] = tries
            self._waiting.append(job_id)
