"""Who runs next: fair shares among hubs, groups, projects and users; in turn within a user.

The rule. Of all hubs with waiting jobs, the one that has used least of its share comes first; in
it the group, in that the project, in that the user; of the user's jobs the one that came first.

- What somebody has used are seconds of run time, the last ones in full and older ones less: after
  each half-life half as much. A running job counts as long as it runs, and at least as long as
  jobs usually do.
- What was used is divided by the weight: of two users with weights 1 and 3 who always have jobs
  waiting, the second gets three quarters of the time.
- A job that is placed in the order counts as used for those behind it, so that users take turns.
- Equals come in the order in which their jobs came. With one user this is first in, first out.

Pure: no clock, no store; all times are seconds, and seconds since 1970 UTC.
"""

from __future__ import annotations

import heapq
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from qtower.service.records import Owner
from qtower.service.settings import ServiceSettings

_FIRST_GUESS = 1.0  # seconds of a run, before any run has been seen
_FORGOTTEN = 1e-6  # seconds: less than that was never used
_KEPT = 10_000  # owners whose use is remembered before forgotten ones are looked for

_Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Waiting:
    """A job in the line; `place` orders the jobs of one user."""

    job_id: str
    owner: Owner
    place: int


@dataclass(frozen=True)
class Running:
    """A job that has a worker; `since` is None until it really runs."""

    owner: Owner
    since: float | None


@dataclass(frozen=True)
class Priorities:
    """How much each may still claim, in (0, 1]: 1 for who has used no more than a fair share,
    else the fair share divided by what was used."""

    hub: float = 1.0
    group: float = 1.0
    project: float = 1.0


class FairShare:
    """What everybody has used, and the order that follows from it. Any thread may ask."""

    def __init__(self, settings: ServiceSettings | None = None) -> None:
        self._settings = settings or ServiceSettings()
        self._half_life = self._settings.queue.share_seconds
        self._lock = threading.Lock()
        self._used: dict[_Path, tuple[float, float]] = {}  # seconds, and as of when
        self._members: dict[_Path, set[_Path]] = {}  # of those, in each hub, group, project

    def add(self, owner: Owner, run_seconds: float, at: float) -> None:
        """Counts a run that ended at `at`."""
        with self._lock:
            for path in _paths(owner):
                # Runs of the past may come in any order: the sum is kept as of the latest.
                seconds, as_of = self._used.get(path, (0.0, at))
                latest = max(as_of, at)
                kept = self._decayed(seconds, latest - as_of)
                self._used[path] = (kept + self._decayed(run_seconds, latest - at), latest)
                self._members.setdefault(path[:-1], set()).add(path)
            if len(self._used) > _KEPT:
                self._forget(at)

    def order(
        self,
        waiting: Sequence[Waiting],
        running: Sequence[Running],
        now: float,
        usual_seconds: float | None = None,
    ) -> list[str]:
        """Returns the ids of the waiting jobs, the one that runs next first.

        Args:
            waiting: Jobs in any order.
            running: Jobs that have a worker.
            now: The time.
            usual_seconds: How long a job usually runs; None if that is not known.
        """
        return list(self.ranked(waiting, running, now, usual_seconds))

    def ranked(
        self,
        waiting: Sequence[Waiting],
        running: Sequence[Running],
        now: float,
        usual_seconds: float | None = None,
    ) -> Iterator[str]:
        """As `order`, but each id is worked out only when it is asked for."""
        if not waiting:
            return
        in_turn = sorted(waiting, key=lambda job: job.place)
        first = in_turn[0].owner
        if all(job.owner is first or job.owner == first for job in in_turn):
            yield from (job.job_id for job in in_turn)
            return
        cost = max(usual_seconds or _FIRST_GUESS, _FORGOTTEN)
        root = self._tree(in_turn, running, now, cost)
        while root.waits:
            yield root.take(cost).job_id

    def priorities(self, owner: Owner, now: float) -> Priorities:
        """Returns what `infoQueue` says of a job's owner."""
        hub, group, project, _ = _paths(owner)
        with self._lock:
            return Priorities(*(self._priority(path, now) for path in (hub, group, project)))

    # -- inside --------------------------------------------------------------------------------

    def _tree(
        self, in_turn: Iterable[Waiting], running: Iterable[Running], now: float, cost: float
    ) -> _Node:
        root = _Node((), 1.0)
        charged: dict[_Path, float] = {}
        for run in running:
            seconds = cost if run.since is None else max(now - run.since, cost)
            for path in _paths(run.owner):
                charged[path] = charged.get(path, 0.0) + seconds
        leaves: dict[Owner, _Node] = {}
        with self._lock:
            for job in in_turn:
                leaf = leaves.get(job.owner)
                if leaf is None:
                    leaf = leaves[job.owner] = self._leaf(root, job.owner, charged, now)
                leaf.jobs.append(job)
        root.arrange()
        return root

    def _leaf(self, root: _Node, owner: Owner, charged: dict[_Path, float], now: float) -> _Node:
        node = root
        for path in _paths(owner):
            child = node.children.get(path[-1])
            if child is None:
                used = self._used_by(path, now) + charged.get(path, 0.0)
                child = node.children[path[-1]] = _Node(path, self._weight(path), used)
            node = child
        return node

    def _priority(self, path: _Path, now: float) -> float:
        siblings = self._members.get(path[:-1], set()) | {path}
        used = {other: self._used_by(other, now) for other in siblings}
        total = sum(used.values())
        if used[path] <= _FORGOTTEN:
            return 1.0
        weights = sum(self._weight(other) for other in used if used[other] > _FORGOTTEN)
        fair = total * self._weight(path) / weights
        return max(min(fair / used[path], 1.0), math.ulp(1.0))

    def _weight(self, path: _Path) -> float:
        settings = self._settings
        name = "/".join(path)
        if len(path) == 1 and name in settings.hubs:
            return settings.hubs[name].weight
        if len(path) == 2 and name in settings.groups:
            return settings.groups[name].weight
        if len(path) == 3 and name in settings.projects:
            return settings.projects[name].weight
        if len(path) == 4 and path[3] in settings.users:
            return settings.users[path[3]].weight
        return 1.0

    def _used_by(self, path: _Path, now: float) -> float:
        seconds, as_of = self._used.get(path, (0.0, now))
        return self._decayed(seconds, now - as_of)

    def _decayed(self, seconds: float, age: float) -> float:
        return float(seconds * 0.5 ** (max(age, 0.0) / self._half_life))

    def _forget(self, now: float) -> None:
        gone = [path for path in self._used if self._used_by(path, now) < _FORGOTTEN]
        for path in gone:
            del self._used[path]
            self._members[path[:-1]].discard(path)


@dataclass
class _Node:
    """A hub, a group, a project, or a user with waiting jobs."""

    path: _Path
    weight: float
    used: float = 0.0
    children: dict[str, _Node] = field(default_factory=dict)
    jobs: deque[Waiting] = field(default_factory=deque)
    line: list[tuple[float, int, _Path]] = field(default_factory=list)

    @property
    def waits(self) -> bool:
        return bool(self.jobs or self.line)

    def arrange(self) -> int:
        """Puts the children in line; returns the place of the job that is next."""
        for child in self.children.values():
            self.line.append((child.used / child.weight, child.arrange(), child.path))
        heapq.heapify(self.line)
        return self._next_place()

    def take(self, cost: float) -> Waiting:
        """Takes the next job out, and counts it as used."""
        self.used += cost
        if self.jobs:
            return self.jobs.popleft()
        child = self.children[heapq.heappop(self.line)[2][-1]]
        job = child.take(cost)
        if child.waits:
            key = (child.used / child.weight, child._next_place(), child.path)
            heapq.heappush(self.line, key)
        return job

    def _next_place(self) -> int:
        return self.jobs[0].place if self.jobs else self.line[0][1]


def _paths(owner: Owner) -> tuple[_Path, _Path, _Path, _Path]:
    whole = (owner.hub, owner.group, owner.project, owner.user)
    return whole[:1], whole[:2], whole[:3], whole
