"""What becomes of a job when its run has ended, as the store decides it."""

from __future__ import annotations

import logging
import threading

from qtower.service import statuses
from qtower.service.orders import NOT_RUN, Outcome
from qtower.service.payloads import Payloads
from qtower.service.records import Change
from qtower.service.steps import entered
from qtower.service.store import Store, sentence

_BEFORE = (statuses.QUEUED, statuses.RUNNING)

logger = logging.getLogger(__name__)


class Settlement:
    """Brings outcomes into the store.

    Args:
        store: Where the jobs are.
        payloads: Where their results are.
        max_attempts: How often a job runs whose process does not survive it.
        closing: Set when the service ends: what is lost then is not the job's fault.
    """

    def __init__(
        self, store: Store, payloads: Payloads, max_attempts: int, closing: threading.Event
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._max_attempts = max_attempts
        self._closing = closing

    def settle(self, job_id: str, outcome: Outcome) -> Change | None:
        """Stores an outcome; None if the job was cancelled or deleted first."""
        if outcome.kind == "completed":
            return self._store.move(
                job_id,
                statuses.COMPLETED,
                _BEFORE,
                at=outcome.ended,
                has_result=True,
                run_seconds=outcome.seconds,
            )
        if outcome.kind == "cancelled":
            return self._store.move(job_id, statuses.CANCELLED, _BEFORE)
        if outcome.kind == "lost":
            return self._settle_lost(job_id, outcome)
        return self._store.move(
            job_id,
            statuses.ERROR_RUNNING_JOB,
            _BEFORE,
            at=outcome.ended,
            has_result=outcome.has_result,
            run_seconds=outcome.seconds,
            error_message=sentence(outcome.message) or None,
            error_code=outcome.code or None,
        )

    def resume(self, job_id: str, attempts: int) -> Change | None:
        """Takes up a job that was RUNNING when the service died; None if it has ended."""
        if attempts < self._max_attempts:
            return self._store.put_back(job_id)
        times = "once" if attempts == 1 else f"{attempts} times"
        message = f"The service ended {times} while this job was running"
        return self._store.fail(job_id, statuses.ERROR_RUNNING_JOB, message, NOT_RUN)

    def put_back(self, job_id: str) -> None:
        """Has a running job run again at the next start, as if it had not yet."""
        self._store.put_back(job_id, forgive=True)
        self.drop_result(job_id)

    def drop_result(self, job_id: str) -> None:
        """Removes the result of a job that is not to have one."""
        job = self._store.listed_job(job_id)
        if job is None:
            self._payloads.remove(job_id)
        elif not job.has_result:
            self._payloads.result_file(job_id).unlink(missing_ok=True)

    def _settle_lost(self, job_id: str, outcome: Outcome) -> Change | None:
        """The process died before the job ended: it runs again, but not for ever."""
        job = self._store.listed_job(job_id)
        if job is None or job.final:
            return None
        if job.status == statuses.QUEUED and outcome.started is not None:
            return entered(self._store, job_id, statuses.QUEUED)  # it was put back, unanswered
        forgiven = outcome.blameless or self._closing.is_set()
        again = job.attempts < self._max_attempts and job.status == statuses.RUNNING
        if forgiven or again:
            logger.warning("job lost, runs again", extra={"job": job_id, "reason": outcome.message})
            return self._store.put_back(job_id, forgive=forgiven)
        return self._store.fail(
            job_id, statuses.ERROR_RUNNING_JOB, outcome.message, outcome.code or NOT_RUN
        )
