"""Results read as soon as their jobs are seen to be done, in the background, and kept."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from qtower.config import Keeping
from qtower.desk.account_session import AccountSession
from qtower.desk.budget import Urgency, asking_as
from qtower.desk.faults import endpoint_errors
from qtower.desk.kept_results import KeptResults
from qtower.desk.registry import Changes
from qtower.desk.result_room import ResultRoom
from qtower.errors import JobStateError, NetworkError, NotFoundError, QtowerError
from qtower.model import JobRow, Status
from qtower.processes import step_back

logger = logging.getLogger(__name__)

_MEGABYTE = 1_000_000
_RECENT_SECONDS = 600.0  # a job that was done before it was seen counts as seen if it is so young
_OWED_SECONDS = 86_400.0  # of a job so young a result is made up for that was not read in time
_PAUSE_SECONDS = 2.0  # before the endpoint is asked again for what it did not give
_MOST_TRIES = 3
_SHARE = 0.5  # of a minute's calls, used by whomever: beyond it results wait,
_LONGEST_WAIT = 60.0  # s, but no longer: then the next one takes its turn


class ResultFetching:
    """A daemon thread that keeps the results of jobs that end while it watches.

    It comes after everybody else: each result takes three calls, and while the account has used
    half of a minute's calls, as it always has where many qtowers watch it, it is one a minute.
    """

    def __init__(
        self,
        session: AccountSession,
        kept: KeptResults,
        keeping: Keeping,
        warn: Callable[[str, str], object],
        inform: Callable[[str, str], object],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`warn` and `inform` are told, as a title and a sentence, when nothing can be kept, and
        when it can be again."""
        self._session = session
        self._kept = kept
        self._most = keeping.largest_result_mb * _MEGABYTE
        self._room = ResultRoom(kept, warn, inform)
        self._missed: set[str] = set()  # those that were read and could not be kept
        self._clock = clock
        self._since = clock() - _RECENT_SECONDS
        self._wake = threading.Condition()
        self._waiting: deque[str] = deque()  # job ids
        self._noted: set[str] = set()
        self._tries: dict[str, int] = {}
        self._last = time.monotonic()  # when it was asked last, or there was nothing to ask
        self._closed = False
        threading.Thread(target=self._run, name="results", daemon=True).start()

    def note(self, changes: Changes) -> None:
        """Some of these rows may be done."""
        finished = set(changes.finished)
        self._add(row.job_id for row in changes.rows if self._is_wanted(row, finished))

    def make_up(self, rows: Iterable[JobRow]) -> None:
        """The endpoint answers: of the young among these rows the result may still be to be read.

        It was given up when the endpoint did not answer, or we were killed before it was read.
        """
        since = self._clock() - _OWED_SECONDS
        self._add(row.job_id for row in rows if _can_be_had(row) and (row.created or 0.0) > since)

    def _add(self, job_ids: Iterable[str]) -> None:
        new = [job_id for job_id in job_ids if job_id not in self._noted]
        if new:
            with self._wake:
                self._noted.update(new)
                self._waiting.extend(new)
                self._wake.notify_all()

    def close(self) -> None:
        """Ends after the result that is being read; returns at once."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _is_wanted(self, row: JobRow, finished: set[str]) -> bool:
        return _can_be_had(row) and (row.key in finished or (row.created or 0.0) > self._since)

    # -- the thread -----------------------------------------------------------------------------

    def _run(self) -> None:
        step_back()
        with asking_as(Urgency.SUBMISSION):
            while True:
                with self._wake:
                    if not self._waiting:
                        self._wake.wait_for(lambda: self._closed or self._waiting)
                        self._last = time.monotonic()
                    if self._closed:
                        return
                if self._kept.has(self._waiting[0]):  # another qtower was quicker
                    self._kept.tell(self._waiting[0])
                    self._leave()
                    continue
                pause = self._seconds_until_turn()
                if not pause and self._fetch_next():
                    continue
                with self._wake:
                    self._wake.wait_for(lambda: self._closed, pause or _PAUSE_SECONDS)

    def _seconds_until_turn(self) -> float:
        """Seconds until the next result may be looked at again; 0: it may be read now."""
        if self._kept.is_coming(self._waiting[0]):  # to another qtower
            self._waiting.rotate(-1)
            return _PAUSE_SECONDS
        if not self._is_time():
            return _PAUSE_SECONDS
        # The first of its requests, as the poller, which comes after submissions.
        seconds = min(self._session.budget.delay(), _PAUSE_SECONDS)
        if not seconds:
            self._last = time.monotonic()
        return seconds

    def _is_time(self) -> bool:
        if not self._room.there_is():
            return False
        budget = self._session.budget
        limit = budget.per_minute
        if not limit or budget.used() < _SHARE * limit:
            return True
        return time.monotonic() - self._last >= _LONGEST_WAIT

    def _fetch_next(self) -> bool:
        """Reads the result of the next job; false if the endpoint is better left alone a while."""
        job_id = self._waiting[0]
        try:
            self._fetch(self._session.provider()._api_client, job_id)
        except (JobStateError, NotFoundError) as error:
            logger.info("the result of job %s cannot be had: %s", job_id, error)
        except QtowerError as error:
            tries = self._tries[job_id] = self._tries.get(job_id, 0) + 1
            if isinstance(error, NetworkError) and tries < _MOST_TRIES:
                self._waiting.rotate(-1)
                return False
            logger.info("the result of job %s is left for later: %s", job_id, error)
            if isinstance(error, NetworkError):
                self._noted.discard(job_id)
        except Exception:
            logger.exception("a fault while the result of job %s was read", job_id)
        finally:
            self._session.budget.give_back()
        self._leave()
        return True

    def _leave(self) -> None:
        """Nothing is to be done any more for the next job."""
        self._tries.pop(self._waiting.popleft(), None)

    def _fetch(self, client: Any, job_id: str) -> None:
        from qtower.desk.result_downloads import acknowledge, result_pieces

        with endpoint_errors():
            obtained = self._kept.obtain(
                job_id,
                lambda: result_pieces(client, job_id, self._most),
                lambda: acknowledge(client, job_id),
            )
        if obtained.problem is not None:
            self._room.missed(obtained.problem)
            if job_id not in self._missed:  # once more, when there is room
                self._missed.add(job_id)
                self._waiting.append(job_id)


def _can_be_had(row: JobRow) -> bool:
    return row.status is Status.DONE and not row.saved and bool(row.job_id)
