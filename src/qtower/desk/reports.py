"""Why a job failed."""

from __future__ import annotations

from typing import Any

from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.jobstatus import JobStatus

from qtower.errors import JobStateError
from qtower.model import ErrorReport, ExperimentError, JobRow, Status

from .submission import error_words

_FETCH_SECONDS = 60.0
_SAYS_NOTHING = ("", "Unknown error.")  # ManagedJob's words when it could not ask


def error_report(key: str, row: JobRow, managed_job: ManagedJob | None) -> ErrorReport:
    """Returns all that is known of a failure; without a managed job, what the row remembers.

    Raises:
        JobStateError: The job has not failed.
    """
    if row.status is Status.SUBMIT_FAILED or getattr(managed_job, "submit_error", None):
        return ErrorReport(
            key=key,
            status=Status.SUBMIT_FAILED,
            submit_error=_submit_error(managed_job) or row.error or "No reason was given.",
        )
    # ManagedJob.error_message() waits for the end of a job that has not ended: ask first.
    status = managed_job.status() if managed_job and managed_job.job else None
    if status is not JobStatus.ERROR and row.status is not Status.ERROR:
        known = status.name if status is not None else row.status.value
        raise JobStateError(f"The job has not failed: it is {known}.")
    if managed_job is None or status is not JobStatus.ERROR:
        return ErrorReport(key=key, status=Status.ERROR, message=row.error)
    message = managed_job.error_message() or ""
    return ErrorReport(
        key=key,
        status=Status.ERROR,
        message=row.error if message in _SAYS_NOTHING and row.error else message,
        experiments=_failed_experiments(managed_job) if _names_experiments(message) else [],
    )


def _submit_error(managed_job: ManagedJob | None) -> str:
    if managed_job is None or managed_job.submit_error is None:
        return ""
    return error_words(managed_job.submit_error)


def _names_experiments(message: str) -> bool:
    # So begins what the provider makes of a partial result (build_error_report, 0.20.2).
    return message.startswith("The following experiments failed")


def _failed_experiments(managed_job: ManagedJob) -> list[ExperimentError]:
    """Errors of single experiments; error_message() has fetched the partial result already."""
    result = managed_job.result(timeout=_FETCH_SECONDS, partial=True)
    if result is None:
        return []
    return [
        ExperimentError(index=index, name=_name(each), message=str(each.status or "no reason"))
        for index, each in enumerate(result.results)
        if not each.success
    ]


def _name(experiment: Any) -> str:
    return str(getattr(getattr(experiment, "header", None), "name", "") or "")
