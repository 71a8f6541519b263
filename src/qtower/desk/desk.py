"""The desk: the one door to all that is known about an account's jobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from qtower import model
from qtower.config import Account, Keeping
from qtower.desk.account_session import AccountSession
from qtower.desk.bulletin import Bulletin
from qtower.desk.job_requests import JobRequests
from qtower.desk.journal import Journal
from qtower.desk.opening import Place, open_journal
from qtower.desk.poller import Poller
from qtower.desk.reach import REFRESH_SECONDS, Reach
from qtower.desk.registry import Registry
from qtower.desk.result_fetching import ResultFetching
from qtower.desk.set_requests import SetRequests
from qtower.desk.watching import Watching
from qtower.desk.workshop import Workshop, when_needed
from qtower.errors import QtowerError, ReadOnlyError
from qtower.model import Connection, Event

_Request = TypeVar("_Request", bound=model.Request)
_Answer = TypeVar("_Answer")

_FLUSH_SECONDS = 0.15


class _Rooms(NamedTuple):
    """What there is behind the door once it is open."""

    journal: Journal
    jobs: JobRequests
    sets: SetRequests


class Desk:
    """An account's jobs, kept current in the background.

    Every method but `open` and `close` may be called from any thread, and may block as long as
    the endpoint does (tens of seconds). `listener` hears events from several threads, one at a
    time; while it blocks, the desk waits.
    """

    def __init__(
        self,
        account_name: str,
        connect: Callable[[], Account],
        listener: Callable[[Event], None],
        *,
        clock: Callable[[], float] = time.time,
        state_dir: Path | None = None,
        goes_on: bool = False,
        keeping: Keeping | None = None,
        endpoint: str = "",
        read_only: bool = False,
        insecure: bool = False,
    ) -> None:
        """`connect` returns the account ready to log in to: for the local account it starts the
        service. It is called on a thread of the desk, and again when the endpoint is lost.

        With `goes_on` it sends by itself what a person wants sent whatever happens. With
        `keeping` it reads results by itself, and forgets what it need not keep. The journal is
        that of the account at `endpoint`.

        A `read_only` desk refuses `model.CHANGES`. It sends nothing by itself, and reads no
        result by itself: a result that can be read only once would be gone. `insecure` is told
        with the connection.
        """
        self._place = Place(account_name, endpoint, state_dir)
        self._clock = clock
        self._goes_on = goes_on
        self._keeping = keeping
        self._read_only = read_only
        self._bulletin = Bulletin(
            listener, account_name, clock, read_only=read_only, insecure=insecure
        )
        self._session = AccountSession(connect)
        self._bulletin.budget = self._session.budget
        self._registry = Registry(lambda id: self._session.provider().backend.retrieve_job(id))
        self._watching = Watching(self._bulletin, self._session, self._registry)
        self._poller = Poller(self._session, self._registry, self._watching, clock=clock)
        self._reach = Reach(self._session, self._registry, self._poller, self._bulletin)
        self._rooms: _Rooms | None = None

    # -- life -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Publishes the journal's rows and the connection at once, then starts the background."""
        journal = open_journal(
            self._place, self._session, self._bulletin, self._keeping, self._clock
        )
        unsent: set[str] = set()  # keys of rows without a job id
        for chunk in journal.chunks():  # the newest first: a screen is full at once
            rows = self._registry.load(chunk)
            unsent |= {row.key for row in rows if not row.job_id and not row.status.final}
            self._bulletin.tell_rows(rows)
        work = when_needed(
            lambda: Workshop(
                self._registry,
                journal,
                self._clock,
                announce=self._watching.announce,
                progress=sets.moved,
                renew=self._reach.renew,
            )
        )
        jobs = JobRequests(self._registry, journal, self._reach, work)
        sets = SetRequests(
            self._place.account_name,
            self._registry,
            journal.intents,
            self._reach,
            self._bulletin,
            work,
            publish=self._watching.changed,
            clock=self._clock,
        )
        self._rooms = _Rooms(journal, jobs, sets)
        self._bulletin.tell_connection()
        sets.tell_all()  # also that there is none: an agent before us may have told of some
        fetching: ResultFetching | None = None
        if self._keeping is not None and self._keeping.fetch_results and not self._read_only:
            tell = (self._bulletin.warn, self._bulletin.inform)
            fetching = ResultFetching(self._session, journal.results, self._keeping, *tell)
        go_on = self.answer if self._goes_on else None
        aloud = not self._read_only  # else it is listed; the rest is for who may send
        offer = partial(sets.offer, unsent, go_on, aloud=aloud)
        self._watching.begin(journal, sets, fetching, offer)
        self._poller.start()

    def close(self) -> None:
        """Ends the background and writes what is pending; takes less than 0.2 s."""
        self._watching.close()
        self._poller.close()
        if self._rooms is not None:
            self._rooms.journal.flush(_FLUSH_SECONDS)
        self._session.budget.close()

    def tell_all(self) -> None:
        """Publishes all rows and the connection again, for a listener that has just come."""
        self._bulletin.tell_rows(self._registry.rows())
        self._bulletin.tell_connection()
        self._inside().sets.tell_all()

    def wait_ready(self, timeout: float) -> Connection:
        """Waits until every job of the endpoint has been read once.

        Raises:
            AccountError: Login was refused.
            NetworkError: The endpoint does not answer, or not all was read in `timeout` s.
        """
        with self._poller.awaited():
            return self._watching.wait_ready(timeout)

    # -- requests -------------------------------------------------------------------------------

    def answer(self, request: model.AnyRequest) -> Any:
        """Returns the record of `model.ANSWERS` for any request but Hello, which is the agent's.

        Raises:
            QtowerError: It cannot be answered, and why.
        """
        return _METHODS[type(request)](self, request)

    def refresh(self, request: model.Refresh) -> Connection:
        """Reads all active jobs, new ones, and which were deleted; tries the journal's file."""
        self._inside().journal.try_now()
        self._session.ask_again()
        self._poller.refresh(REFRESH_SECONDS)
        return self._bulletin.connection

    def look(self, request: model.Look) -> Connection:
        """Reads what is on the screen first; asks nothing by itself."""
        self._poller.look(request.keys, request.cursor)
        return self._bulletin.connection

    def details(self, request: model.GetDetails) -> model.Details:
        """Everything known of a job, read anew; offline what the journal has."""
        return self._do(request, self._inside().jobs.details)

    def result(self, request: model.GetResult) -> model.ResultHead:
        """A result without its data."""
        return self._do(request, self._inside().jobs.result)

    def counts(self, request: model.GetCounts) -> model.Counts:
        """A page of counts."""
        return self._do(request, self._inside().jobs.counts)

    def memory(self, request: model.GetMemory) -> model.Memory:
        """A page of single shots."""
        return self._do(request, self._inside().jobs.memory)

    def save_result(self, request: model.SaveResult) -> model.Saved:
        """Writes a result to a file."""
        if self._read_only and request.overwrite:
            words = "qtower is read-only here: no file is overwritten."
            raise ReadOnlyError(words, "Name a file that is not there yet.")
        return self._do(request, self._inside().jobs.save_result)

    def error(self, request: model.GetError) -> model.ErrorReport:
        """Why a job failed; offline what its row remembers."""
        return self._do(request, self._inside().jobs.error)

    def qobj(self, request: model.GetQobj) -> model.QobjHead:
        """A job's qobj without its experiments."""
        return self._do(request, self._inside().jobs.qobj)

    def drawing(self, request: model.GetDrawing) -> model.Drawing:
        """One experiment of a qobj, drawn."""
        return self._do(request, self._inside().jobs.drawing)

    def json(self, request: model.GetJson) -> model.JsonChildren:
        """Children of a value in a qobj."""
        return self._do(request, self._inside().jobs.json)

    def cancel(self, request: model.Cancel) -> model.CancelOutcome:
        """Cancels a job, and says what became of that."""
        return self._do(request, self._inside().jobs.cancel)

    def backends(self, request: model.GetBackends) -> model.Backends:
        """All backends of the provider, with their queues and limits."""
        return self._do(request, self._inside().sets.backends)

    def read_files(self, request: model.ReadFiles) -> model.FileReports:
        """What files hold that are to be submitted."""
        return self._do(request, self._inside().sets.read_files)

    def plan(self, request: model.MakePlan) -> model.Plan:
        """What an order would send; it is kept for `submit`."""
        return self._do(request, self._inside().sets.plan)

    def submit(self, request: model.Submit) -> model.Submitted:
        """Sends a plan."""
        return self._do(request, self._inside().sets.submit)

    def submit_samples(self, request: model.SubmitSamples) -> model.Submitted:
        """Sends the samples."""
        return self._do(request, self._inside().sets.submit_samples)

    def unsent(self, request: model.GetUnsent) -> model.Unsent:
        """The sets that are not wholly sent."""
        return self._do(request, self._inside().sets.unsent)

    def steer(self, request: model.SteerSet) -> model.Unsent:
        """Sends, pauses, stops or gives up what was not sent."""
        return self._do(request, self._inside().sets.steer)

    def coverage(self, request: model.GetCoverage) -> model.Coverage:
        """What a set covers, and its holes."""
        return self._do(request, self._inside().sets.coverage)

    def fill_holes(self, request: model.FillHoles) -> model.Submitted:
        """Sends the holes of a set once more."""
        return self._do(request, self._inside().sets.fill_holes)

    def _do(self, request: _Request, answer: Callable[[_Request], _Answer]) -> _Answer:
        """What `answer` makes of a request, after a new login if one is wanted.

        Raises:
            ReadOnlyError: It would change something, and nothing is to be changed.
        """
        if self._read_only and type(request) in model.CHANGES:
            raise ReadOnlyError.at(self._place.account_name, model.CHANGES[type(request)])
        return self._reach.renewing(lambda: answer(request))

    def _inside(self) -> _Rooms:
        if self._rooms is None:
            raise QtowerError("The desk is not open.")
        return self._rooms


_METHODS: dict[type[model.Request], Callable[[Desk, Any], Any]] = {
    model.Refresh: Desk.refresh,
    model.Look: Desk.look,
    model.GetDetails: Desk.details,
    model.GetResult: Desk.result,
    model.GetCounts: Desk.counts,
    model.GetMemory: Desk.memory,
    model.SaveResult: Desk.save_result,
    model.GetError: Desk.error,
    model.GetQobj: Desk.qobj,
    model.GetDrawing: Desk.drawing,
    model.GetJson: Desk.json,
    model.Cancel: Desk.cancel,
    model.GetBackends: Desk.backends,
    model.ReadFiles: Desk.read_files,
    model.MakePlan: Desk.plan,
    model.Submit: Desk.submit,
    model.SubmitSamples: Desk.submit_samples,
    model.GetUnsent: Desk.unsent,
    model.SteerSet: Desk.steer,
    model.GetCoverage: Desk.coverage,
    model.FillHoles: Desk.fill_holes,
}
