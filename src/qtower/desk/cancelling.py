"""Cancel, and the truth about it."""

from __future__ import annotations

from typing import Any

from qiskit.providers.ibmq.job.exceptions import IBMQJobError

from qtower.desk.faults import AccessExpiredError, endpoint_errors, explain
from qtower.errors import NetworkError
from qtower.model import CancelOutcome, JobRow, Status


def cancel_job(row: JobRow, managed_job: Any) -> CancelOutcome:
    """Cancels the job of `row` by its managed job, and says what became of it.

    `ManagedJob.cancel()` tells nobody but its log whether that worked, or whether the endpoint
    answered at all: the job remembers the one, and its status, asked now, shows the other.

    Raises:
        NetworkError: The endpoint does not answer; the job may or may not be cancelled.
        AccessExpiredError: The endpoint wants a new login first.
    """
    with endpoint_errors():
        managed_job.cancel()
    job = managed_job.job
    status = _status(job)
    if job._cancelled or status is Status.CANCELLED:
        # The endpoint promised it; a job that runs may need a moment to stop.
        return _outcome(row, "cancelled", "The job was cancelled.", status)
    if status.final:
        return _outcome(
            row, "too_late", f"It was too late: the job had ended as {status.value}.", status
        )
    words = f"The endpoint did not cancel the job: it is {status.value}."
    return _outcome(row, "refused", words, status)


def refuse_cancel(row: JobRow) -> CancelOutcome | None:
    """The outcome for a job that cannot be cancelled, known without asking; else None."""
    if row.status is Status.SUBMIT_FAILED:
        return _outcome(row, "refused", "The job was never submitted.", row.status)
    if row.status is Status.CANCELLED:
        return _outcome(row, "cancelled", "The job had been cancelled before.", row.status)
    if not row.job_id:
        words = "The job is still being sent and has no id yet: cancel it once it has one."
        return _outcome(row, "refused", words, row.status)
    return None


def _status(job: Any) -> Status:
    try:
        return Status[job.status().name]
    except IBMQJobError as error:
        known = explain(error)
        if isinstance(known, AccessExpiredError):
            raise known from error
        raise NetworkError(f"Cancel was sent, but {known.what}", "Refresh to see.") from error


def _outcome(row: JobRow, outcome: str, message: str, status: Status) -> CancelOutcome:
    return CancelOutcome(key=row.key, outcome=outcome, message=message, status=status)
