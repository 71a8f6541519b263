"""The queue: takes stored jobs to the engine and brings their outcomes back.

    CREATING -> CREATED -> VALIDATING -> VALIDATED -> QUEUED -> RUNNING -> COMPLETED
                              (two threads)           (the line)  (the engine's children)

One thread owns the line and waits for events: a job was queued, a child began, a child ended, an
upload is overdue. Nothing polls. Whether a job may take a step is decided by the store.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeAlias, TypeVar

import msgspec
from sqlalchemy.exc import OperationalError

from qtower.service import payloads as payload_files
from qtower.service import statuses
from qtower.service.devices import Device
from qtower.service.documents import summary_document
from qtower.service.engine import Engine, Outcome
from qtower.service.line import Line, Place
from qtower.service.payloads import Payloads
from qtower.service.qobjs import InvalidQobj, check_qobj
from qtower.service.records import Change, StoredJob
from qtower.service.store import Store
from qtower.service.watchers import Watchers

UPLOAD_SECONDS = 15 * 60.0  # how long a job waits for its qobj
MAX_ATTEMPTS = 3

_CHECKERS = 2  # one large qobj must not hold up all others
_RETRY_SECONDS = 1.0
_INTERNAL = 5000
_QOBJ_LOST = 5001
_LOST_TOO_OFTEN = 5203  # IBM API: "Failed to run job."

_Event: TypeAlias = Callable[[], None]
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
        self._devices = devices
        self._engine = engine
        self._watchers = watchers
        self._upload_seconds = upload_seconds
        self._line = Line(engine.workers, store.recent_run_seconds())
        self._unfinished: set[str] = set()
        self._uploads: dict[str, float] = {}  # jobs without a qobj, and until when; oldest first
        self._events: queue.SimpleQueue[_Event | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._checkers = ThreadPoolExecutor(_CHECKERS, thread_name_prefix="checker")
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
        self._check_later(job_id)
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
        self._checkers.shutdown(wait=False, cancel_futures=True)
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
            self._perform(event)

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
            error_message=_sentence(outcome.message) or None,
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
        return self._fail(job_id, statuses.ERROR_RUNNING_JOB, outcome.message, outcome.code)

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
            if change is not None:
                self._publish(change)

    # -- validation, on a checker's thread -----------------------------------------------------

    def _check(self, job_id: str) -> None:
        unchecked = (statuses.CREATED, statuses.VALIDATING, statuses.VALIDATED)
        change = self._store.move(job_id, statuses.VALIDATING, unchecked)
        job = self._store.listed_job(job_id)
        if change is None or job is None:
            return
        self._publish(change)
        change = self._checked(job)
        if change is None:
            return
        self._publish(change)
        if change.status != statuses.VALIDATED:
            return
        change = self._store.move(job_id, statuses.QUEUED, (statuses.VALIDATED,))
        if change is not None:
            self._enqueue(change)
            self._publish(change)
            self._events.put(self._dispatch)

    def _check_later(self, job_id: str) -> None:
        with contextlib.suppress(RuntimeError):  # the service is ending: at the next start
            self._checkers.submit(self._perform, partial(self._check, job_id))

    def _checked(self, job: StoredJob) -> Change | None:
        """Stores what the check found; None if the job was cancelled meanwhile."""
        invalid = statuses.ERROR_VALIDATING_JOB
        device = self._devices.get(job.backend)
        if device is None:
            return self._fail(job.id, invalid, "The backend is no longer available", _INTERNAL)
        try:
            raw = payload_files.read(self._payloads.qobj_file(job.id))
            summary = check_qobj(raw, device)
        except InvalidQobj as error:
            return self._fail(job.id, invalid, error.message, error.code)
        except OSError:
            logger.exception("the qobj cannot be read", extra={"job": job.id})
            creating = statuses.ERROR_CREATING_JOB
            return self._fail(job.id, creating, "The stored qobj cannot be read", _QOBJ_LOST)
        except Exception:
            logger.exception("the check of a qobj failed", extra={"job": job.id})
            message = "The qobj could not be checked; the service's log says why"
            return self._fail(job.id, invalid, message, _INTERNAL)
        return self._store.move(
            job.id,
            statuses.VALIDATED,
            (statuses.VALIDATING,),
            shots=summary.shots,
            summary=msgspec.json.encode(summary_document(summary)).decode(),
        )

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
            self._check_later(job.id)

    def _resume_running(self, job: StoredJob) -> None:
        if job.attempts < MAX_ATTEMPTS:
            change = self._store.put_back(job.id)
            if change is not None:
                self._enqueue(change)
                self._publish(change)
            return
        message = f"The service ended {job.attempts} times while this job was running"
        change = self._fail(job.id, statuses.ERROR_RUNNING_JOB, message, _LOST_TOO_OFTEN)
        if change is not None:
            self._publish(change)

    def _enqueue(self, change: Change) -> None:
        job = self._store.listed_job(change.job_id)
        if job is not None and job.place_in_line is not None:
            self._line.join(job.place_in_line, job.id, job.backend)

    def _fail(self, job_id: str, status: str, message: str, code: int) -> Change | None:
        return self._store.move(
            job_id,
            status,
            statuses.UNFINISHED,
            error_message=_sentence(message),
            error_code=code,
        )

    def _publish(self, change: Change) -> None:
        if change.status in statuses.FINAL:
            self._unfinished.discard(change.job_id)
        logger.info("job %s", change.status, extra={"job": change.job_id})
        self._watchers.publish(change)

    def _perform(self, event: _Event) -> None:
        """Does one thing; when the disk does not take it, again and again: nothing gets lost."""
        while True:
            try:
                event()
                return
            except OperationalError:
                logger.exception("the store did not answer")
                if self._closing.wait(_RETRY_SECONDS):
                    return
            except Exception:
                logger.exception("a step of the queue failed")
                return


def _sentence(message: str) -> str:
    """The client shows `MESSAGE. Error code: NNNN.`: the full stop is its own."""
    return message.removesuffix(".")
