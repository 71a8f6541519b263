"""The desk: the one door to all that is known about an account's jobs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from msgspec.structs import replace

from qtower import model, paths
from qtower.config import Account, Keeping
from qtower.desk.account import AccountSession
from qtower.desk.bulletin import Bulletin
from qtower.desk.faults import AccessExpiredError, endpoint_errors
from qtower.desk.intents import Sending, Wish
from qtower.desk.journal import Journal
from qtower.desk.journal_names import calls_file, journal_name
from qtower.desk.offers import Offers
from qtower.desk.poller import Poller
from qtower.desk.registry import Changes, Registry
from qtower.desk.result_fetching import ResultFetching
from qtower.desk.unfinished import Unfinished
from qtower.desk.workshop import Workshop
from qtower.errors import (
    AccountError,
    JobStateError,
    NetworkError,
    QtowerError,
    ReadOnlyError,
    StorageError,
)
from qtower.model import (
    Connection,
    Details,
    Event,
    JobRow,
    Link,
    Status,
)

_Answer = TypeVar("_Answer")

_REFRESH_SECONDS = 60.0
_NEW_NAME = "Name a file that is not there yet."
_FLUSH_SECONDS = 0.15


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
        self._keeping = keeping
        self._fetching: ResultFetching | None = None
        self._goes_on = goes_on
        self._unfinished: Unfinished | None = None
        self._offers: Offers | None = None
        self._account_name = account_name
        self._endpoint = endpoint
        self._clock = clock
        self._state_dir = state_dir
        self._changed = threading.Condition()
        self._unsent: set[str] = set()  # keys of rows that the journal had without a job id
        self._caught_up = False
        self._closed = False
        self._read_only = read_only
        self._bulletin = Bulletin(
            listener, account_name, clock, read_only=read_only, insecure=insecure
        )
        self._session = AccountSession(connect)
        self._bulletin.budget = self._session.budget
        self._registry = Registry(self._retrieve)
        self._poller = Poller(self._session, self._registry, self, clock=clock)
        self._workshop: Workshop | None = None
        self._making_workshop = threading.Lock()

    # -- life -----------------------------------------------------------------------------------

    def open(self) -> None:
        """Publishes the journal's rows and the connection at once, then starts the background."""
        directory = self._directory()
        name = journal_name(self._account_name, self._endpoint, directory)
        self._session.calls_file = calls_file(name, directory)
        journal = Journal(
            name,
            directory,
            self._bulletin.warn,
            inform=self._bulletin.inform,
            keeping=self._keeping,
            clock=self._clock,
        )
        journal.results.tell = self._note_saved
        journal.results.tell_gone = self._note_gone
        self._session.kept = journal.results
        self._bulletin.journal = journal
        for chunk in journal.chunks():  # the newest first: a screen is full at once
            rows = self._registry.load(chunk)
            self._unsent |= {row.key for row in rows if not row.job_id and not row.status.final}
            self._bulletin.tell_rows(rows)
        unfinished = self._unfinished = Unfinished(journal.intents, self._account_name)
        self._offers = Offers(
            unfinished,
            journal.intents,
            self._registry,
            publish=self.changed,
            warn=self._bulletin.warn,
            clock=self._clock,
        )
        self._bulletin.tell_connection()
        # Also that there is none: the screen may remember what an agent before us has told.
        self._bulletin.tell_sending(lambda: unfinished.news() or [])
        if self._keeping is not None and self._keeping.fetch_results and not self._read_only:
            self._fetching = ResultFetching(
                self._session, journal.results, self._keeping, self._bulletin.warn
            )
        journal.watch(self._journal_moved)
        self._journal_moved()  # it may be in memory already, or again in its file
        self._poller.start()

    def close(self) -> None:
        """Ends the background and writes what is pending; takes less than 0.2 s."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._poller.close()
        if self._fetching is not None:
            self._fetching.close()
        if self._bulletin.journal is not None:
            self._bulletin.journal.flush(_FLUSH_SECONDS)
        self._session.budget.close()

    def tell_all(self) -> None:
        """Publishes all rows and the connection again, for a listener that has just come."""
        self._bulletin.tell_rows(self._registry.rows())
        self._bulletin.tell_connection()
        self._bulletin.tell_sending(self._sendings().sets)

    def wait_ready(self, timeout: float) -> Connection:
        """Waits until every job of the endpoint has been read once.

        Raises:
            AccountError: Login was refused.
            NetworkError: The endpoint does not answer, or not all was read in `timeout` s.
        """
        with self._poller.awaited(), self._changed:
            self._changed.wait_for(
                lambda: (
                    self._caught_up
                    or self._closed
                    or self._bulletin.connection.link in (Link.OFFLINE, Link.REFUSED)
                ),
                timeout,
            )
            connection = self._bulletin.connection
        if connection.link is Link.REFUSED:
            raise AccountError(*self._session.words_of_problem(connection.detail))
        if connection.link is Link.OFFLINE:
            raise NetworkError(*self._session.words_of_problem(connection.detail))
        if not self._caught_up:
            raise NetworkError(f"Not all jobs could be read within {timeout:.0f} s.")
        return connection

    # -- requests -------------------------------------------------------------------------------

    def answer(self, request: model.AnyRequest) -> Any:
        """Returns the record of `model.ANSWERS` for any request but Hello, which is the agent's.

        Raises:
            QtowerError: It cannot be answered, and why.
        """
        method = _METHODS[type(request)]
        return self._renewing(lambda: method(self, request))

    def refresh(self, request: model.Refresh) -> Connection:
        """Reads all active jobs, new ones, and which were deleted; tries the journal's file."""
        self._journal().try_now()
        self._session.ask_again()
        self._poller.refresh(_REFRESH_SECONDS)
        return self._bulletin.connection

    def look(self, request: model.Look) -> Connection:
        """Reads what is on the screen first; asks nothing by itself."""
        self._poller.look(request.keys, request.cursor)
        return self._bulletin.connection

    def details(self, request: model.GetDetails) -> Details:
        """Everything known of a job, read anew; offline what the journal has."""
        from qtower.desk.details import details_of_job, details_of_row

        row = self._registry.row(request.key)
        steps = self._journal().transitions(row.key)
        if not row.job_id:
            return details_of_row(row, steps, "The endpoint has given the job no id.")
        try:
            job = self._renewing(lambda: self._refreshed_job(request.key))
        except (NetworkError, AccountError) as error:
            return details_of_row(row, steps, f"From the journal: {error.what}")
        return details_of_job(self._registry.row(request.key), job)

    def result(self, request: model.GetResult) -> model.ResultHead:
        """A result without its data."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.head(request.key, job_id, managed_job)

    def counts(self, request: model.GetCounts) -> model.Counts:
        """A page of counts."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.counts(request, job_id, managed_job)

    def memory(self, request: model.GetMemory) -> model.Memory:
        """A page of single shots."""
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.memory(request, job_id, managed_job)

    def save_result(self, request: model.SaveResult) -> model.Saved:
        """Writes a result to a file."""
        if self._read_only and request.overwrite:
            raise ReadOnlyError("qtower is read-only here: no file is overwritten.", _NEW_NAME)
        job_id, managed_job = self._for_result(request.key)
        return self._work().results.save(request, job_id, managed_job)

    def error(self, request: model.GetError) -> model.ErrorReport:
        """Why a job failed; offline what its row remembers."""
        row = self._registry.row(request.key)
        return self._work().error_report(row, self._managed_job_if_any(row))

    def qobj(self, request: model.GetQobj) -> model.QobjHead:
        """A job's qobj without its experiments."""
        return self._work().qobjs.head(request.key, self._managed_job(request.key))

    def drawing(self, request: model.GetDrawing) -> model.Drawing:
        """One experiment of a qobj, drawn."""
        return self._work().qobjs.drawing(request, self._managed_job(request.key))

    def json(self, request: model.GetJson) -> model.JsonChildren:
        """Children of a value in a qobj."""
        return self._work().qobjs.children(request, self._managed_job(request.key))

    def cancel(self, request: model.Cancel) -> model.CancelOutcome:
        """Cancels a job, and says what became of that."""
        self._refuse_change(request)
        self._session.provider()
        from qtower.desk.cancelling import cancel_job, refuse_cancel

        row = self._registry.row(request.key)
        outcome = refuse_cancel(row) or cancel_job(row, self._managed_job(request.key))
        self._poller.nudge()
        return outcome

    def backends(self, request: model.GetBackends) -> model.Backends:
        """All backends of the provider, with their queues and limits."""
        return self._work().backends(self._session.provider(), self._host())

    def read_files(self, request: model.ReadFiles) -> model.FileReports:
        """What files hold that are to be submitted."""
        return self._work().read_files(request.paths)

    def plan(self, request: model.MakePlan) -> model.Plan:
        """What an order would send; it is kept for `submit`."""
        return self._work().plan(request.order, self._session.provider(), self._host())

    def submit(self, request: model.Submit) -> model.Submitted:
        """Sends a plan."""
        self._refuse_change(request)
        submitted = self._work().submit(request.plan_id, Wish.ALWAYS if request.always else Wish.GO)
        self._poller.nudge()
        return submitted

    def submit_samples(self, request: model.SubmitSamples) -> model.Submitted:
        """Sends the samples."""
        self._refuse_change(request)
        submitted = self._work().submit_samples(self._session.provider(), self._host())
        self._poller.nudge()
        return submitted

    def unsent(self, request: model.GetUnsent) -> model.Unsent:
        """The sets that are not wholly sent."""
        return model.Unsent(sets=self._sendings().sets())

    def steer(self, request: model.SteerSet) -> model.Unsent:
        """Sends, pauses, stops or gives up what was not sent."""
        self._refuse_change(request)
        self._sendings().steer(
            request.set_id,
            request.steer,
            resume=self._resume,
            publish=self.changed,
            registry=self._registry,
            now=self._clock(),
        )
        self._tell_unfinished()
        return model.Unsent(sets=self._sendings().sets())

    def coverage(self, request: model.GetCoverage) -> model.Coverage:
        """What a set covers, and its holes."""
        from qtower.desk.coverage import coverage_of

        return coverage_of(request.set_id, self._registry, self._journal().intents)

    def fill_holes(self, request: model.FillHoles) -> model.Submitted:
        """Sends the holes of a set once more."""
        self._refuse_change(request)
        from qtower.desk.coverage import coverage_of, fillable

        found = coverage_of(request.set_id, self._registry, self._journal().intents)
        kept, failed = fillable(found)
        if kept:
            self.steer(model.SteerSet(set_id=found.set_id, steer=model.Steer.SEND))
        if not failed:
            return model.Submitted(set_id=found.set_id, name=found.name, keys=kept)
        jobs = [(self._registry.row(key), self._managed_job(key)) for key in failed]
        again = self._work().submit_again(
            f"{found.name} again", jobs, self._session.provider(), self._host()
        )
        self._poller.nudge()
        return replace(again, keys=[*kept, *again.keys])

    # -- what the poller tells (qtower.desk.poller.Watch) ------------------------------------------

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        """Takes changes in and publishes them, before anybody else may publish."""
        changes = self._bulletin.publish(take_in)
        if self._fetching is not None:
            self._fetching.note(changes)
        return changes

    def connected(
        self,
        link: Link,
        detail: str,
        confirmed: float | None,
        *,
        slowed: str = "",
        fresh_for: float | None = None,
    ) -> None:
        """Notes and publishes how the connection stands."""
        back = link is Link.LIVE and self._bulletin.connection.link is not Link.LIVE
        self._bulletin.connect(
            link, detail, confirmed, self._session.account, slowed=slowed, fresh_for=fresh_for
        )
        if back and self._fetching is not None:
            self._fetching.make_up(self._registry.rows())
        if self._caught_up and self._offers is not None:
            self._offers.look()
        self._tell_unfinished()
        with self._changed:
            self._changed.notify_all()

    def counted(self) -> None:
        """Publishes how many requests there were, if that is news."""
        self._bulletin.tell_calls()

    def caught_up(self) -> None:
        """All jobs were read: what was meant to be sent and did not arrive, never will."""
        self._offer()
        with self._changed:
            self._caught_up = True
            self._changed.notify_all()

    # -- inside ---------------------------------------------------------------------------------

    def _offer(self) -> None:
        """Settles, and offers or sends on, what was not sent as far as the journal knows."""
        if self._offers is not None:
            self._offers.settle(self._unsent)
            if not self._read_only:  # else it is listed; the rest is for who may send
                self._offers.tell(self.answer if self._goes_on else None)
        self._journal().intents.tidy()

    def _journal_moved(self) -> None:
        """The journal's file cannot be written any more, or can be again."""
        unwritten = self._journal().unwritten
        self._bulletin.note_unwritten(unwritten)
        if unwritten is None and self._caught_up:
            self._offer()  # what it could not claim, and what others have left meanwhile
        self._tell_unfinished()

    def _refuse_change(self, request: model.Request) -> None:
        if self._read_only:
            raise ReadOnlyError(*read_only_words(self._account_name, type(request)))

    def _directory(self) -> Path | None:
        try:
            return paths.private_dir(self._state_dir) if self._state_dir else paths.state_dir()
        except StorageError as error:
            words = "Work goes on, but nothing is kept until qtower is started again."
            self._bulletin.warn("Journal not written", f"{error} {words}")
            return None

    def _note_saved(self, job_id: str) -> None:
        self.changed(lambda: self._registry.mark_saved(job_id))

    def _note_gone(self, names: set[str]) -> None:
        self.changed(lambda: self._registry.mark_gone(names))

    def _announce(self, changes: Changes) -> None:
        """Publishes rows that a submission changed, as they are by now: a poll may have been
        quicker with news of them."""

        def as_they_are() -> Changes:
            return Changes(rows=self._registry.rows_of([row.key for row in changes.rows]))

        self.changed(as_they_are)

    def _journal(self) -> Journal:
        if self._bulletin.journal is None:
            raise QtowerError("The desk is not open.")
        return self._bulletin.journal

    def _work(self) -> Workshop:
        """What needs Qiskit: made when it is first needed, after the provider was loaded."""
        with self._making_workshop:
            if self._workshop is None:
                self._workshop = Workshop(
                    self._registry,
                    self._journal(),
                    self._clock,
                    announce=self._announce,
                    progress=self._sending_moved,
                    renew=self._renew,
                )
            return self._workshop

    # -- what is not sent yet -------------------------------------------------------------------

    def _sendings(self) -> Unfinished:
        if self._unfinished is None:
            raise QtowerError("The desk is not open.")
        return self._unfinished

    def _sending_moved(self, set_id: str, waits_for: str) -> None:
        self._sendings().note(set_id, waits_for)
        self._tell_unfinished()

    def _tell_unfinished(self) -> None:
        self._bulletin.tell_sending(self._sendings().news)

    def _renew(self, error: AccessExpiredError) -> None:
        self._session.doubt(error)
        self._poller.refresh(_REFRESH_SECONDS)  # which logs in again

    def _resume(self, sending: Sending, wish: Wish) -> None:
        whole = sending.intent
        self._work().resume(
            whole.set_id, whole.backend, wish, self._session.provider(), self._host()
        )
        self._poller.nudge()

    def _retrieve(self, job_id: str) -> Any:
        return self._session.provider().backend.retrieve_job(job_id)

    def _managed_job(self, key: str) -> Any:
        self._session.provider()
        with endpoint_errors(self._host()):
            return self._registry.managed_job(key)

    def _refreshed_job(self, key: str) -> Any:
        job = self._managed_job(key).job
        with endpoint_errors(self._host()):
            job.refresh()
        return job

    def _managed_job_if_any(self, row: JobRow) -> Any | None:
        """The managed job; None if there is no connection, or the job has no id."""
        try:
            return self._renewing(lambda: self._managed_job(row.key))
        except (NetworkError, AccountError, JobStateError):
            return None

    def _renewing(self, ask: Callable[[], _Answer]) -> _Answer:
        """What `ask` returns; if the endpoint wants a new login, after that."""
        try:
            return ask()
        except AccessExpiredError as error:
            self._session.doubt(error)
            self._poller.refresh(_REFRESH_SECONDS)  # which logs in again
            return ask()

    def _for_result(self, key: str) -> tuple[str, Callable[[], Any]]:
        """A job's id, and a call for its managed job: a result may be kept."""
        row = self._registry.row(key)
        if row.status in (Status.CANCELLED, Status.SUBMIT_FAILED):
            raise JobStateError(f"The job has no result: it is {row.status.value}.")
        if not row.status.final:
            raise JobStateError(
                f"The job has no result yet: it is {row.status.value}.", "Wait until it is done."
            )
        return row.job_id, lambda: self._managed_job(key)

    def _host(self) -> str:
        return urlsplit(self._bulletin.connection.endpoint).netloc or "The endpoint"


def read_only_words(account_name: str, request: type[model.Request]) -> tuple[str, str]:
    """Why a request is refused and what to do next, as `QtowerError` takes them."""
    return (
        f'The account "{account_name}" is read-only here: {model.CHANGES[request]}.',
        "Leave out --read-only, or remove read-only from its entry in config.toml.",
    )


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
