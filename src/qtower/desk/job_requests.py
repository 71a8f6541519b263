"""What a person asks about one job, and a cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtower import model
from qtower.desk.journal import Journal
from qtower.desk.reach import Reach
from qtower.desk.registry import Registry
from qtower.desk.workshop import Workshop
from qtower.errors import AccountError, JobStateError, NetworkError
from qtower.model import Status


class JobRequests:
    """The answers to requests about a job of an account. Safe for all threads."""

    def __init__(
        self, registry: Registry, journal: Journal, reach: Reach, work: Callable[[], Workshop]
    ) -> None:
        """`work` returns the workshop, made when it is first needed."""
        self._registry = registry
        self._journal = journal
        self._reach = reach
        self._work = work

    def details(self, request: model.GetDetails) -> model.Details:
        """Everything known of a job, read anew; offline what the journal has."""
        from qtower.desk.details import details_of_job, details_of_row

        row = self._registry.row(request.key)
        steps = self._journal.transitions(row.key)
        if not row.job_id:
            return details_of_row(row, steps, "The endpoint has given the job no id.")
        try:
            job = self._reach.renewing(lambda: self._reach.refreshed_job(request.key))
        except (NetworkError, AccountError) as error:
            return details_of_row(row, steps, f"From the journal: {error.what}")
        return details_of_job(self._registry.row(request.key), job)

    def result(self, request: model.GetResult) -> model.ResultHead:
        """A result without its data."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.head(request.key, job_id, managed_job)

    def counts(self, request: model.GetCounts) -> model.Counts:
        """A page of counts."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.counts(request, job_id, managed_job)

    def memory(self, request: model.GetMemory) -> model.Memory:
        """A page of single shots."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.memory(request, job_id, managed_job)

    def save_result(self, request: model.SaveResult) -> model.Saved:
        """Writes a result to a file."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.save(request, job_id, managed_job)

    def error(self, request: model.GetError) -> model.ErrorReport:
        """Why a job failed; offline what its row remembers."""
        row = self._registry.row(request.key)
        return self._work().error_report(row, self._reach.managed_job_if_any(row))

    def qobj(self, request: model.GetQobj) -> model.QobjHead:
        """A job's qobj without its experiments."""
        return self._work().qobjs.head(request.key, self._reach.managed_job(request.key))

    def drawing(self, request: model.GetDrawing) -> model.Drawing:
        """One experiment of a qobj, drawn."""
        return self._work().qobjs.drawing(request, self._reach.managed_job(request.key))

    def json(self, request: model.GetJson) -> model.JsonChildren:
        """Children of a value in a qobj."""
        return self._work().qobjs.children(request, self._reach.managed_job(request.key))

    def cancel(self, request: model.Cancel) -> model.CancelOutcome:
        """Cancels a job, and says what became of that."""
        self._reach.provider()
        from qtower.desk.cancelling import cancel_job, refuse_cancel

        row = self._registry.row(request.key)
        outcome = refuse_cancel(row) or cancel_job(row, self._reach.managed_job(request.key))
        self._reach.nudge()
        return outcome

    def _for_result(self, key: str) -> tuple[str, Callable[[], Any]]:
        """A job's id, and a call for its managed job: a result may be kept."""
        row = self._registry.row(key)
        if row.status in (Status.CANCELLED, Status.SUBMIT_FAILED):
            raise JobStateError(f"The job has no result: it is {row.status.value}.")
        if not row.status.final:
            raise JobStateError(
                f"The job has no result yet: it is {row.status.value}.", "Wait until it is done."
            )
        return row.job_id, lambda: self._reach.managed_job(key)
