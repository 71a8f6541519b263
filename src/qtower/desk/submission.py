"""Sending a prepared plan as a real job set, journaled before the first request."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from msgspec.structs import replace
from qiskit.exceptions import QiskitError
from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.managed import ManagedJobSet
from qiskit.providers.ibmq.managed.managedjob import ManagedJob
from qiskit.providers.ibmq.managed.utils import JOB_SET_NAME_FORMATTER

from qtower.errors import QtowerError, SubmissionError
from qtower.model import JobRow, Status, Submitted
from qtower.text import encodable

from .journal import IntentPart, Journal
from .planning import Part, PreparedPlan
from .registry import Changes, Registry
from .scrubbing import scrub

_log = logging.getLogger(__name__)


class Announce(Protocol):
    """Told of rows that a submission made or changed: from any thread."""

    def __call__(self, changes: Changes, /) -> object: ...


class SerialExecutor:
    """Runs calls one after another in a daemon thread of its own, which ends with the last one.

    An executor as far as `ManagedJob.submit` needs one. The threads of a ThreadPoolExecutor would
    keep the process from exiting while a request hangs, and send the jobs of a set in any order.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Returns the future of a call that is made once those before it have ended."""
        future: Future[Any] = Future()
        self._calls.put((future, lambda: function(*args, **kwargs)))
        return future

    def close(self) -> None:
        """No further calls come: the thread ends when all are made."""
        self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
                if not isinstance(error, Exception):
                    raise


class Submission:
    """Sends plans. Each set has a thread, so that one that waits for a job limit holds up none."""

    def __init__(
        self,
        registry: Registry,
        journal: Journal,
        clock: Callable[[], float] = time.time,
        *,
        announce: Announce,
    ) -> None:
        """`announce` is told of every row that a submission makes or changes."""
        self._registry = registry
        self._journal = journal
        self._clock = clock
        self._announce = announce

    def send(self, prepared: PreparedPlan, backend: IBMQBackend) -> Submitted:
        """Journals a plan without problems as a job set and begins to send it; returns at once.

        Its rows are INITIALIZING until the endpoint has acknowledged them; a part that could not
        be sent becomes SUBMIT_FAILED with the reason in its row.

        Raises:
            SubmissionError: The plan has problems; nothing was sent.
            StorageError: The journal could not be written; nothing was sent.
        """
        plan = prepared.plan
        if plan.problems or not prepared.parts:
            words = plan.problems[0].message if plan.problems else "There is nothing to send."
            raise SubmissionError(words)
        job_set = ManagedJobSet(name=plan.name, short_id=uuid.uuid4().hex)
        job_set._backend = backend
        job_set._tags = list(prepared.tags)
        rows = self._rows(job_set, prepared, backend.name())
        self._journal.record_intent(
            job_set.job_set_id(), plan.name, backend.name(), _intents(prepared)
        )
        self._registry.adopt(job_set)
        self._announce(self._registry.put(rows))
        executor = SerialExecutor(f"submit {plan.name}"[:60])
        for part, row in zip(prepared.parts, rows, strict=True):
            self._send_part(job_set, part, row, executor)
        executor.close()
        return Submitted(
            set_id=job_set.job_set_id(), name=plan.name, keys=[row.key for row in rows]
        )

    def _send_part(
        self, job_set: ManagedJobSet, part: Part, row: JobRow, executor: SerialExecutor
    ) -> None:
        managed_job = ManagedJob(part.start_index, part.experiments)
        job_set._managed_jobs.append(managed_job)
        managed_job.submit(
            part.content,
            job_name=row.name,
            backend=job_set._backend,
            executor=executor,
            submit_lock=job_set._job_submit_lock,
            # The provider knows the jobs of a set by its long id.
            job_tags=[*job_set._tags, job_set._id_long],
            **part.run_config,
        )
        managed_job.future.add_done_callback(lambda _: self._part_ended(row, managed_job))

    def _part_ended(self, row: JobRow, managed_job: ManagedJob) -> None:
        """Runs in the set's thread, between this part and the next."""
        assert row.index is not None
        try:
            if managed_job.job is not None:
                job_id = managed_job.job.job_id()
                managed_job.job._qobj = None  # the endpoint has it, and is asked for it if need be
                self._journal.part_sent(row.set_id, row.index, job_id)
                changes = self._sent(row, job_id)
            else:
                words = error_words(managed_job.submit_error)
                self._journal.part_failed(row.set_id, row.index, words)
                changes = self._failed(row, words)
            self._announce(changes)
        except QtowerError as error:  # nobody waits for this call: the log is where it can be said
            _log.error("the end of submission %s was not written down: %s", row.key, error)

    def _sent(self, row: JobRow, job_id: str) -> Changes:
        def sent(now: JobRow) -> JobRow | None:
            if now.job_id:  # a sweep has seen the job already, and knows more of it
                return None
            return replace(now, job_id=job_id, confirmed=self._clock())

        return self._registry.update(row.key, sent)

    def _failed(self, row: JobRow, words: str) -> Changes:
        def failed(now: JobRow) -> JobRow:
            if now.job_id:  # it got as far as an id: what the endpoint says of it stands
                return replace(now, error=words)
            return replace(now, status=Status.SUBMIT_FAILED, since=self._clock(), error=words)

        return self._registry.update(row.key, failed)

    def _rows(self, job_set: ManagedJobSet, prepared: PreparedPlan, backend: str) -> list[JobRow]:
        now, set_id = self._clock(), job_set.job_set_id()
        return [
            JobRow(
                key=f"{set_id}/{index}",
                status=Status.INITIALIZING,
                name=JOB_SET_NAME_FORMATTER.format(prepared.plan.name, index),
                label=part.label,
                set_id=set_id,
                set_name=prepared.plan.name,
                index=index,
                start_index=part.start_index,
                end_index=part.start_index + part.experiments - 1,
                backend=backend,
                shots=part.shots,
                created=now,
                since=now,
                tags=tuple(prepared.tags),
            )
            for index, part in enumerate(prepared.parts)
        ]


def _intents(prepared: PreparedPlan) -> list[IntentPart]:
    return [
        IntentPart(
            index=index,
            start_index=part.start_index,
            experiments=part.experiments,
            shots=part.shots,
            label=part.label,
            tags=tuple(prepared.tags),
        )
        for index, part in enumerate(prepared.parts)
    ]


def error_words(error: Exception | None) -> str:
    """Returns what an error of the provider says, without quotation marks and secrets."""
    words = error.message if isinstance(error, QiskitError) else str(error or "")
    return encodable(scrub(words or type(error).__name__))
