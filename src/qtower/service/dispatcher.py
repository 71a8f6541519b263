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
from collections.abc import Mapping
from functools import partial

from qtower.service import statuses
from qtower.service.devices import Device
from qtower.service.engines import Engine
from qtower.service.fairshare import FairShare
from qtower.service.line import Line, Place
from qtower.service.metrics import Metrics
from qtower.service.pacing import Pacing
from qtower.service.payloads import Payloads
from qtower.service.records import Change, StoredJob
from qtower.service.reservations import Reservations
from qtower.service.resting import Resting
from qtower.service.runs import Runs
from qtower.service.settlement import Settlement
from qtower.service.steps import Step, entered, until_stored
from qtower.service.store import Store
from qtower.service.uploads import UPLOAD_SECONDS, Uploads
from qtower.service.validation import Validation
from qtower.service.watchers import Watchers

MAX_ATTEMPTS = 3

_LOOK_AGAIN_SECONDS = 5.0

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
        self._metrics = metrics or Metrics()
        self._line = Line(engine.workers, store.recent_run_seconds(), share, reservations)
        self._unfinished: set[str] = set()
        self._uploads = Uploads(upload_seconds)
        pacing = pacing or Pacing({}, devices)
        resting = Resting(pacing)
        self._device_seconds = resting.device_seconds
        self._next_reservation = self._line.next_reservation()
        self._events: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._look_again: float | None = None  # when, on the monotonic clock
        self._settlement = Settlement(store, payloads, max_attempts, self._closing)
        self._runs = Runs(
            store,
            payloads,
            engine,
            self._line,
            resting,
            self._settlement,
            watchers,
            self._metrics,
            self._closing,
            take_step=self._events.put,
            publish=self._publish,
            enqueue=self._enqueue,
            forget=self._unfinished.discard,
        )
        self._validation = Validation(
            store, payloads, devices, pacing, self._closing, self._publish, self._queue
        )
        self._thread = threading.Thread(target=self._work, name="dispatcher", daemon=True)

    # -- for the routes, on any thread ---------------------------------------------------------

    def start(self) -> None:
        """Takes up what the last run of the service left, and begins to work."""
        # First of all: a worker lost before that would be counted on, and get jobs again and again.
        self._engine.follow_workers(
            lambda workers: self._events.put(partial(self._runs.have_workers, workers))
        )
        for job in self._store.unfinished():
            self._resume(job)
        self._thread.start()
        self._events.put(self._runs.dispatch)

    def expect_upload(self, job: StoredJob) -> None:
        """A job was created: its qobj is to come in time."""
        logger.info("job %s", job.status, extra={"job": job.id})
        self._unfinished.add(job.id)
        self._uploads.expect(job)

    def accept(self, job_id: str) -> bool:
        """The qobj has come: the job goes on its way. False if it takes none (any more)."""
        expected = job_id in self._uploads
        change = self._store.accept(job_id)
        if change is None and expected:
            change = entered(self._store, job_id, statuses.CREATED)
        if change is None:
            return False
        if self._uploads.forget(job_id) or not expected:  # else it was overdue, and taken up so
            self._publish(change)
            self._validation.submit(job_id)
        return True

    def cancel(self, job_id: str) -> bool:
        """Cancels a job in whatever unfinished state; False if it had ended before."""
        change = self._store.move(job_id, statuses.CANCELLED, statuses.UNFINISHED)
        if change is None:
            return False
        self._uploads.forget(job_id)
        if self._line.leave(job_id):
            self._watchers.line_moved()
        self._engine.cancel(job_id)
        self._events.put(partial(self._runs.end_rest, job_id))
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
            seconds = self._seconds_to_next_moment()
            try:
                event = self._events.get(timeout=seconds) if seconds > 0 else self._keep_time
            except queue.Empty:
                event = self._keep_time
            if event is None:
                until_stored(self._runs.give_up_resting, self._closing)
                return
            if not until_stored(event, self._closing):
                # It may have been all that told of a free worker, or of a job for one.
                self._look_again = time.monotonic() + _LOOK_AGAIN_SECONDS

    def _seconds_to_next_moment(self) -> float:
        """When there is something to do, even if nothing happens until then."""
        if self._look_again is not None:
            return self._look_again - time.monotonic()  # not sooner: the fault may be in the timing
        now = time.time()
        moments = (self._uploads.next_overdue(now), self._next_reservation)
        waits = [moment - now for moment in moments if moment is not None]
        if (until_due := self._runs.seconds_to_next_due()) is not None:
            waits.append(until_due)
        return min(waits)

    def _keep_time(self) -> None:
        now = time.time()
        if self._look_again is not None:
            self._look_again = None
            self._runs.dispatch()
        self._expire_uploads()
        self._runs.end_rests()
        if self._next_reservation is not None and self._next_reservation <= now:
            self._next_reservation = self._line.next_reservation()
            self._runs.dispatch()
            self._watchers.line_moved()

    def _expire_uploads(self) -> None:
        for job_id in self._uploads.overdue(time.time()):
            if not until_stored(partial(self._expire_upload, job_id), self._closing):
                self._uploads.forget(job_id)  # else it would be overdue for ever, before all others

    def _expire_upload(self, job_id: str) -> None:
        change = self._store.move(job_id, statuses.CANCELLED, (statuses.CREATING,))
        # It may have been accepted, and whoever asked for that got no answer.
        accepted = None if change else entered(self._store, job_id, statuses.CREATED)
        if not self._uploads.forget(job_id):
            return
        if (entry := change or accepted) is None:
            self._unfinished.discard(job_id)
        else:
            self._publish(entry)
        if accepted is not None:
            self._validation.submit(job_id)

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
        """A job is valid. It joins the line on the dispatcher's thread: on any other it might run,
        and end, before it was told that it waits, or join once more when it no longer does."""
        self._events.put(partial(self._queued, change))

    def _queued(self, change: Change) -> None:
        # It is QUEUED in the store: a step that is tried again would not find it on its way.
        until_stored(partial(self._enqueue, change), self._closing)
        self._publish(change)
        self._events.put(self._runs.dispatch)

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
