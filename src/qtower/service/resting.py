"""Jobs of paced backends that have been simulated, and are RUNNING until the device would be done.

They need no worker meanwhile. Belongs to the dispatcher's thread.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import msgspec

from qtower.service.orders import Outcome
from qtower.service.pacing import JOB_SECONDS, Pacing
from qtower.service.records import StoredJob
from qtower.service.validation import ESTIMATED_SECONDS


@dataclass(frozen=True)
class _Rest:
    outcome: Outcome  # as what the job ends
    due: float  # by the monotonic clock: somebody may set the other one


class Resting:
    """Who rests, as what each ends, and when."""

    def __init__(self, pacing: Pacing) -> None:
        self._pacing = pacing
        self._rests: dict[str, _Rest] = {}

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._rests

    def device_seconds(self, job: StoredJob) -> float | None:
        """Returns how long the real device takes for a job; None if its backend is not paced."""
        if not self._pacing.paced(job.backend):
            return None
        return float((job.summary or {}).get(ESTIMATED_SECONDS, JOB_SECONDS))

    def take(self, job: StoredJob, outcome: Outcome) -> bool:
        """Lets a job rest that the real device would still run; False if it would not."""
        seconds = self.device_seconds(job)
        if seconds is None or outcome.kind != "completed" or outcome.started is None:
            return False
        ended = outcome.started + seconds
        left = ended - time.time()
        if left <= 0 or job.final:
            return False
        later = msgspec.structs.replace(outcome, ended=ended)
        self._rests[job.id] = _Rest(later, time.monotonic() + left)
        return True

    def seconds_to_next(self) -> float | None:
        """Returns in how many seconds the next job is over; None if none rests."""
        due = min((rest.due for rest in self._rests.values()), default=None)
        return None if due is None else due - time.monotonic()

    def over(self) -> list[str]:
        """Returns the jobs that the real device has done by now."""
        now = time.monotonic()
        return [job_id for job_id, rest in self._rests.items() if rest.due <= now]

    def outcome(self, job_id: str) -> Outcome | None:
        """Returns as what a job ends; None if it does not rest."""
        rest = self._rests.get(job_id)
        return None if rest is None else rest.outcome

    def leave(self, job_id: str) -> None:
        """Forgets a job: it has ended."""
        self._rests.pop(job_id, None)

    def all(self) -> list[str]:
        """Returns the ids of all that rest."""
        return list(self._rests)
