"""The provider's `ManagedJob` instances behind the rows: made when asked for, some of them kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from qtower.errors import JobStateError
from qtower.model import JobRow

# Besides those of the sets that were submitted here and have not ended.
_MOST_RETRIEVED = 64


class ManagedJobs:
    """Every method may be called from any thread."""

    def __init__(self, retrieve: Callable[[str], Any]) -> None:
        """`retrieve` returns the `IBMQJob` of a job id, by asking the endpoint."""
        self._retrieve = retrieve
        self._lock = threading.Lock()
        self._retrieved: OrderedDict[str, Any] = OrderedDict()  # by job id
        self._submitted: dict[str, Any] = {}  # ManagedJobSet by set id

    def job_of(self, row: JobRow, experiments: int) -> Any:
        """The `ManagedJob` of a row, current enough to know that a final job is final.

        Made around an `IBMQJob` that is retrieved from the endpoint, unless its set was submitted
        here; it has so many `experiments`.

        Raises:
            JobStateError: The job never got an id.
            IBMQError: The endpoint could not be asked.
        """
        with self._lock:
            managed = self._submitted_job(row) or self._retrieved.get(row.job_id)
        if managed is None:
            if not row.job_id:
                raise JobStateError(
                    f"The job {row.label or row.name or row.key} has not been given an id.",
                    "It is still being sent, or its submission failed.",
                )
            managed = self._make(row, experiments)
        if managed.job is not None and row.status.final:
            managed.job.status()  # asks only if the instance still believes that it runs
        return managed

    def forget(self, job_id: str) -> None:
        """The endpoint does not have the job any more."""
        with self._lock:
            self._retrieved.pop(job_id, None)

    # -- sets that are submitted here -----------------------------------------------------------

    def adopt(self, managed_job_set: Any) -> None:
        """Keeps a `ManagedJobSet` until it is released."""
        with self._lock:
            self._submitted[managed_job_set.job_set_id()] = managed_job_set

    def sends(self, row: JobRow) -> bool:
        """Whether the part of a set that a row tells of is being sent here, and has no job yet."""
        with self._lock:
            managed_set = self._submitted.get(row.set_id)
        jobs = managed_set.managed_jobs() if managed_set is not None else []
        if row.index is None or row.index >= len(jobs):
            return False
        managed = jobs[row.index]  # one that has no future was sent by another process
        waits = managed.job is None and managed.submit_error is None
        return waits and managed.future is not None

    def adopted(self) -> set[str]:
        """The ids of the sets that are kept."""
        with self._lock:
            return set(self._submitted)

    def release(self, set_id: str) -> None:
        """Lets go of a set, with its circuits."""
        with self._lock:
            self._submitted.pop(set_id, None)

    def _submitted_job(self, row: JobRow) -> Any | None:
        managed_set = self._submitted.get(row.set_id)
        if managed_set is None or row.index is None:
            return None
        jobs = managed_set.managed_jobs()
        managed = jobs[row.index] if row.index < len(jobs) else None
        if managed is None or managed.job is None or managed.job.job_id() != row.job_id:
            return None
        return managed

    def _make(self, row: JobRow, experiments: int) -> Any:
        from qiskit.providers.ibmq.managed.managedjob import ManagedJob

        job = self._retrieve(row.job_id)
        managed = ManagedJob(
            start_index=row.start_index or 0, experiments_count=experiments, job=job
        )
        with self._lock:
            self._retrieved[row.job_id] = managed
            while len(self._retrieved) > _MOST_RETRIEVED:
                self._retrieved.popitem(last=False)
        return managed
