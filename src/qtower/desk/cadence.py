"""How often an endpoint is asked, and which jobs next: those looked at, and those likely to change.

How soon a job is read again follows its status, its place in the queue and how long jobs of its
backend usually run, as the finished ones show. A job that has ended is never read again.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from qtower.config import CALLS_PER_MINUTE
from qtower.model import JobRow, Status

_USUAL_SECONDS = 30.0  # of a job, where no other has shown it
_NEW_WEIGHT = 0.2  # of one more job in what is usual
_PART = 0.25  # of the time until a change is expected: then it is looked at again


class Cadence(msgspec.Struct, frozen=True, kw_only=True):
    """How often an endpoint is asked; times in seconds."""

    busy: float  # between rounds while anything is active
    idle: float  # between rounds otherwise
    told: float  # between rounds where the endpoint tells by itself that something has changed
    new: float  # between looks for new jobs, where these are asked for apart
    soon: float  # between readings of a job that may change at any moment
    screen: float  # between readings of a job on the screen, at most
    seldom: float  # between readings of a job of which nothing is expected
    census: float  # between readings of all ids, which show what was deleted
    details: int  # jobs a round whose last details are read


LOCAL = Cadence(
    busy=0.5,
    idle=1.0,
    told=2.0,
    new=0.5,
    soon=1.0,
    screen=2.0,
    seldom=15.0,
    census=300.0,
    details=25,
)
REMOTE = Cadence(
    busy=5.0,
    idle=30.0,
    told=10.0,
    new=10.0,
    soon=5.0,
    screen=15.0,
    seldom=120.0,
    census=3600.0,
    details=5,
)


def cadence_for(*, local: bool, calls_per_minute: int | None) -> Cadence:
    """The cadence of an account; one that may be asked seldom has a slower one."""
    if local:
        return LOCAL
    slower = max(1.0, CALLS_PER_MINUTE / (calls_per_minute or CALLS_PER_MINUTE))
    times = {
        name: value * slower
        for name, value in msgspec.structs.asdict(REMOTE).items()
        if name != "details"
    }
    return msgspec.structs.replace(REMOTE, **times)


class UsualTimes:
    """How long jobs of each backend run, as a mean in which the last ones count most."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def learn(self, rows: Iterable[JobRow]) -> None:
        """Takes in what finished jobs have shown."""
        for row in rows:
            if row.run_seconds is not None:
                known = self._seconds.setdefault(row.backend, row.run_seconds)
                self._seconds[row.backend] = known + _NEW_WEIGHT * (row.run_seconds - known)

    def of(self, backend: str) -> float:
        """Seconds that a job runs there."""
        return self._seconds.get(backend, _USUAL_SECONDS)


class Schedule:
    """Which of the active jobs are to be read, and when each was read last.

    Its times are those of a clock that is never set.
    """

    def __init__(self, cadence: Cadence, usual: UsualTimes) -> None:
        self.cadence = cadence
        self._usual = usual
        self._read: dict[str, float] = {}  # when, by job id
        self._on_screen: frozenset[str] = frozenset()  # keys
        self._cursor = ""

    def look(self, keys: Iterable[str], cursor: str) -> None:
        """What a person has on the screen."""
        self._on_screen, self._cursor = frozenset(keys), cursor

    def read(self, job_ids: Iterable[str], now: float) -> None:
        """These jobs were read."""
        self._read.update((job_id, now) for job_id in job_ids)

    def forget_all_but(self, job_ids: Iterable[str]) -> None:
        """The other jobs have ended, or are gone."""
        kept = set(job_ids)
        if len(self._read) > 2 * len(kept) + 100:
            self._read = {job_id: at for job_id, at in self._read.items() if job_id in kept}

    def due(self, active: Iterable[JobRow], now: float, wall: float) -> list[JobRow]:
        """The jobs to read now: those on the screen first, then those that are due longest.

        `wall` is now as the rows' own times have it.
        """
        waiting: list[tuple[bool, bool, float, JobRow]] = []
        for row in active:
            at = self._read.get(row.job_id)
            late = now - at - self.seconds(row, wall) if at is not None else now
            if late >= 0:
                waiting.append((row.key != self._cursor, not self._shown(row), -late, row))
        waiting.sort(key=lambda item: item[:3])
        return [row for *_, row in waiting]

    def seconds(self, row: JobRow, wall: float) -> float:
        """After how long the job is worth another reading."""
        soon, seldom = self.cadence.soon, self.cadence.seldom
        if row.key == self._cursor:
            return soon
        most = self.cadence.screen if self._shown(row) else seldom
        return min(most, max(soon, _PART * self._until_change(row, wall)))

    def _until_change(self, row: JobRow, wall: float) -> float:
        """Seconds until something is expected of the job; the longer it hangs, the more."""
        usual = self._usual.of(row.backend)
        elapsed = max(0.0, wall - row.since) if row.since is not None else 0.0
        if row.status is Status.QUEUED:
            if row.estimated_start is not None:
                return abs(row.estimated_start - wall)
            return (row.queue_position - 1) * usual if row.queue_position else usual
        if row.status is Status.RUNNING:
            return abs(usual - elapsed)
        return elapsed

    def _shown(self, row: JobRow) -> bool:
        return row.key in self._on_screen
