"""Why a job failed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.jobstatus import JobStatus

from qtower.errors import JobStateError, NetworkError
from qtower.model import ErrorReport, ExperimentError, JobRow, Status
from qtower.text import encodable

from .faults import endpoint_errors
from .submission import error_words

_log = logging.getLogger(__name__)

_SAYS_NOTHING = ("", "Unknown error.")  # ManagedJob's words when it could not ask


def error_report(
    row: JobRow,
    managed_job: ManagedJob | None,
    failures: Callable[[ManagedJob], list[ExperimentError]],
) -> ErrorReport:
    """Returns all that is known of a failure; without a managed job, what the row remembers.

    `failures` names the experiments of a partial result that failed.

    Raises:
        JobStateError: The job has not failed.
        NetworkError: The endpoint did not say why, and the row does not know either.
    """
    if row.status is Status.SUBMIT_FAILED or getattr(managed_job, "submit_error", None):
        return ErrorReport(
            key=row.key,
            status=Status.SUBMIT_FAILED,
            submit_error=_submit_error(managed_job) or row.error or "No reason was given.",
        )
    # ManagedJob.error_message() waits for the end of a job that has not ended: ask first.
    status = managed_job.status() if managed_job and managed_job.job else None
    if status is not JobStatus.ERROR and row.status is not Status.ERROR:
        known = status.name if status is not None else row.status.value
        raise JobStateError(f"The job has not failed: it is {known}.")
    if managed_job is None or status is not JobStatus.ERROR:
        return ErrorReport(key=row.key, status=Status.ERROR, message=row.error)
    message = _message(managed_job, row)
    return ErrorReport(
        key=row.key,
        status=Status.ERROR,
        message=row.error if message in _SAYS_NOTHING and row.error else encodable(message),
        experiments=_failed_experiments(managed_job, failures, message),
    )


def _message(managed_job: ManagedJob, row: JobRow) -> str:
    """The provider's words, for which it may read the result; "" if only the row has some."""
    try:
        with endpoint_errors():
            return managed_job.error_message() or ""
    except NetworkError:
        if not row.error:
            raise
        return ""


def _submit_error(managed_job: ManagedJob | None) -> str:
    if managed_job is None or managed_job.submit_error is None:
        return ""
    return error_words(managed_job.submit_error)


def _failed_experiments(
    managed_job: ManagedJob,
    failures: Callable[[ManagedJob], list[ExperimentError]],
    message: str,
) -> list[ExperimentError]:
    """Errors of single experiments; error_message() has fetched the partial result already."""
    # So begins what the provider makes of one (build_error_report, 0.20.2).
    if not message.startswith("The following experiments failed"):
        return []
    try:
        return failures(managed_job)
    except (JobStateError, NetworkError) as error:  # the message names them too
        _log.info("the result of a failed job could not be read: %s", error)
        return []
