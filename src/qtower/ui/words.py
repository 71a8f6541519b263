"""Names, statuses and numbers of jobs in small words."""

from __future__ import annotations

from collections.abc import Mapping

from qtower.model import JobRow, Status

ORDER = (
    Status.RUNNING,
    Status.QUEUED,
    Status.VALIDATING,
    Status.INITIALIZING,
    Status.DONE,
    Status.ERROR,
    Status.SUBMIT_FAILED,
    Status.CANCELLED,
    Status.UNKNOWN,
)
"""The order in which counts are told."""

_SHORT = {Status.INITIALIZING: "starting", Status.SUBMIT_FAILED: "not sent"}


def short_word(status: Status) -> str:
    """A status as a small word in a count: `running`."""
    return _SHORT.get(status, status.value.lower())


def count_words(counts: Mapping[Status, int]) -> str:
    """`2 running 9 done 1 error`; statuses that no job has are left out."""
    parts = ((counts.get(status, 0), short_word(status)) for status in ORDER)
    return " ".join(f"{count} {word}" for count, word in parts if count)


def job_name(row: JobRow) -> str:
    """What a person calls the job: its experiments' names where known, else its own name."""
    return row.label or row.name or row.job_id or row.key


def jobs(count: int) -> str:
    """`1 job`, `12 jobs`."""
    return "1 job" if count == 1 else f"{count} jobs"


def search_text(row: JobRow) -> str:
    """All of a job that a filter looks at, in small letters."""
    parts = (row.name, row.label, row.set_name, row.job_id, row.key, row.backend)
    return "\n".join((*parts, row.status.value, *row.tags)).casefold()


def marked(count: int, hidden: int) -> str:
    """How many jobs are marked, and how many of them a filter hides; empty for none."""
    note = f"{count} marked" if count else ""
    return f"{note}, {hidden} hidden" if hidden else note
