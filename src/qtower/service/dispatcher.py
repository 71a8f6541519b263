"""The queue: takes stored jobs to the engine and brings their outcomes back.

    CREATING -> CREATED -> VALIDATING -> VALIDATED -> QUEUED -> RUNNING -> COMPLETED
                              (two threads)           (the line)  (the engine's children)

One thread owns the line and waits for events: a job was queued, a child began, a child ended, an
upload is overdue. Nothing polls. Whether a job may take a step is decided by the store.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from qtower.service import statuses
from qtower.service.devices import Device
from qtower.service.engine import Engine, Outcome
from qtower.service.line import Line, Place
from qtower.service.payloads import Payloads
from qtower.service.records import Change, StoredJob
from qtower.service.steps import Step, until_stored
from qtower.service.store import Store, sentence
from qtower.service.validation import Validation
from qtower.service.watchers import Watchers

UPLOAD_SECONDS = 15 * 60.0  # how long a job waits for its qobj
MAX_ATTEMPTS = 3

_LOST_TOO_OFTEN = 5203  # IBM API: "Failed to run job."

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
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._engine = engine
        self._watchers = watchers
        self._upload_seconds = upload_seconds
        self._line = Line(engine.workers, store.recent_run_seconds())
        self._unfinished: set[str] = set()
        self._uploads: dict[str, float] = {}  # jobs without a qobj, and until when; oldest first
        self._events: queue.SimpleQueue[Step | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._validation = Validation(
            store, payloads, devices, self._closing, self._publish, self._queue
        )
        self._thread = threading.Thread(target=self._work, name="dispatcher", daemon=True)

    # -- for the routes, on any thread ---------------------------------------------------------

    def start(self) -> None:
        """Takes up what the last run of the service left, and begins to work."""
        for job in self._store.unfinished():
            self._resume(job)
        self._thread.start()
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
        self._publish(change)
        return True

    def place(self, place_in_line: int | None) -> Place | None:
        """Returns where a queued job stands; None if it does not (any more)."""
        return None if place_in_line is None else self._line.place(place_in_line)

    def queue_length(self, backend: str) -> int:
        """Returns how many jobs wait for a backend."""
        return self._line.length(backend)

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
            try:
                event = self._events.get(timeout=self._until_overdue())
            except queue.Empty:
                event = self._expire_uploads
            if event is None:
                return
            until_stored(event, self._closing)

    def _dispatch(self) -> None:
        while not self._closing.is_set() and (job_id := self._line.take()) is not None:
            job = self._store.listed_job(job_id)
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
        seconds = None
        if outcome.started is not None and outcome.ended is not None:
            seconds = outcome.ended - outcome.started
        change = self._settle(job_id, outcome, seconds)
        self._line.ended(job_id, seconds if outcome.kind == "completed" else None)
        if change is None:
            self._drop_result(job_id)
        else:
            if change.status == statuses.QUEUED:
                self._enqueue(change)
            self._publish(change)
        self._dispatch()
        self._watchers.line_moved()

    def _settle(self, job_id: str, outcome: Outcome, seconds: float | None) -> Change | None:
        """Stores an outcome; None if the job was cancelled or deleted first."""
        before = (statuses.QUEUED, statuses.RUNNING)
        if outcome.kind == "completed":
            return self._store.move(
                job_id,
                statuses.COMPLETED,
                before,
                at=outcome.ended,
                has_result=True,
                run_seconds=seconds,
            )
        if outcome.kind == "cancelled":
            return self._store.move(job_id, statuses.CANCELLED, before)
        if outcome.kind == "lost":
            return self._settle_lost(job_id, outcome)
        return self._store.move(
            job_id,
            statuses.ERROR_RUNNING_JOB,
            before,
            at=outcome.ended,
            has_result=outcome.has_result,
            run_seconds=seconds,
            error_message=sentence(outcome.message) or None,
            error_code=outcome.code or None,
        )

    def _settle_lost(self, job_id: str, outcome: Outcome) -> Change | None:
        """The child died before the job ended: it runs again, but not for ever."""
        job = self._store.listed_job(job_id)
        if job is None or job.final:
            return None
        if self._closing.is_set():
            return self._store.put_back(job_id, forgive=True)
        if job.attempts < MAX_ATTEMPTS and job.status == statuses.RUNNING:
            logger.warning("job lost, runs again", extra={"job": job_id, "reason": outcome.message})
            return self._store.put_back(job_id)
        return self._store.fail(job_id, statuses.ERROR_RUNNING_JOB, outcome.message, outcome.code)

    def _drop_result(self, job_id: str) -> None:
        job = self._store.listed_job(job_id)
        if job is None:
            self._payloads.remove(job_id)
        elif not job.has_result:
            self._payloads.result_file(job_id).unlink(missing_ok=True)

    def _until_overdue(self) -> float:
        # Without an upload to wait for, the next one cannot be overdue any sooner.
        deadline = next(iter(self._uploads.values()), time.time() + self._upload_seconds)
        return max(deadline - time.time(), 0.0)

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
        if job.attempts < MAX_ATTEMPTS:
            change = self._store.put_back(job.id)
            if change is not None:
                self._enqueue(change)
                self._publish(change)
            return
        message = f"The service ended {job.attempts} times while this job was running"
        change = self._store.fail(job.id, statuses.ERROR_RUNNING_JOB, message, _LOST_TOO_OFTEN)
        if change is not None:
            self._publish(change)

    def _queue(self, change: Change) -> None:
        self._enqueue(change)
        self._publish(change)
        self._events.put(self._dispatch)

    def _enqueue(self, change: Change) -> None:
        job = self._store.listed_job(change.job_id)
        if job is None or job.place_in_line is None:
            return
        self._line.join(job.place_in_line, job.id, job.backend)
        # A cancel that came before it stood in the line did not find it there.
        now = self._store.listed_job(job.id)
        if now is None or now.final:
            self._line.leave(job.id)

    def _publish(self, change: Change) -> None:
        if change.status in statuses.FINAL:
            self._unfinished.discard(change.job_id)
        logger.info("job %s", change.status, extra={"job": change.job_id})
        self._watchers.publish(change)
