"""Sweep: what the poller reads of 1,000 live jobs, against `ManagedJobSet.statuses()`.

Both ask the same service over the same provider's session, in turn; what is counted is what that
session sends. The queue of the service stands still, so that every job lives as long as it must.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.fill import fill_service
from benchmarks.invented import invent
from benchmarks.served import served
from qtower.config import Account
from qtower.desk.account import log_in
from qtower.desk.budget import Budget
from qtower.desk.cadence import LOCAL, Schedule, UsualTimes
from qtower.desk.intake import Intake
from qtower.desk.pages import JobPages
from qtower.desk.registry import Changes, Registry
from qtower.desk.sweep import Sweep
from qtower.model import Link

JOBS, CHANGED = 1000, 10
RUNS = 5
TITLE = f"state of {JOBS:,} live jobs, and then of the same when {CHANGED} have changed"
_RIVAL = "`ManagedJobSet.statuses()`"


class _NoWatch:
    """Takes changes in and tells nobody."""

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        return take_in()

    def connected(self, link: Link, detail: str, confirmed: float | None, **_: Any) -> None: ...

    def counted(self) -> None: ...

    def caught_up(self) -> None: ...


class _Reader:
    """The part of the poller that asks for pages, with a registry that knows nothing yet."""

    def __init__(self, provider: Any) -> None:
        self.registry = Registry(provider.backend.retrieve_job)
        self._intake = Intake(self.registry, _NoWatch(), lambda changes: None)
        pages, schedule = JobPages(provider), Schedule(LOCAL, UsualTimes())
        self._sweep = Sweep(pages, self._intake, schedule, time.time)

    def first(self) -> None:
        """Reads every live job."""
        self._sweep.round(time.monotonic(), everything=True, told=True, complete=False)
        assert len(self.registry.rows()) == JOBS

    def next(self) -> None:
        """Reads what has changed."""
        self._sweep.round(time.monotonic(), everything=False, told=True, complete=True)


def run() -> Iterator[Figure | str]:
    """Measures both kinds of sweep, each in turn with its rival."""
    with tempfile.TemporaryDirectory() as directory:
        data_dir = Path(directory) / "data"
        fill_service(data_dir, invent(JOBS, JOBS, time.time()))
        held = ("--port", "0", "--config", str(data_dir / "held.toml"))
        with served(data_dir, *held) as service:
            budget = Budget()
            account = Account(name="bench", url=service.url, token=service.token)
            provider = log_in(account, budget)
            yield from _measure(provider, budget)


def _measure(provider: Any, budget: Budget) -> Iterator[Figure | str]:
    job_set = _as_set(provider)
    first, later, theirs = [], [], []
    for number in range(RUNS):
        theirs.append(_cost(budget, job_set.statuses))
        reader = _Reader(provider)
        first.append(_cost(budget, reader.first))
        renamed = _rename(provider, job_set, f"run {number}")
        later.append(_cost(budget, reader.next))
        assert renamed <= {row.name for row in reader.registry.rows()}
    (seconds, requests), (next_seconds, next_requests) = min(first), min(later)
    rival, rival_requests = min(theirs)
    yield Figure(
        what=f"state of {JOBS:,} live jobs never read before",
        value=seconds,
        unit="s",
        rival=_RIVAL,
        rival_value=rival,
        at_most_ratio=1 / 6,
    )
    yield Figure(
        what="its requests",
        value=requests,
        unit="requests",
        rival=_RIVAL,
        rival_value=rival_requests,
        at_most_ratio=1 / 40,
    )
    yield Figure(
        what=f"the next sweep of the same, of which {CHANGED} changed",
        value=next_seconds,
        unit="s",
        rival=_RIVAL,
        rival_value=rival,
        at_most_ratio=1 / 50,
    )
    yield Figure(what="its requests", value=next_requests, unit="requests", at_most=2)
    yield f"The best of {RUNS} runs each, repetitions of requests included."


def _as_set(provider: Any) -> Any:
    """The jobs of the service as a `ManagedJobSet`, as after a submission."""
    from qiskit.providers.ibmq.managed import ManagedJobSet
    from qiskit.providers.ibmq.managed.managedjob import ManagedJob

    job_set = ManagedJobSet(name="bench")
    jobs = provider.backend.jobs(limit=JOBS)
    assert len(jobs) == JOBS
    job_set._managed_jobs = [
        ManagedJob(start_index=number, experiments_count=1, job=job)
        for number, job in enumerate(jobs)
    ]
    return job_set


def _rename(provider: Any, job_set: Any, words: str) -> set[str]:
    """Changes some jobs, as another program would; returns what shows it."""
    names = {f"{words} {number}" for number in range(CHANGED)}
    for name, job in zip(sorted(names), job_set.jobs()[:: JOBS // CHANGED], strict=True):
        provider._api_client.job_update_attribute(job.job_id(), "name", name)
    return names


def _cost(budget: Budget, read: Callable[[], Any]) -> tuple[float, int]:
    """Seconds and requests that `read` takes."""
    before, began = budget.count, time.perf_counter()
    read()
    return time.perf_counter() - began, budget.count - before
