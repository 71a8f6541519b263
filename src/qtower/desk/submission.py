"""Sending a prepared plan as a real job set, journaled before the first request."""

from __future__ import annotations

import logging
import queue
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from msgspec.structs import replace
from qiskit.exceptions import QiskitError
from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.managed import ManagedJobSet
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower.errors import JobStateError, QtowerError, StorageError, SubmissionError
from qtower.model import JobRow, Status, Submitted
from qtower.text import encodable

from .budget import Urgency, asking_as
from .faults import AccessExpiredError
from .intents import IntentPart, Intents, Part, Sending, Wish
from .lost_parts import part_row
from .planning import PreparedPlan
from .registry import Changes, Registry
from .scrubbing import scrub
from .sealed_qobjs import seal
from .sending import SetSender, StoppedError

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
        with asking_as(Urgency.SUBMISSION):
            self._work_off()

    def _work_off(self) -> None:
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
        intents: Intents,
        clock: Callable[[], float] = time.time,
        *,
        announce: Announce,
        progress: Callable[[str, str], object] = lambda set_id, words: None,
        renew: Callable[[AccessExpiredError], object] = lambda error: None,
    ) -> None:
        """`announce` is told of every row that a submission makes or changes.

        `progress` hears what the sending of a set waits for ("": nothing) and when a part has
        ended; `renew` makes a new login.
        """
        self._registry = registry
        self._intents = intents
        self._clock = clock
        self._announce = announce
        self._progress = progress
        self._renew = renew

    def send(self, prepared: PreparedPlan, backend: IBMQBackend, wish: Wish = Wish.GO) -> Submitted:
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
        qobjs = [seal(part, backend) for part in prepared.parts]
        set_id = uuid.uuid4().hex
        self._intents.record(
            set_id, plan.name, backend.name(), _intent_parts(prepared), qobjs, wish
        )
        return self._begin(set_id, backend, resumed=False)

    def resume(self, set_id: str, backend: IBMQBackend, wish: Wish = Wish.GO) -> Submitted:
        """Goes on with a set of which something was not sent; returns at once.

        Raises:
            JobStateError: Another process sends it, or there is nothing left to send.
        """
        sending = self._intents.sending(set_id)
        if sending is None or not sending.unsent:
            raise JobStateError("There is nothing left to send of this set.")
        if not self._intents.claim(set_id):
            raise JobStateError("This set is being sent already.", "Look at the list.")
        self._intents.set_wish(set_id, wish)
        return self._begin(set_id, backend, resumed=True)

    def _begin(self, set_id: str, backend: IBMQBackend, *, resumed: bool) -> Submitted:
        """Sends the unsent parts of a set that this process owns."""
        try:
            sending, parts = self._intents.sending(set_id), self._intents.parts(set_id)
            if sending is None:
                raise StorageError("The journal has lost what was to be sent.", "Submit it anew.")
            job_set = _job_set(sending, parts, backend)
            now = self._clock()
            waiting = [(part, part_row(sending, part, now)) for part in parts if part.unsent]
            self._registry.adopt(job_set)
            self._announce(self._registry.put([row for _, row in waiting]))
            sender = SetSender(
                set_id,
                backend,
                self._intents,
                resumed=resumed,
                tell=lambda words: self._progress(set_id, words),
                renew=self._renew,
            )
            executor = SerialExecutor(f"submit {sending.intent.set_name}"[:60])
        except BaseException:
            self._intents.release(set_id)
            raise
        try:
            for part, row in waiting:
                self._send_part(job_set, part, row, sender, executor)
        finally:
            executor.submit(self._ended, set_id)
            executor.close()
        self._progress(set_id, "")
        return Submitted(
            set_id=set_id, name=sending.intent.set_name, keys=[row.key for _, row in waiting]
        )

    def _send_part(
        self,
        job_set: ManagedJobSet,
        part: Part,
        row: JobRow,
        sender: SetSender,
        executor: SerialExecutor,
    ) -> None:
        managed_job = job_set._managed_jobs[part.intent.index]
        managed_job.submit(
            part,
            job_name=row.name,
            backend=sender,
            executor=executor,
            submit_lock=job_set._job_submit_lock,
            # The provider knows the jobs of a set by its long id.
            job_tags=[*part.intent.tags, job_set._id_long],
        )
        managed_job.future.add_done_callback(lambda _: self._part_ended(row, managed_job))

    def _part_ended(self, row: JobRow, managed_job: ManagedJob) -> None:
        """Runs in the set's thread, between this part and the next."""
        assert row.index is not None
        try:
            if managed_job.job is not None:
                job_id = managed_job.job.job_id()
                managed_job.job._qobj = None  # the endpoint has it, and is asked for it if need be
                self._intents.sent(row.set_id, row.index, job_id)
                changes = self._sent(row, job_id)
            elif isinstance(managed_job.submit_error, StoppedError):
                if managed_job.submit_error.handed_over:
                    return
                changes = self._failed(row, str(managed_job.submit_error))
            else:
                words = error_words(managed_job.submit_error)
                self._intents.failed(row.set_id, row.index, words)
                changes = self._failed(row, words)
            self._announce(changes)
            self._progress(row.set_id, "")
        except QtowerError as error:  # nobody waits for this call: the log is where it can be said
            _log.error("the end of submission %s was not written down: %s", row.key, error)

    def _ended(self, set_id: str) -> None:
        """All parts of a set have ended, or it was stopped."""
        self._intents.release(set_id)
        self._progress(set_id, "")

    def _sent(self, row: JobRow, job_id: str) -> Changes:
        def sent(now: JobRow) -> JobRow | None:
            if now.job_id == job_id:  # a sweep has seen the job already, and knows more of it
                return None
            # A job with another id is an empty one that an earlier try has left.
            return replace(row, job_id=job_id, confirmed=self._clock())

        return self._registry.update(row.key, sent)

    def _failed(self, row: JobRow, words: str) -> Changes:
        def failed(now: JobRow) -> JobRow:
            if now.job_id:  # it got as far as an id: what the endpoint says of it stands
                return replace(now, error=words)
            return replace(now, status=Status.SUBMIT_FAILED, since=self._clock(), error=words)

        return self._registry.update(row.key, failed)


def _job_set(sending: Sending, parts: Sequence[Part], backend: IBMQBackend) -> ManagedJobSet:
    """The provider's set, with a job for each part; those that were sent before are retrieved
    when they are asked for."""
    job_set = ManagedJobSet(name=sending.intent.set_name, short_id=sending.intent.set_id)
    job_set._backend = backend
    job_set._tags = list(sending.intent.tags)
    known = {part.intent.index: part.intent for part in parts}
    job_set._managed_jobs = [
        ManagedJob(known[index].start_index, known[index].experiments)
        if index in known
        else ManagedJob(0, 0)  # of one that cannot be read: its place stays
        for index in range(max(known, default=-1) + 1)
    ]
    return job_set


def _intent_parts(prepared: PreparedPlan) -> list[IntentPart]:
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
