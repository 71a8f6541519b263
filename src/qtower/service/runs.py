"""From the head of the line to the engine, and what becomes of a run. For the dispatcher's thread.

Every step here may be taken again, where the store did not answer: what it counts and what it
tells, it does after the store has decided.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from qtower.service import statuses
from qtower.service.engines import Engine
from qtower.service.line import Line
from qtower.service.metrics import Metrics
from qtower.service.orders import Outcome
from qtower.service.payloads import Payloads
from qtower.service.records import Change
from qtower.service.resting import Resting
from qtower.service.settlement import Settlement
from qtower.service.steps import Step, entered, may_pass, until_stored
from qtower.service.store import Store
from qtower.service.watchers import Watchers

_SETTLED = (statuses.QUEUED, statuses.COMPLETED, statuses.ERROR_RUNNING_JOB)

_Told = TypeVar("_Told")


class Runs:
    """The jobs that the engine has, or that rest until they are due.

    Args:
        store, payloads, engine, line, resting, settlement, watchers, metrics: Parts of the queue.
        closing: Set when the service ends.
        take_step: Has a step taken on the dispatcher's thread.
        publish: Tells of a change of a job's status.
        enqueue: Puts a job that is QUEUED again into the line.
        forget: Called with a job that has ended, and was told of elsewhere.
    """

    def __init__(
        self,
        store: Store,
        payloads: Payloads,
        engine: Engine,
        line: Line,
        resting: Resting,
        settlement: Settlement,
        watchers: Watchers,
        metrics: Metrics,
        closing: threading.Event,
        *,
        take_step: Callable[[Step], None],
        publish: Callable[[Change], None],
        enqueue: Callable[[Change], None],
        forget: Callable[[str], None],
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._engine = engine
        self._line = line
        self._resting = resting
        self._settlement = settlement
        self._watchers = watchers
        self._metrics = metrics
        self._closing = closing
        self._take_step = take_step
        self._publish = publish
        self._enqueue = enqueue
        self._forget = forget

    def have_workers(self, workers: int) -> None:
        """The engine runs so many jobs at once from now on."""
        self._line.set_workers(workers)
        self.dispatch()
        self._watchers.line_moved()

    def dispatch(self) -> None:
        """Gives the engine as many jobs of the line as it has workers."""
        while not self._closing.is_set() and (job_id := self._line.take()) is not None:
            try:
                self._start(job_id)
            except BaseException as error:
                if may_pass(error):
                    self._line.give_back(job_id)  # when this is tried again, it is taken again
                else:
                    self._line.ended(job_id)  # nobody else waits for its worker
                raise

    def _start(self, job_id: str) -> None:
        job = self._store.listed_job(job_id)
        if job is None or job.status != statuses.QUEUED:
            self._line.ended(job_id)  # cancelled between two breaths
            return
        self._engine.start(
            job_id,
            job.backend,
            self._payloads.qobj_file(job_id),
            self._payloads.result_file(job_id),
            on_running=self._listener(self._began, job_id),
            on_outcome=self._listener(self._ended, job_id),
        )

    def _listener(
        self, handler: Callable[[str, _Told], None], job_id: str
    ) -> Callable[[_Told], None]:
        return lambda told: self._take_step(partial(handler, job_id, told))

    def _began(self, job_id: str, at: float) -> None:
        change = self._store.begin_run(job_id, at)
        if change is None:
            change = entered(self._store, job_id, statuses.RUNNING)
        if change is None:
            self._engine.cancel(job_id)  # it was cancelled before
            return
        self._line.began(job_id, at)
        self._publish(change)
        self._watchers.line_moved()

    def _ended(self, job_id: str, outcome: Outcome) -> None:
        try:
            self._take_outcome(job_id, outcome)
        except BaseException as error:
            if not may_pass(error):
                self._line.ended(job_id)  # whatever becomes of the job: its worker is free
            raise

    def _take_outcome(self, job_id: str, outcome: Outcome) -> None:
        job = self._store.listed_job(job_id)
        waits = job is not None and job.status == statuses.QUEUED
        if waits and outcome.blameless and outcome.started is None:
            # It never began: the engine has lost its workers, and will say when it has some.
            self._line.give_back(job_id)
            self._take_step(self.dispatch)
        elif job is not None and self._resting.take(job, outcome):
            self._line.rest(job_id)
            self._take_step(self.dispatch)
        else:
            self._end(job_id, outcome)

    def end_rest(self, job_id: str) -> None:
        """A paced job is due, or was cancelled: its backend is free again."""
        if (outcome := self._resting.outcome(job_id)) is not None:
            self._end(job_id, outcome)
            self._resting.leave(job_id)

    def end_rests(self) -> None:
        """Ends the paced jobs that are due."""
        for job_id in self._resting.over():
            if not until_stored(partial(self.end_rest, job_id), self._closing):
                self._resting.leave(job_id)  # else it would be due for ever, before all others

    def seconds_to_next_due(self) -> float | None:
        """Returns in how many seconds the next paced job is due; None if none rests."""
        return self._resting.seconds_to_next()

    def give_up_resting(self) -> None:
        """The service ends: what rests is RUNNING, and runs again at the next start."""
        for job_id in self._resting.all():
            self._settlement.put_back(job_id)

    def _end(self, job_id: str, outcome: Outcome) -> None:
        usual = outcome.kind == "completed" and job_id not in self._resting
        self._line.ended(job_id, outcome.seconds if usual else None)
        if outcome.kind == "completed":
            # The worker need not wait until this is on disk; and if there is something wrong with
            # the job that it gets, this one has ended all the same.
            until_stored(self.dispatch, self._closing)
        change = self._settlement.settle(job_id, outcome)
        # It is stored: what fails from here on is tried again without settling it once more.
        if outcome.seconds is not None:
            self._metrics.ran(outcome.kind, outcome.seconds)
        until_stored(partial(self._settled, job_id, change), self._closing)
        self._take_step(self.dispatch)
        self._watchers.line_moved()

    def _settled(self, job_id: str, change: Change | None) -> None:
        change = change or entered(self._store, job_id, *_SETTLED)
        if change is None:
            self._settlement.drop_result(job_id)
            self._forget(job_id)
            return
        if change.status == statuses.QUEUED:
            self._enqueue(change)
        self._publish(change)
