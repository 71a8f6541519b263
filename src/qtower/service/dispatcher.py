"""The queue: takes stored jobs to the engine and brings their outcomes back.

    CREATING -> CREATED -> VALIDATING -> VALIDATED -> QUEUED -> RUNNING -> COMPLETED
                              (two threads)           (the line)  (the engine's children)

One thread owns the line and waits for events: a job was queued, a child began, a child ended, the
engine has more workers or fewer, a moment has come (an upload is overdue, a reservation changes, a
paced job is due). Nothing polls. Whether a job may take a step is decided by the store.

A job of a paced backend is simulated at once when it is its turn, and RUNNING until the real
device would have ended it; meanwhile it rests, without a worker, and its backend runs no other.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

import msgspec

from qtower.service import statuses
from qtower.service.devices import Device
from qtower.service.engine import Outcome
from qtower.service.engines import Engine
from qtower.service.fairshare import FairShare
from qtower.service.line import Line, Place
from qtower.service.metrics import Metrics
from qtower.service.pacing import JOB_SECONDS, Pacing
from qtower.service.payloads import Payloads
from qtower.service.records import Change, StoredJob
from qtower.service.reservations import Reservations
from qtower.service.settlement import Settlement
from qtower.service.steps import Step, until_stored
from qtower.service.store import Store
from qtower.service.validation import ESTIMATED_SECONDS, Validation
from qtower.service.watchers import Watchers

UPLOAD_SECONDS = 15 * 60.0  # how long a job waits for its qobj
MAX_ATTEMPTS = 3


_Told = TypeVar("_Told")

logger = logging.getLogger(__name__)


class Dispatcher:
    """Runs the queue of one store on one engine."""

    def __init__(
        self,
        store: Store,
        payloads: Payloads,
        devices: Mapping[str, Device],
        engine: Engine,
        watchers: Watchers,
        upload_seconds: float = UPLOAD_SECONDS,
        metrics: Metrics | None = None,
        share: FairShare | None = None,
        reservations: Reservations | None = None,
        pacing: Pacing | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._engine = engine
        self._watchers = watchers
        self._upload_seconds = upload_seconds
        self._metrics = metrics or Metrics()
        self._line = Line(engine.workers, store.recent_run_seconds(), share, reservations)
        self._unfinished: set[str] = set()
        self._uploads: dict[str, float] = {}  # jobs without a qobj, and until when; oldest first
        self._pacing = pacing or Pacing({}, devices)
        self._resting: dict[str, Outcome] = {}  # paced jobs, and as what each ends when it is due
        self._next_reservation = self._line.next_reservation()
        self._events: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._settlement = Settlement(store, payloads, max_attempts, self._closing)
        self._validation = Validation(
            store, payloads, devices, self._pacing, self._closing, self._publish, self._queue
        )
        self._thread = threading.Thread(target=self._work, name="dispatcher", daemon=True)

    # -- for the routes, on any thread ---------------------------------------------------------

    def start(self) -> None:
        """Takes up what the last run of the service left, and begins to work."""
        for job in self._store.unfinished():
            self._resume(job)
        self._thread.start()
        self._engine.follow_workers(
            lambda workers: self._events.put(partial(self._have_workers, workers))
        )
        self._events.put(self._dispatch)

    def expect_upload(self, job: StoredJob) -> None:
        """A job was created: its qobj is to come in time."""
        logger.info("job %s", job.status, extra={"job": job.id})
        self._unfinished.add(job.id)
        self._uploads[job.id] = job.created / 1_000_000 + self._upload_seconds

    def accept(self, job_id: str) -> bool:
        """The qobj has come: the job goes on its way. False if it takes none (any more)."""
        change = self._store.accept(job_id)
        if change is None:
            return False
        self._uploads.pop(job_id, None)
        self._publish(change)
        self._validation.submit(job_id)
        return True

    def cancel(self, job_id: str) -> bool:
        """Cancels a job in whatever unfinished state; False if it had ended before."""
        change = self._store.move(job_id, statuses.CANCELLED, statuses.UNFINISHED)
        if change is None:
            return False
        self._uploads.pop(job_id, None)
        if self._line.leave(job_id):
            self._watchers.line_moved()
        self._engine.cancel(job_id)
        self._events.put(partial(self._call_off_rest, job_id))
        self._publish(change)
        return True

    def place(self, place_in_line: int | None) -> Place | None:
        """Returns where a queued job stands; None if it does not (any more)."""
        return None if place_in_line is None else self._line.place(place_in_line)

    def queue_length(self, backend: str) -> int:
        """Returns how many jobs wait for a backend."""
        return self._line.length(backend)

    @property
    def workers(self) -> int:
        """How many jobs run at once."""
        return self._engine.workers

    @property
    def trouble(self) -> str | None:
        """Why jobs wait although they might run, in a sentence; None if all is well."""
        return self._engine.trouble

    @property
    def lives(self) -> bool:
        """False if nothing takes jobs out of the line any more."""
        return self._thread.is_alive()

    @property
    def idle(self) -> bool:
        """True if no job is unfinished."""
        return not self._unfinished

    def close(self) -> None:
        """Ends all children; what was running goes back into the queue of the next run."""
        self._closing.set()
        self._validation.close()
        self._engine.close()
        self._events.put(None)
        self._thread.join()

    # -- the dispatcher's thread ---------------------------------------------------------------

    def _work(self) -> None:
        while True:
            until_due = self._next_moment() - time.time()
            try:
                event = self._events.get(timeout=until_due) if until_due > 0 else self._keep_time
            except queue.Empty:
                event = self._keep_time
            if event is None:
                until_stored(self._give_up_resting, self._closing)
                return
            until_stored(event, self._closing)

    def _next_moment(self) -> float:
        """When there is something to do, even if nothing happens until then."""
        due = (outcome.ended for outcome in self._resting.values())
        moments = (next(iter(self._uploads.values()), None), self._next_reservation, *due)
        # Without an upload to wait for, the next one cannot be overdue any sooner.
        latest = time.time() + self._upload_seconds
        return min((moment for moment in moments if moment is not None), default=latest)

    def _keep_time(self) -> None:
        now = time.time()
        self._expire_uploads()
        for job_id, outcome in list(self._resting.items()):
            if outcome.ended is not None and outcome.ended <= now:
                self._end(job_id, outcome)
                del self._resting[job_id]
        if self._next_reservation is not None and self._next_reservation <= now:
            self._next_reservation = self._line.next_reservation()
            self._dispatch()
            self._watchers.line_moved()

    def _have_workers(self, workers: int) -> None:
        self._line.set_workers(workers)
        self._dispatch()
        self._watchers.line_moved()

    def _dispatch(self) -> None:
        while not self._closing.is_set() and (job_id := self._line.take()) is not None:
            try:
                job = self._store.listed_job(job_id)
            except BaseException:
                self._line.give_back(job_id)  # when this is tried again, it is taken again
                raise
            if job is None or job.status != statuses.QUEUED:
                self._line.ended(job_id)  # cancelled between two breaths
                continue
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
        return lambda told: self._events.put(partial(handler, job_id, told))

    def _began(self, job_id: str, at: float) -> None:
        change = self._store.begin_run(job_id, at)
        if change is None:
            self._engine.cancel(job_id)
            return
        self._line.began(job_id, at)
        self._publish(change)
        self._watchers.line_moved()

    def _ended(self, job_id: str, outcome: Outcome) -> None:
        job = self._store.listed_job(job_id)
        if job is not None and job.status == statuses.QUEUED and outcome.blameless:
            # It never began: the engine has lost its workers, and will say when it has some.
            self._line.give_back(job_id)
            self._events.put(self._dispatch)
        elif job is not None and (due := self._due(job, outcome)) is not None:
            self._resting[job_id] = msgspec.structs.replace(outcome, ended=due)
            self._line.rest(job_id)
            self._events.put(self._dispatch)
        else:
            self._end(job_id, outcome)

    def _due(self, job: StoredJob, outcome: Outcome) -> float | None:
        """When the real device would have ended a job; None if that is past, or no matter."""
        seconds = self._device_seconds(job)
        if seconds is None or outcome.kind != "completed" or outcome.started is None:
            return None
        due = outcome.started + seconds
        return due if due > time.time() and not job.final else None

    def _device_seconds(self, job: StoredJob) -> float | None:
        if not self._pacing.paced(job.backend):
            return None
        return float((job.summary or {}).get(ESTIMATED_SECONDS, JOB_SECONDS))

    def _call_off_rest(self, job_id: str) -> None:
        """A paced job was cancelled: its backend is free again."""
        if (outcome := self._resting.get(job_id)) is not None:
            self._end(job_id, outcome)
            del self._resting[job_id]

    def _give_up_resting(self) -> None:
        """The service ends: what rests is RUNNING, and runs again at the next start."""
        for job_id in self._resting:
            self._settlement.put_back(job_id)

    def _end(self, job_id: str, outcome: Outcome) -> None:
        if outcome.seconds is not None:
            self._metrics.ran(outcome.kind, outcome.seconds)
        usual = outcome.kind == "completed" and job_id not in self._resting
        self._line.ended(job_id, outcome.seconds if usual else None)
        if outcome.kind == "completed":
            self._dispatch()  # the worker need not wait until this is on disk
        change = self._settlement.settle(job_id, outcome)
        # It is stored: what fails from here on is tried again without settling it once more.
        until_stored(partial(self._settled, job_id, change), self._closing)
        self._events.put(self._dispatch)
        self._watchers.line_moved()

    def _settled(self, job_id: str, change: Change | None) -> None:
        if change is None:
            self._settlement.drop_result(job_id)
            return
        if change.status == statuses.QUEUED:
            self._enqueue(change)
        self._publish(change)

    def _expire_uploads(self) -> None:
        now = time.time()
        for job_id in [job_id for job_id, until in list(self._uploads.items()) if until <= now]:
            change = self._store.move(job_id, statuses.CANCELLED, (statuses.CREATING,))
            self._uploads.pop(job_id, None)
            if change is None:
                self._unfinished.discard(job_id)
            else:
                self._publish(change)

    # -- shared --------------------------------------------------------------------------------

    def _resume(self, job: StoredJob) -> None:
        """Takes up one job that was unfinished when the service ended."""
        self._unfinished.add(job.id)
        if job.status == statuses.CREATING:
            self.expect_upload(job)
        elif job.status == statuses.QUEUED:
            self._enqueue(Change(job.id, job.status, job.updated, job.place_in_line))
        elif job.status == statuses.RUNNING:
            self._resume_running(job)
        else:
            self._validation.submit(job.id)

    def _resume_running(self, job: StoredJob) -> None:
        change = self._settlement.resume(job.id, job.attempts)
        if change is None:
            return
        if change.status == statuses.QUEUED:
            self._enqueue(change)
        self._publish(change)

    def _queue(self, change: Change) -> None:
        # It is QUEUED in the store: a step that is tried again would not find it on its way.
        until_stored(partial(self._enqueue, change), self._closing)
        self._publish(change)
        self._events.put(self._dispatch)

    def _enqueue(self, change: Change) -> None:
        job = self._store.listed_job(change.job_id)
        if job is None or job.place_in_line is None:
            return
        seconds = self._device_seconds(job)
        self._line.join(job.place_in_line, job.id, job.backend, job.owner, seconds)
        # A cancel that came before it stood in the line did not find it there.
        now = self._store.listed_job(job.id)
        if now is None or now.final:
            self._line.leave(job.id)

    def _publish(self, change: Change) -> None:
        if change.status in statuses.FINAL:
            self._unfinished.discard(change.job_id)
        self._metrics.changed(change.status)
        logger.info("job %s", change.status, extra={"job": change.job_id})
        self._watchers.publish(change)
