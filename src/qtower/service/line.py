"""The queue's line: who waits, in which order, and when each may expect to run."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from qtower.service.fairshare import FairShare, Priorities, Running, Waiting
from qtower.service.records import Owner
from qtower.service.reservations import Reservations
from qtower.service.settings import ServiceSettings

_NEWEST_WEIGHT = 0.2  # of the latest run in the moving average of run times


@dataclass(frozen=True)
class Place:
    """Where a job stands, and an estimate from the run times of earlier jobs, where there are some.

    Times are seconds since 1970 UTC.
    """

    position: int  # from 1
    starts: float | None
    ends: float | None
    priorities: Priorities = field(default_factory=Priorities)


@dataclass(frozen=True)
class _Member(Waiting):
    backend: str
    device_seconds: float | None  # of a paced backend, which runs one job after the other

    @property
    def queue(self) -> str | None:
        """Whom it waits for: its backend, or with all others a worker."""
        return self.backend if self.device_seconds is not None else None


@dataclass(frozen=True)
class _Standing:
    """Where a job stands in its own queue."""

    index: int  # from 0
    seconds_ahead: float  # of a paced queue: what those ahead of it take


class Line:
    """Waiting jobs, in the order of fair share; within a user first come, first served.

    Any thread may ask; only the dispatcher changes it, except that anybody may leave. A job keeps
    its place until it really runs: the one whose process is being started is first.

    A paced backend is a queue of its own. A job there needs a worker to begin, and gives it back
    (`rest`) when it is simulated; the backend is its own until it has `ended`.

    Args:
        workers: How many jobs run at once.
        recent_run_seconds: Of the jobs that completed last, newest first.
        share: What everybody has used.
        reservations: When which backend is whose.
    """

    def __init__(
        self,
        workers: int,
        recent_run_seconds: Sequence[float],
        share: FairShare | None = None,
        reservations: Reservations | None = None,
    ) -> None:
        self._workers = workers
        self._share = share or FairShare()
        self._reservations = reservations or Reservations(ServiceSettings())
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, str]] = []
        self._members: dict[str, _Member] = {}
        self._lengths: Counter[str] = Counter()
        self._taken: dict[str, Running] = {}  # jobs with a worker, or at rest
        self._resting: set[str] = set()
        self._devices: dict[str, tuple[str, float]] = {}  # paced: whose job it runs, until when
        self._usual_seconds: float | None = None
        self._order: dict[str, _Standing] | None = None  # until something changes
        for seconds in reversed(recent_run_seconds):
            self._learn(seconds)

    def join(
        self,
        place_in_line: int,
        job_id: str,
        backend: str,
        owner: Owner,
        device_seconds: float | None = None,
    ) -> None:
        """Takes a job into the line, at its place, if it is not in it already.

        With `device_seconds` it is of a paced backend.
        """
        with self._lock:
            if job_id in self._members:
                return
            insort(self._waiting, (place_in_line, job_id))
            member = _Member(job_id, owner, place_in_line, backend, device_seconds)
            self._members[job_id] = member
            self._lengths[backend] += 1
            self._order = None

    def leave(self, job_id: str) -> bool:
        """Takes a job out of the line; False if it was not in it."""
        with self._lock:
            return self._leave(job_id)

    def take(self) -> str | None:
        """Gives a worker to the first job that has none and may begin; None if there is none."""
        with self._lock:
            if len(self._taken) - len(self._resting) >= self._workers:
                return None
            now = time.time()
            for job_id in self._ranked(now):
                member = self._members[job_id]
                if member.queue in self._devices:
                    continue
                if self._reservations.runnable(member.owner, member.backend, now):
                    self._taken[job_id] = Running(member.owner, None)
                    self._hold_device(member, now)
                    self._order = None
                    return job_id
            return None

    def next_reservation(self) -> float | None:
        """Returns when a reservation next begins or ends: others may run then; None for never."""
        return self._reservations.next_change(time.time())

    def began(self, job_id: str, at: float) -> None:
        """The job runs: it leaves the line and keeps its worker."""
        with self._lock:
            member = self._members.get(job_id)
            self._leave(job_id)
            if member is not None:
                self._taken[job_id] = Running(member.owner, at)
                self._hold_device(member, at)

    def give_back(self, job_id: str) -> None:
        """The job did not begin after all: it stands in the line as before, without a worker."""
        with self._lock:
            self._taken.pop(job_id, None)
            self._free_device(job_id)
            self._order = None

    def rest(self, job_id: str) -> None:
        """The job of a paced backend needs no worker any more; it still runs."""
        with self._lock:
            if job_id in self._taken:
                self._resting.add(job_id)

    def ended(self, job_id: str, run_seconds: float | None = None) -> None:
        """The job's worker is free again; `run_seconds` if it ran to its end."""
        with self._lock:
            self._leave(job_id)
            run = self._taken.pop(job_id, None)
            self._resting.discard(job_id)
            self._free_device(job_id)
            self._order = None
            if run is None:
                return  # it was told before
            if run_seconds is not None:
                self._learn(run_seconds)
            if run.since is not None:
                now = time.time()
                self._share.add(run.owner, now - run.since, now)

    def set_workers(self, workers: int) -> None:
        """From now on so many jobs run at once."""
        with self._lock:
            self._workers = workers

    def place(self, place_in_line: int) -> Place | None:
        """Returns where a job stands; None if it is not in the line."""
        with self._lock:
            at = bisect_left(self._waiting, (place_in_line, ""))
            if at == len(self._waiting) or self._waiting[at][0] != place_in_line:
                return None
            now = time.time()
            member = self._members[self._waiting[at][1]]
            standing = self._standings(now)[member.job_id]
            starts, ends = self._expect(standing, member, now)
            priorities = self._share.priorities(member.owner, now)
            return Place(standing.index + 1, starts, ends, priorities)

    def length(self, backend: str) -> int:
        """Returns how many jobs wait for a backend."""
        with self._lock:
            return self._lengths[backend]

    # -- inside, behind the lock -----------------------------------------------------------------

    def _leave(self, job_id: str) -> bool:
        member = self._members.pop(job_id, None)
        if member is None:
            return False
        self._lengths[member.backend] -= 1
        del self._waiting[bisect_left(self._waiting, (member.place, job_id))]
        self._order = None
        return True

    def _ranked(self, now: float) -> Iterator[str]:
        """Ids of the jobs without a worker, the next one first."""
        without = [self._members[id_] for _, id_ in self._waiting if id_ not in self._taken]
        return self._share.ranked(without, list(self._taken.values()), now, self._usual_seconds)

    def _standings(self, now: float) -> dict[str, _Standing]:
        if self._order is None:
            starting = [id_ for _, id_ in self._waiting if id_ in self._taken]
            lengths: Counter[str | None] = Counter()
            seconds: dict[str | None, float] = {}
            self._order = {}
            for job_id in (*starting, *self._ranked(now)):
                member = self._members[job_id]
                queue = member.queue
                self._order[job_id] = _Standing(lengths[queue], seconds.get(queue, 0.0))
                lengths[queue] += 1
                seconds[queue] = seconds.get(queue, 0.0) + (member.device_seconds or 0.0)
        return self._order

    def _hold_device(self, member: _Member, since: float) -> None:
        if member.device_seconds is not None:
            until = since + member.device_seconds
            self._devices[member.backend] = (member.job_id, until)

    def _free_device(self, job_id: str) -> None:
        held = [name for name, (holder, _) in self._devices.items() if holder == job_id]
        for name in held:
            del self._devices[name]

    def _learn(self, run_seconds: float) -> None:
        known = self._usual_seconds
        self._usual_seconds = (
            run_seconds if known is None else known + _NEWEST_WEIGHT * (run_seconds - known)
        )

    def _expect(
        self, standing: _Standing, member: _Member, now: float
    ) -> tuple[float | None, float | None]:
        paced = member.device_seconds is not None
        seconds = member.device_seconds if paced else self._usual_seconds
        if seconds is None or (not paced and self._workers < 1):
            return None, None
        if paced:
            free = self._expect_device(standing, member, now)
        else:
            free = self._expect_worker(standing, seconds, now)
        starts = self._reservations.free_at(member.owner, member.backend, free)
        return starts, starts + seconds

    def _expect_device(self, standing: _Standing, member: _Member, now: float) -> float:
        """A paced backend takes one job after the other, each as long as it says."""
        holder, until = self._devices.get(member.backend, ("", now))
        # The one that is being started is still in the line, and its time among those ahead.
        free = now if holder in self._members else max(until, now)
        return free + standing.seconds_ahead

    def _expect_worker(self, standing: _Standing, usual: float, now: float) -> float:
        """Each worker takes one job after the other, each as long as is usual."""
        at_work = [run for job_id, run in self._taken.items() if job_id not in self._resting]
        since = [run.since for run in at_work if run.since is not None]
        # One that has run too long will go on for as long again: no wait has ended before it began.
        busy = [abs(began + usual - now) for began in since][: self._workers]
        free_in = sorted([*busy, *[0.0] * (self._workers - len(busy))])
        rounds, worker = divmod(standing.index, self._workers)
        return now + free_in[worker] + rounds * usual
