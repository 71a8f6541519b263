"""Results, a page at a time, and what went wrong where there is none."""

from __future__ import annotations

from qtower.model.base import Struct
from qtower.model.rows import Status


class ExperimentHead(Struct, frozen=True, kw_only=True):
    """One experiment of a result, without its data."""

    index: int
    name: str
    success: bool
    status: str  # "DONE", or the server's words
    shots: int | None = None
    outcomes: int | None = None  # number of distinct bitstrings; None without counts
    memory: int | None = None  # number of memory entries; None without memory


class ResultHead(Struct, frozen=True, kw_only=True):
    """A job's result, without its data."""

    key: str
    success: bool  # False for a partial result
    status: str
    backend: str
    date: str
    seconds: float | None  # time taken by the backend
    experiments: list[ExperimentHead]
    source: str = ""  # "endpoint" or "kept" (read from the journal's folder)


class Count(Struct, frozen=True, kw_only=True, array_like=True):
    """An outcome: bitstring, most significant qubit first, and how often it was seen."""

    bits: str
    count: int


class Counts(Struct, frozen=True, kw_only=True):
    """A page of the counts of one experiment."""

    key: str
    experiment: int
    total: int  # sum of all counts
    outcomes: int  # number of distinct bitstrings
    offset: int
    rows: list[Count]
    header: str = ""  # experiment header and metadata, as indented JSON
    note: str = ""  # why there are no counts (meas_level 1, failed experiment, ...)


class Memory(Struct, frozen=True, kw_only=True):
    """A page of the per-shot outcomes of one experiment, in the order they were measured."""

    key: str
    experiment: int
    total: int
    offset: int
    shots: list[str]


class ExperimentError(Struct, frozen=True, kw_only=True):
    """What went wrong in one experiment."""

    index: int
    name: str
    message: str


class ErrorReport(Struct, frozen=True, kw_only=True):
    """Why a job failed; `message` is `ManagedJob.error_message()` in full."""

    key: str
    status: Status
    message: str = ""
    submit_error: str = ""
    experiments: list[ExperimentError] = []

    @property
    def summary(self) -> str:
        """`message`, without what the provider repeats there of `experiments`, one by one."""
        first, line_end, others = self.message.partition("\n")
        left = line_end + others
        for each in self.experiments:
            left = left.removeprefix(f"\nExperiment {each.index}: {each.message}")
        return first + left


class Saved(Struct, frozen=True, kw_only=True):
    """A file that was written."""

    path: str
    size: int  # bytes
