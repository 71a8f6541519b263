"""From CREATED to QUEUED: each qobj is read and compared with its backend, in the background."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import msgspec

from qtower.service import payloads as payload_files
from qtower.service import statuses
from qtower.service.devices import Device
from qtower.service.documents import summary_document
from qtower.service.pacing import Pacing
from qtower.service.payloads import Payloads
from qtower.service.qobjs import InvalidQobj, QobjSummary, check_qobj
from qtower.service.records import Change, StoredJob
from qtower.service.steps import entered, until_stored
from qtower.service.store import Store

_THREADS = 2  # one large qobj must not hold up all others
_INTERNAL = 5000
_QOBJ_LOST = 5001
_BEYOND_SHOTS = 2**31  # what no column of whole numbers holds in every database

ESTIMATED_SECONDS = "estimated_seconds"
"""In the stored summary of a job of a paced backend: how long it runs."""

logger = logging.getLogger(__name__)


class Validation:
    """Validates jobs in the background.

    Args:
        store: Where the jobs are.
        payloads: Where their qobjs are.
        devices: What they are compared with.
        pacing: How long the paced ones among these take.
        closing: Set when the service ends.
        publish: Called after every change of a status but the last.
        queue: Called when a job is QUEUED.
    """

    def __init__(
        self,
        store: Store,
        payloads: Payloads,
        devices: Mapping[str, Device],
        pacing: Pacing,
        closing: threading.Event,
        publish: Callable[[Change], None],
        queue: Callable[[Change], None],
    ) -> None:
        self._store = store
        self._payloads = payloads
        self._devices = devices
        self._pacing = pacing
        self._closing = closing
        self._publish = publish
        self._queue = queue
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="validation")

    def submit(self, job_id: str) -> None:
        """Has a job validated; returns at once."""
        step = partial(self._validate, job_id)
        with contextlib.suppress(RuntimeError):  # the service is ending: at the next start
            self._threads.submit(until_stored, step, self._closing)

    def close(self) -> None:
        """Begins no other validation; what waits is taken up at the next start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _validate(self, job_id: str) -> None:
        # Each change is told once, though the step is taken again where the store failed later on.
        begun = self._store.move(job_id, statuses.VALIDATING, (statuses.CREATED,))
        if begun is not None:
            self._publish(begun)
        job = self._store.listed_job(job_id)
        if job is None:
            return  # deleted
        if job.status == statuses.VALIDATING:
            found = self._settle(job)
            if found is None:
                return  # cancelled
            self._publish(found)
        queued = self._store.move(job_id, statuses.QUEUED, (statuses.VALIDATED,))
        queued = queued or entered(self._store, job_id, statuses.QUEUED)
        if queued is not None:
            self._queue(queued)

    def _settle(self, job: StoredJob) -> Change | None:
        """Stores what the check found; None if the job was cancelled meanwhile."""
        invalid = statuses.ERROR_VALIDATING_JOB
        device = self._devices.get(job.backend)
        if device is None:
            return self._store.fail(
                job.id, invalid, "The backend is no longer available", _INTERNAL
            )
        try:
            raw = payload_files.read(self._payloads.qobj_file(job.id))
            summary = check_qobj(raw, device)
            seconds = self._pacing.run_seconds(job.backend, raw)
        except InvalidQobj as error:
            columns = _columns(error.summary) if error.summary else {}
            return self._store.fail(job.id, invalid, error.message, error.code, **columns)
        except OSError:
            logger.exception("the qobj cannot be read", extra={"job": job.id})
            creating = statuses.ERROR_CREATING_JOB
            return self._store.fail(job.id, creating, "The stored qobj cannot be read", _QOBJ_LOST)
        except Exception:
            logger.exception("the check of a qobj failed", extra={"job": job.id})
            message = "The qobj could not be checked; the service's log says why"
            return self._store.fail(job.id, invalid, message, _INTERNAL)
        return self._store.move(
            job.id, statuses.VALIDATED, (statuses.VALIDATING,), **_columns(summary, seconds)
        )


def _columns(summary: QobjSummary, seconds: float | None = None) -> dict[str, Any]:
    """What the store keeps of what a qobj asks for."""
    content = summary_document(summary)
    if seconds is not None:
        content[ESTIMATED_SECONDS] = seconds
    document = msgspec.json.encode(content).decode()
    shots = summary.shots if abs(summary.shots) < _BEYOND_SHOTS else None
    return {"shots": shots, "summary": document}
