"""Result documents: fetched once from the endpoint, kept, and read from there ever after."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from qiskit.providers.exceptions import JobError
from qiskit.providers.ibmq.api.exceptions import RequestsApiError
from qiskit.providers.ibmq.exceptions import IBMQError
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.jobstatus import JobStatus
from requests import RequestException

from qtower.errors import GoneError, JobStateError, NetworkError, NotFoundError

from . import plain_json
from .faults import explain
from .kept_results import KeptResults, Obtained
from .result_downloads import acknowledge, result_pieces

_FETCH_SECONDS = 60.0
_MOST_IN_MEMORY = 4  # results
_BYTES_IN_MEMORY = 64 * 1024 * 1024  # of JSON


class JobResult:
    """A result document. Its shape is that of `qiskit.result.Result.to_dict`.

    Its experiments are only decoded while they are looked at: 44 MB of memory of single shots
    become 400 MB of Python, and nobody else gets a word in meanwhile.
    """

    def __init__(self, raw: bytes, source: str) -> None:
        """`source` is "endpoint" or "kept".

        Raises:
            ValueError: It is no result.
        """
        try:
            self.raw, parts = raw, _parts(raw)
        except msgspec.DecodeError:  # other readers of JSON take lone surrogates, and NaN
            self.raw = plain_json.encode(json.loads(raw))
            parts = _parts(self.raw)
        self.source = source
        self.outcomes: dict[tuple[int, str], list[tuple[str, int]]] = {}
        found = parts.pop("results", None)
        self._experiments = _experiments(found) if found else []
        self.facts: dict[str, Any] = {name: plain_json.decode(part) for name, part in parts.items()}
        """All but the experiments."""
        self._last: tuple[int, dict[str, Any]] = (-1, {})

    def experiment(self, index: int) -> dict[str, Any]:
        """Returns one experiment of the result.

        Raises:
            NotFoundError: There is none of that index.
        """
        if not 0 <= index < len(self._experiments):
            raise NotFoundError(
                f"The result has no experiment {index}.",
                f"It has {len(self._experiments)}, counted from 0.",
            )
        last, experiment = self._last
        if last != index:
            experiment = _decoded(self._experiments[index])
            self._last = (index, experiment)
        return experiment

    def experiments(self) -> Iterator[dict[str, Any]]:
        """Yields all experiments, in order."""
        for part in self._experiments:
            yield _decoded(part)


def _decoded(part: msgspec.Raw) -> dict[str, Any]:
    """An experiment as plain Python values."""
    try:
        found: dict[str, Any] = plain_json.decode(part)
    except msgspec.DecodeError:  # a number without bounds: others read it as one
        found = plain_json.decode(plain_json.encode(json.loads(bytes(part))))
    return found


def _parts(raw: bytes) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])


def _experiments(part: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return [
            each
            for each in msgspec.json.decode(part, type=list[msgspec.Raw])
            if bytes(memoryview(each)[:1]) == b"{"
        ]
    except msgspec.ValidationError:
        return []


class JobResults:
    """Results by job: the last few in memory, all that were ever read on disk."""

    def __init__(self, kept: KeptResults) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._recent: OrderedDict[str, JobResult] = OrderedDict()

    def get(self, job_id: str, managed_job: Callable[[], ManagedJob]) -> JobResult:
        """Returns the result of a job that is DONE, or the partial one of a job in ERROR.

        A result that was read before needs no network: `managed_job` is only called, and may only
        raise, for one that is not kept, or whose kept copy is damaged.

        Raises:
            JobStateError: The job has no result; says its state and what to do.
            NetworkError: The endpoint did not give it.
        """
        with self._lock:
            if job_id in self._recent:
                self._recent.move_to_end(job_id)
                return self._recent[job_id]
        raw = self._kept.read(job_id)
        obtained = Obtained(raw, kept=True) if raw is not None else self._fetch(job_id, managed_job)
        try:
            result = JobResult(obtained.raw, "kept" if obtained.kept else "endpoint")
        except (ValueError, RecursionError) as error:
            self._kept.put_aside(job_id)
            raise NetworkError("What the endpoint gave is not a result.") from error
        return self._remember(job_id, result)

    def _fetch(self, job_id: str, managed_job: Callable[[], ManagedJob]) -> Obtained:
        managed = require_sent(managed_job())
        status = _require_end(managed)
        job = managed.job
        if not job._use_object_storage:
            return self._kept.obtain(job_id, lambda: [_read(managed, status)])
        client = job._api_client
        with _reading(status):
            obtained = self._kept.obtain(
                job_id, lambda: result_pieces(client, job_id), lambda: acknowledge(client, job_id)
            )
        job._result = None  # the provider's own copy, if it read one to word an error
        return obtained

    def _remember(self, job_id: str, result: JobResult) -> JobResult:
        with self._lock:
            self._recent[job_id] = result
            while len(self._recent) > 1 and (
                len(self._recent) > _MOST_IN_MEMORY
                or sum(len(each.raw) for each in self._recent.values()) > _BYTES_IN_MEMORY
            ):
                self._recent.popitem(last=False)
        return result


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


def _require_end(managed_job: ManagedJob) -> JobStatus:
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
    return status


@contextlib.contextmanager
def _reading(status: JobStatus) -> Iterator[None]:
    """Around the reading of a result from object storage."""
    try:
        yield
    except (RequestsApiError, RequestException, ValueError, KeyError, TypeError) as error:
        if not isinstance(error, (RequestsApiError, RequestException)):
            raise NetworkError("The endpoint did not say where the result is.") from error
        known = explain(error)
        if isinstance(known, GoneError):
            raise known from error
        if status is JobStatus.ERROR and getattr(error, "status_code", 0) in (400, 404):
            raise _nothing_left() from error
        if isinstance(known, JobStateError | NotFoundError):
            raise NetworkError(f"The result could not be read: {known.what}") from error
        raise known from error


def _nothing_left() -> JobStateError:
    return JobStateError("The job failed and left no result.", "Look at its error message.")


def _read(managed_job: ManagedJob, status: JobStatus) -> bytes:
    """The result of a job whose endpoint has no object storage, through the provider."""
    try:
        result = managed_job.job.result(timeout=_FETCH_SECONDS, partial=True)
    except JobError as error:
        if status is JobStatus.ERROR:
            raise _nothing_left() from error
        words = error.message or type(error).__name__
        raise NetworkError(f"The result could not be read: {words}") from error
    except IBMQError as error:
        raise NetworkError(f"The result could not be read: {error.message}") from error
    managed_job.job._result = None  # kept here; the job would hold it for good
    return plain_json.encode(result.to_dict())
