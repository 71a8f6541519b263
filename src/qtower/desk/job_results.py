"""Result documents: fetched once through the managed job, kept in the journal, read from there."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakValueDictionary

from qiskit.providers.exceptions import JobError
from qiskit.providers.ibmq.exceptions import IBMQError
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.jobstatus import JobStatus

from qtower.errors import JobStateError, NetworkError, NotFoundError, StorageError

from . import plain_json

_log = logging.getLogger(__name__)

_FETCH_SECONDS = 60.0
_MOST_IN_MEMORY = 4  # results
_BYTES_IN_MEMORY = 64 * 1024 * 1024  # of JSON


class ResultKeeper(Protocol):
    """Where results are kept: the journal."""

    def keep_result(self, job_id: str, raw: bytes) -> None: ...

    def kept_result(self, job_id: str) -> bytes | None: ...


@dataclass
class JobResult:
    """A result document. Its shape is that of `qiskit.result.Result.to_dict`."""

    raw: bytes
    document: dict[str, Any]
    source: str  # "endpoint" or "kept"
    outcomes: dict[tuple[int, str], list[tuple[str, int]]] = field(default_factory=dict)

    def experiment(self, index: int) -> dict[str, Any]:
        """Returns one experiment of the result.

        Raises:
            NotFoundError: There is none of that index.
        """
        experiments = self.experiments()
        if not 0 <= index < len(experiments):
            raise NotFoundError(
                f"The result has no experiment {index}.",
                f"It has {len(experiments)}, counted from 0.",
            )
        return experiments[index]

    def experiments(self) -> list[dict[str, Any]]:
        """Returns all experiments, in order."""
        return [each for each in self.document.get("results") or [] if isinstance(each, dict)]


class JobResults:
    """Results by job: the last few in memory, all that were ever read in the journal."""

    def __init__(self, journal: ResultKeeper) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, JobResult] = OrderedDict()
        # A result may be readable only once: two readers of one job wait for each other.
        self._fetching: WeakValueDictionary[str, _FetchLock] = WeakValueDictionary()

    def get(self, job_id: str, managed_job: Callable[[], ManagedJob]) -> JobResult:
        """Returns the result of a job that is DONE, or the partial one of a job in ERROR.

        A result that was read before needs no network: `managed_job` is only called, and may only
        raise, for one that is not kept, or whose kept copy is damaged.

        Raises:
            JobStateError: The job has no result; says its state and what to do.
            NetworkError: The endpoint did not give it.
        """
        with self._lock:
            fetch_lock = self._fetching.setdefault(job_id, _FetchLock())
        with fetch_lock.lock:
            return self._recall(job_id) or self._fetch(job_id, require_sent(managed_job()))

    def _recall(self, job_id: str) -> JobResult | None:
        with self._lock:
            if job_id in self._recent:
                self._recent.move_to_end(job_id)
                return self._recent[job_id]
        raw = self._journal.kept_result(job_id)
        if raw is None:
            return None
        return self._remember(job_id, JobResult(raw, plain_json.decode(raw), "kept"))

    def _fetch(self, job_id: str, managed_job: ManagedJob) -> JobResult:
        raw = plain_json.encode(_read(managed_job).to_dict())
        try:
            self._journal.keep_result(job_id, raw)
            managed_job.job._result = None  # kept here; the job would hold it for good
        except StorageError as error:
            # It can still be shown; only a later reading will need the endpoint again.
            _log.warning("the result of job %s is not kept: %s", job_id, error)
        return self._remember(job_id, JobResult(raw, plain_json.decode(raw), "endpoint"))

    def _remember(self, job_id: str, result: JobResult) -> JobResult:
        with self._lock:
            self._recent[job_id] = result
            while len(self._recent) > 1 and (
                len(self._recent) > _MOST_IN_MEMORY
                or sum(len(each.raw) for each in self._recent.values()) > _BYTES_IN_MEMORY
            ):
                self._recent.popitem(last=False)
        return result


class _FetchLock:
    """A lock that can be referred to weakly: it is gone when nobody holds or awaits it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()


def require_sent(managed_job: ManagedJob) -> ManagedJob:
    """Returns the managed job if it has a job at the endpoint.

    Raises:
        JobStateError: It was not sent, or not yet.
    """
    if managed_job.submit_error is not None:
        raise JobStateError(
            "The job never reached the endpoint: its submission failed.",
            "Look at its error message.",
        )
    if managed_job.job is None:
        raise JobStateError("The job is still being sent.", "Wait until it is QUEUED.")
    return managed_job


def _read(managed_job: ManagedJob) -> Any:
    status = managed_job.status()
    if status is None:
        raise NetworkError(
            "The endpoint did not say what became of the job.",
            "Try again when the connection is back.",
        )
    if status is JobStatus.CANCELLED:
        raise JobStateError("The job was cancelled: it has no result.", "Submit it again.")
    if status not in (JobStatus.DONE, JobStatus.ERROR):
        raise JobStateError(
            f"The job is {status.name}: it has no result yet.", "Wait until it is DONE."
        )
    result = managed_job.result(timeout=_FETCH_SECONDS, partial=True)
    return result if result is not None else _read_again(managed_job, status)


def _read_again(managed_job: ManagedJob, status: JobStatus) -> Any:
    """ManagedJob turns the reason of a failure into a warning; the job itself raises it."""
    try:
        return managed_job.job.result(timeout=_FETCH_SECONDS, partial=True)
    except JobError as error:
        if status is JobStatus.ERROR:
            raise JobStateError(
                "The job failed and left no result.", "Look at its error message."
            ) from error
        words = error.message or type(error).__name__
        raise NetworkError(f"The result could not be read: {words}") from error
    except IBMQError as error:
        raise NetworkError(f"The result could not be read: {error.message}") from error
