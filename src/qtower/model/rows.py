"""A line of the job list, and the statuses that it can have."""

from __future__ import annotations

from enum import Enum

from qtower.model.base import Struct


class Status(str, Enum):
    """Qiskit's `JobStatus`, and the two states that `ManagedJob.status()` folds into `None`."""

    INITIALIZING = "INITIALIZING"
    QUEUED = "QUEUED"
    VALIDATING = "VALIDATING"
    RUNNING = "RUNNING"
    CANCELLED = "CANCELLED"
    DONE = "DONE"
    ERROR = "ERROR"
    SUBMIT_FAILED = "SUBMIT_FAILED"
    UNKNOWN = "UNKNOWN"

    @property
    def final(self) -> bool:
        """True if the status can never change again."""
        return self in _FINAL


_FINAL = frozenset({Status.CANCELLED, Status.DONE, Status.ERROR, Status.SUBMIT_FAILED})


class JobRow(Struct, frozen=True, kw_only=True, gc=False):  # no cycles, and 100,000 of them
    """One managed job, as it was when the endpoint last confirmed it.

    `key` never changes in the life of a job: `SET_ID/INDEX` in a set, the job id elsewhere.
    """

    key: str
    status: Status = Status.UNKNOWN
    name: str = ""  # the job's name as the endpoint has it
    label: str = ""  # names of its first experiments, where known
    job_id: str = ""  # empty until the endpoint gave one
    set_id: str = ""  # ManagedJobSet.job_set_id(); empty outside a set
    set_name: str = ""
    index: int | None = None  # its place in the set, from 0
    start_index: int | None = None  # first and last experiment of the set that it covers,
    end_index: int | None = None  # as in ManagedJob; (0, n-1) outside a set
    backend: str = ""
    shots: int | None = None
    queue_position: int | None = None  # from 1; only while QUEUED
    estimated_start: float | None = None  # only while QUEUED
    created: float | None = None
    since: float | None = None  # when it entered its status
    run_seconds: float | None = None  # time spent RUNNING, once final
    tags: tuple[str, ...] = ()  # without the set's own tag
    error: str = ""  # first line of what went wrong
    confirmed: float | None = None  # when the endpoint last said so; None: only the journal did
    saved: bool = False  # its result is kept on this machine
