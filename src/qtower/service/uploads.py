"""Jobs that were created and whose qobj is still to come, and until when. For any thread."""

from __future__ import annotations

from qtower.service.records import StoredJob

UPLOAD_SECONDS = 15 * 60.0
"""How long a job waits for its qobj, unless the settings say otherwise."""


class Uploads:
    """Who waits for a qobj; those that were created first are first.

    Args:
        seconds: How long a job waits.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}  # seconds since 1970, by job

    def expect(self, job: StoredJob) -> None:
        """Gives a new job its time."""
        self._until[job.id] = job.created / 1_000_000 + self._seconds

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._until

    def forget(self, job_id: str) -> bool:
        """The qobj has come, or the job has ended; False if that was told before."""
        return self._until.pop(job_id, None) is not None

    def next_overdue(self, now: float) -> float:
        """Returns when the next upload is overdue; one that is not yet expected cannot be sooner
        than the time which it has."""
        return next(iter(list(self._until.values())), now + self._seconds)

    def overdue(self, now: float) -> list[str]:
        """Returns the jobs that have waited too long."""
        return [job_id for job_id, until in list(self._until.items()) if until <= now]
