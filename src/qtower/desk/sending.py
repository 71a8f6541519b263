"""The sending of one set: each part exactly once, no more at a time than the backend takes.

`SetSender` stands in for the backend of `ManagedJob.submit`, whose own answers to a job limit and
to a lost line are a wait of minutes that nothing ends, and a part that nobody knows the fate of.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import msgspec
from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.exceptions import IBMQBackendJobLimitError, IBMQBackendValueError
from requests import RequestException

from qtower.errors import QtowerError, StorageError

from .arrivals import Arrivals
from .faults import AccessExpiredError, BusyError, explain, faults
from .intents import Intents, Part, PartState, Wish
from .rows import Document
from .sealed_qobjs import unseal
from .sessions import creates_a_job, read_seconds

_log = logging.getLogger(__name__)

_LOOK_SECONDS = 0.2  # between two looks at what a person wants
_TOLD_SECONDS = 0.5  # of waiting for the budget, before it is told
_MOST_MISREADINGS = 3  # answers to one part that are none of this API
_REFUSALS = range(400, 500)
_NOT_REFUSALS = {401, 408, 425, 429}


class Pace(msgspec.Struct, frozen=True):
    """How an endpoint is treated; in seconds."""

    settle: float  # how long a request of a process that died may still be under way
    room: float  # between two questions whether there is room for a job
    longest: float  # between two tries


_LOCAL = Pace(settle=1.0, room=0.5, longest=5.0)
_REMOTE = Pace(settle=15.0, room=10.0, longest=60.0)
_LOCAL_SILENCE = 5.0


class StoppedError(QtowerError):
    """A person stopped the sending, or it goes on elsewhere; the part is kept."""

    title = "Submission"

    def __init__(self, handed_over: bool) -> None:
        super().__init__("It was not sent: the sending was stopped.")
        self.handed_over = handed_over


class SetSender:
    """Sends parts of one set, one call of `run` after another."""

    def __init__(
        self,
        set_id: str,
        backend: IBMQBackend,
        intents: Intents,
        *,
        resumed: bool,
        tell: Callable[[str], object],
        renew: Callable[[AccessExpiredError], object],
    ) -> None:
        """`tell` hears what is waited for, and "" when it goes on; `renew` makes a new login."""
        self._set_id = set_id
        self._backend = backend
        self._intents = intents
        self._tell = tell
        self._renew = renew
        self._arrivals = Arrivals(backend.provider(), set_id)
        self._resumed = resumed
        self._on_server: dict[int, list[Document]] | None = None  # as it was when it was resumed
        self._room: int | None = None  # jobs that may be sent before it is asked again
        self._unlimited = False
        url = str(backend.provider().credentials.base_url)
        self._pace = _LOCAL if read_seconds(url) <= _LOCAL_SILENCE else _REMOTE

    def name(self) -> str:
        """The backend's name."""
        return str(self._backend.name())

    def run(self, part: Part, job_name: str, job_tags: list[str], **_: Any) -> Any:
        """Sends `part`, however long that takes, and returns its `IBMQJob`.

        Raises:
            StoppedError: A person wants it so.
            IBMQError: The endpoint refused the part.
            StorageError: Its qobj is not kept any more.
        """
        index = part.intent.index
        doubtful = part.state is PartState.BEGUN  # a request for it may have been made,
        checked = not self._resumed  # and no job of it is there
        tries = misreadings = 0
        refused: Exception | None = None  # after the job was created: it may have arrived
        while True:
            self._look_at_wish()
            asked = False
            try:
                if doubtful or not checked:
                    job = self._find(index, doubtful)
                    if job is not None:
                        return job
                    doubtful, checked = False, True
                    self._intents.not_begun(self._set_id, index)
                if refused is not None:
                    break
                self._tell_of_budget()
                self._wait_for_room()
                qobj = self._qobj(index)
                self._intents.begun(self._set_id, index)
                doubtful = asked = True
                job = self._backend.run(qobj, job_name=job_name, job_tags=job_tags)
            except IBMQBackendJobLimitError:
                doubtful, self._room = False, 0
                self._intents.not_begun(self._set_id, index)
            except faults() as error:
                if asked and _is_refusal(error):
                    if _is_about_creating(error):
                        raise
                    # The answer to an earlier try of the same request may have been lost: an
                    # endpoint refuses the second upload of what it has.
                    refused = error
                    continue
                misreadings += not _is_request(error)
                if misreadings >= _MOST_MISREADINGS:
                    raise
                self._wait_after(error, tries)
                tries += 1
            else:
                if self._room is not None:
                    self._room -= 1
                self._tell("")
                return job
        raise refused

    # -- is it there already? ---------------------------------------------------------------------

    def _find(self, index: int, doubtful: bool) -> Any | None:
        """The job of part `index` that is on the server already, or None."""
        if not doubtful and self._on_server is not None:
            documents = self._on_server.get(index, [])
        else:
            self._on_server = self._arrivals.read()
            documents = self._on_server.get(index, [])
        job_id = self._arrivals.accepted(documents)
        if not job_id and doubtful:
            # Its request may have been made a moment ago, by a process that is gone by now.
            self._tell("making sure that nothing is on its way")
            self._rest(self._pace.settle)
            self._on_server = self._arrivals.read()
            job_id = self._arrivals.accepted(self._on_server.get(index, []))
        return self._backend.provider().backend.retrieve_job(job_id) if job_id else None

    def _qobj(self, index: int) -> Any:
        raw = self._intents.qobjs.read(self._set_id, index)
        if raw is None:
            raise StorageError("What was to be sent is not kept any more.", "Submit it anew.")
        return unseal(raw)

    # -- waiting ----------------------------------------------------------------------------------

    def _tell_of_budget(self) -> None:
        """Says so where the account's budget of requests is what slows it down."""
        budget = self._backend.provider()._api_client._session.budget
        if budget.wait() > _TOLD_SECONDS:
            self._tell(f"waiting: {budget.per_minute} requests a minute are allowed")

    def _wait_for_room(self) -> None:
        """Waits until the backend takes one job more, as far as it says."""
        while not self._unlimited and not self._room:
            try:
                limit = self._backend.job_limit()
            except faults() as error:
                if not _is_refusal(error):
                    raise
                self._unlimited = True  # it does not tell: it says so when there are too many
                return
            if limit.maximum_jobs is None:
                self._unlimited = True
                return
            self._room = max(0, limit.maximum_jobs - limit.active_jobs)
            if not self._room:
                self._tell(f"waiting: {self.name()} takes {limit.maximum_jobs} jobs at a time")
                self._rest(self._pace.room)

    def _wait_after(self, error: BaseException, tries: int) -> None:
        known = explain(error)
        _log.info("a part of set %s is tried again: %s", self._set_id, known)
        if isinstance(known, AccessExpiredError):
            self._tell("logging in again")
            self._renew(known)
        seconds = min(self._pace.longest, self._pace.room * 2.0 ** min(tries, 10))
        if isinstance(known, BusyError):
            seconds = max(seconds, min(known.seconds, 5 * self._pace.longest))
        self._tell(f"waiting: {known.what}")
        self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        """Waits, unless a person does not want it any more."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._look_at_wish()
            time.sleep(min(left, _LOOK_SECONDS))

    def _look_at_wish(self) -> None:
        """Waits while it is paused.

        Raises:
            StoppedError: It is to end.
        """
        told = False
        while (wish := self._intents.wish(self._set_id)) is Wish.PAUSE:
            if not told:
                self._tell("paused")
                told = True
            time.sleep(_LOOK_SECONDS)
        if wish in (Wish.STOP, Wish.HAND_OVER):
            raise StoppedError(wish is Wish.HAND_OVER)
        if told:
            self._tell("")


def _is_request(error: BaseException) -> bool:
    return _request_error(error) is not None


def _request_error(error: BaseException) -> RequestException | None:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, RequestException):
        cause = cause.__cause__
    return cause


def _is_about_creating(error: BaseException) -> bool:
    """Whether a refusal means that there is no job: all later requests are about one."""
    request = _request_error(error)
    if request is None or request.request is None:
        return True
    return creates_a_job(request.request.method or "", request.request.url or "")


def _is_refusal(error: BaseException) -> bool:
    """Whether the endpoint, or the provider before it, said no: trying again changes nothing."""
    if isinstance(error, IBMQBackendValueError):
        return True
    request = _request_error(error)
    if request is None or request.response is None:
        return False
    status = request.response.status_code
    return status in _REFUSALS and status not in _NOT_REFUSALS
