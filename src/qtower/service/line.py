"""The queue's line: who waits, in which order, and when each may expect to run."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_NEWEST_WEIGHT = 0.2  # of the latest run in the moving average of run times


@dataclass(frozen=True)
class Place:
    """Where a job stands, and an estimate from the run times of earlier jobs, where there are some.

    Times are seconds since 1970 UTC.
    """

    position: int  # from 1
    starts: float | None
    ends: float | None


class Line:
    """Waiting jobs, first come first served. Any thread may ask; only the dispatcher changes it,
    except that anybody may leave.

    A job keeps its place until it really runs: the one whose process is being started is first.
    """

    def __init__(self, workers: int, recent_run_seconds: Sequence[float]) -> None:
        self._workers = workers
        self._lock = threading.Lock()
        self._waiting: list[tuple[int, str]] = []
        self._backends: dict[str, str] = {}
        self._lengths: Counter[str] = Counter()
        self._taken: dict[str, float | None] = {}  # jobs with a worker, and since when they run
        self._usual_seconds: float | None = None
        for seconds in reversed(recent_run_seconds):
            self._learn(seconds)

    def join(self, place_in_line: int, job_id: str, backend: str) -> None:
        """Takes a job into the line, at its place."""
        with self._lock:
            insort(self._waiting, (place_in_line, job_id))
            self._backends[job_id] = backend
            self._lengths[backend] += 1

    def leave(self, job_id: str) -> bool:
        """Takes a job out of the line; False if it was not in it."""
        with self._lock:
            return self._leave(job_id)

    def take(self) -> str | None:
        """Gives a worker to the first job that has none; None if there is no such job or worker."""
        with self._lock:
            if len(self._taken) >= self._workers:
                return None
            # Those ahead of it that have a worker are fewer than the workers.
            for _, job_id in self._waiting:
                if job_id not in self._taken:
                    self._taken[job_id] = None
                    return job_id
            return None

    def began(self, job_id: str, at: float) -> None:
        """The job runs: it leaves the line and keeps its worker."""
        with self._lock:
            self._leave(job_id)
            self._taken[job_id] = at

    def ended(self, job_id: str, run_seconds: float | None = None) -> None:
        """The job's worker is free again; `run_seconds` if it ran to its end."""
        with self._lock:
            self._leave(job_id)
            self._taken.pop(job_id, None)
            if run_seconds is not None:
                self._learn(run_seconds)

    def place(self, place_in_line: int) -> Place | None:
        """Returns where a job stands; None if it is not in the line."""
        with self._lock:
            index = bisect_left(self._waiting, (place_in_line, ""))
            if index == len(self._waiting) or self._waiting[index][0] != place_in_line:
                return None
            starts, ends = self._expect(index)
        return Place(index + 1, starts, ends)

    def length(self, backend: str) -> int:
        """Returns how many jobs wait for a backend."""
        with self._lock:
            return self._lengths[backend]

    def _leave(self, job_id: str) -> bool:
        backend = self._backends.pop(job_id, None)
        if backend is None:
            return False
        self._lengths[backend] -= 1
        index = next(i for i, (_, waiting) in enumerate(self._waiting) if waiting == job_id)
        del self._waiting[index]
        return True

    def _learn(self, run_seconds: float) -> None:
        known = self._usual_seconds
        self._usual_seconds = (
            run_seconds if known is None else known + _NEWEST_WEIGHT * (run_seconds - known)
        )

    def _expect(self, index: int) -> tuple[float | None, float | None]:
        """Each worker takes one job after the other, each as long as is usual."""
        usual = self._usual_seconds
        if usual is None:
            return None, None
        now = time.time()
        busy = [max(since + usual - now, 0.0) for since in self._taken.values() if since]
        free_in = sorted([*busy, *[0.0] * (self._workers - len(busy))])
        starts = now + free_in[index % self._workers] + index // self._workers * usual
        return starts, starts + usual
