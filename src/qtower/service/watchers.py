"""Who follows which job: the way from a change in any thread to a websocket in the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import defaultdict, deque
from collections.abc import Iterator

from qtower.service.records import Change


class Watcher:
    """One follower of one job. Its methods belong to the event loop that made it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._changes: deque[Change] = deque()
        self.in_line = False  # a move of the line is news only to those who stand in it

    async def news(self) -> list[Change]:
        """Waits for news; returns the job's changes, oldest first; none if only the line moved."""
        await self._news.wait()
        self._news.clear()
        changes = list(self._changes)
        self._changes.clear()
        return changes

    def tell(self, change: Change | None) -> None:
        """Brings news, from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the follower with it
            self._loop.call_soon_threadsafe(self._hear, change)

    def _hear(self, change: Change | None) -> None:
        if change is not None:
            self._changes.append(change)
        self._news.set()


class Watchers:
    """All followers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_job: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._of_all: set[Watcher] = set()

    @contextlib.contextmanager
    def watch(self, job_id: str) -> Iterator[Watcher]:
        """Follows a job inside the `with`; every change from then on is told."""
        watcher = Watcher()
        with self._lock:
            self._by_job[job_id].add(watcher)
        try:
            yield watcher
        finally:
            with self._lock:
                followers = self._by_job[job_id]
                followers.discard(watcher)
                if not followers:
                    del self._by_job[job_id]

    @contextlib.contextmanager
    def watch_all(self) -> Iterator[Watcher]:
        """Follows all jobs, of whomever, inside the `with`."""
        watcher = Watcher()
        with self._lock:
            self._of_all.add(watcher)
        try:
            yield watcher
        finally:
            with self._lock:
                self._of_all.discard(watcher)

    def publish(self, change: Change) -> None:
        """Tells the followers of a job, and those of all jobs, that its status changed."""
        with self._lock:
            followers = [*self._by_job.get(change.job_id, ()), *self._of_all]
        for watcher in followers:
            watcher.tell(change)

    def line_moved(self) -> None:
        """Tells everybody who stands in the line to look at the position again."""
        with self._lock:
            waiting = [w for followers in self._by_job.values() for w in followers if w.in_line]
        for watcher in waiting:
            watcher.tell(None)
