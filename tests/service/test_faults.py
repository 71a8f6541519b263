"""A store that fails once, anywhere: no job is stuck, none is settled twice, no worker is lost."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError

from qtower.service import dispatcher as dispatcher_module
from qtower.service import payloads as payload_files
from qtower.service import statuses, steps
from qtower.service.devices import load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.metrics import Metrics
from qtower.service.orders import Outcome
from qtower.service.pacing import Pacing
from qtower.service.payloads import Payloads
from qtower.service.records import Change, NewJob, Owner, StoredJob
from qtower.service.store import Store
from qtower.service.watchers import Watchers
from tests.service.raw import bell_qobj, until

NEW = NewJob(Owner("owner", "ibm-q", "open", "main"), "ibmq_qasm_simulator")


class ScriptedEngine:
    """One worker; each run of a job ends with the next of its outcomes."""

    workers = 1
    trouble = None

    def __init__(self, outcomes: dict[str, list[Outcome]] | None = None) -> None:
        self.outcomes = outcomes or {}
        self.started: Counter[str] = Counter()
        self.tell_workers: Callable[[int], None] = print

    def follow_workers(self, told: Callable[[int], None]) -> None:
        self.tell_workers = told
        told(self.workers)

    def start(
        self,
        job_id: str,
        backend: str,
        qobj_file: Path,
        result_file: Path,
        on_running: Callable[[float], None],
        on_outcome: Callable[[Outcome], None],
    ) -> None:
        self.started[job_id] += 1
        now = time.time()
        on_running(now)
        outcome = self.outcomes[job_id].pop(0)
        on_outcome(msgspec.structs.replace(outcome, started=now, ended=now))

    def cancel(self, job_id: str) -> None:
        raise AssertionError(f"nobody cancels {job_id}")

    def close(self) -> None:
        pass


COMPLETED = Outcome(kind="completed")
LOST = Outcome(kind="lost", message="The process died", code=5203)

# What is told of a job that is lost once, and of one that is not.
ACCEPTED = ["CREATED", "VALIDATING", "VALIDATED"]
TOLD = {
    "lost": [*ACCEPTED, "QUEUED", "RUNNING", "QUEUED", "RUNNING", "COMPLETED"],
    "other": [*ACCEPTED, "QUEUED", "RUNNING", "COMPLETED"],
}

# How often the queue asks the store about each (four times to validate it, twice to let it join
# the line, ...), and so every moment at which a store can fail that fails once.
CALLS = {"lost": 17, "other": 10}
MOMENTS = [(which, at) for which, calls in CALLS.items() for at in range(1, calls + 1)]
JOINED = 6  # the call that comes when a job stands in the line


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_RETRY_SECONDS", 0.01)


def uploaded(store: Store, files: Payloads, dispatcher: Dispatcher) -> str:
    """A job up to where its qobj has come and nobody has said so."""
    job = store.create(NEW)
    assert job is not None
    dispatcher.expect_upload(job)
    content = json.dumps(bell_qobj()).encode()
    payload_files.write(files.qobj_file(job.id), content)
    assert store.note_upload(job.id, len(content))
    return job.id


def ended(store: Store, job_id: str) -> StoredJob:
    def look() -> list[StoredJob]:
        job = store.job(job_id)
        return [job] if job is not None and job.final else []

    return until(look)[0]


class Heard(Watchers):
    """What followers are told of each job."""

    def __init__(self) -> None:
        super().__init__()
        self.told: defaultdict[str, list[str]] = defaultdict(list)

    def publish(self, change: Change) -> None:
        self.told[change.job_id].append(change.status)
        super().publish(change)


class TwoJobs:
    """A queue and two uploaded jobs: one is lost once and runs again, the other is not."""

    def __init__(self, store: Store, files: Payloads) -> None:
        self.metrics = Metrics()
        self.heard = Heard()
        self.engine = ScriptedEngine()
        self._store = store
        self._dispatcher = Dispatcher(
            store, files, load_devices(), self.engine, self.heard, metrics=self.metrics
        )
        self._dispatcher.start()
        self.ids = {which: uploaded(store, files, self._dispatcher) for which in CALLS}
        self.engine.outcomes = {
            self.ids["lost"]: [LOST, COMPLETED],
            self.ids["other"]: [COMPLETED],
        }

    def accept(self) -> None:
        for job_id in self.ids.values():
            assert self._dispatcher.accept(job_id)

    def ended(self, which: str) -> StoredJob:
        """Waits for one of them."""
        return ended(self._store, self.ids[which])

    def assert_completed(self) -> None:
        """Waits for both, and ends the queue."""
        for which, runs in (("lost", 2), ("other", 1)):
            job = self.ended(which)
            assert job.status == statuses.COMPLETED
            assert job.attempts == runs
            assert self.engine.started[job.id] == runs
        until(lambda: self._dispatcher.idle)
        self.close()
        assert 'qtower_run_seconds_count{outcome="completed"} 2.0' in self.metrics.text().decode()

    def assert_told_once(self) -> None:
        """Each change was told to who follows the job, and counted, once, and in its order."""
        for which, job_id in self.ids.items():
            assert self.heard.told[job_id] == TOLD[which]
        counted = self.metrics.text().decode()
        for status, entries in Counter(TOLD["lost"] + TOLD["other"]).items():
            assert f'qtower_job_changes_total{{status="{status}"}} {entries}.0' in counted
        assert 'qtower_run_seconds_count{outcome="lost"} 1.0' in counted

    def close(self) -> None:
        self._dispatcher.close()


FULL = OperationalError("SELECT", None, Exception("the disk is full"))

# What a server that restarts may have its driver say, depending on the moment.
CUT_OFF = DatabaseError("SELECT", None, psycopg.DatabaseError("server closed the connection"))
READ_ONLY = InternalError("UPDATE", None, psycopg.errors.ReadOnlySqlTransaction("not yet"))


class Faults:
    """Makes the store fail once: of the calls about a job, at the one with the number `at`.

    Those about one job follow each other, whichever threads make them. So that call is the same in
    every run, as the tenth, say, of the calls about all jobs is not.

    Args:
        store: Which is to fail.
        monkeypatch: Makes it whole again.
        job_id, at: The call; by default none.
        after: It fails when the call is carried out: it is done, and the answer gets lost.
        error: As what it fails.
        meanwhile: Happens at the same time.
    """

    def __init__(
        self,
        store: Store,
        monkeypatch: pytest.MonkeyPatch,
        job_id: str = "",
        at: int = 0,
        *,
        after: bool = False,
        error: Exception = FULL,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        self._job_id = job_id
        self._at = at
        self._after = after
        self._error = error
        self._meanwhile = meanwhile
        self.calls: Counter[str] = Counter()
        self.happened = False
        for name in ("listed_job", "move"):
            monkeypatch.setattr(store, name, self._faulty(getattr(store, name)))

    def _faulty(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(job_id: str, *arguments: Any, **options: Any) -> Any:
            self.calls[job_id] += 1
            if job_id != self._job_id or self.calls[job_id] != self._at:
                return method(job_id, *arguments, **options)
            if self._after:
                method(job_id, *arguments, **options)
            self.happened = True
            self._meanwhile()
            raise self._error

        return call


@pytest.fixture
def jobs(store: Store, files: Payloads) -> TwoJobs:
    return TwoJobs(store, files)


def test_there_is_no_moment_but_those_at_which_the_store_fails_below(
    jobs: TwoJobs, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = Faults(store, monkeypatch)
    jobs.accept()
    jobs.assert_completed()
    jobs.assert_told_once()
    assert {which: faults.calls[job_id] for which, job_id in jobs.ids.items()} == CALLS


@pytest.mark.parametrize("error", [FULL, CUT_OFF, READ_ONLY])
@pytest.mark.parametrize(("which", "at"), MOMENTS)
def test_a_store_that_fails_once_loses_nothing(
    jobs: TwoJobs,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    which: str,
    at: int,
    error: Exception,
) -> None:
    faults = Faults(store, monkeypatch, jobs.ids[which], at, error=error)
    jobs.accept()
    jobs.assert_completed()
    jobs.assert_told_once()
    assert faults.happened


def test_a_job_is_told_to_wait_before_it_is_told_to_run(
    jobs: TwoJobs, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the store fails as the job has joined the line, and there is news of workers
    before it is asked again."""
    monkeypatch.setattr(steps, "_RETRY_SECONDS", 0.2)
    news: Callable[[], None] = lambda: jobs.engine.tell_workers(1)  # noqa: E731
    faults = Faults(store, monkeypatch, jobs.ids["other"], JOINED, meanwhile=news)
    jobs.accept()
    jobs.assert_completed()
    jobs.assert_told_once()
    assert faults.happened


@pytest.mark.parametrize(("which", "at"), MOMENTS)
def test_an_answer_of_the_store_that_gets_lost_cancels_and_repeats_nothing(
    jobs: TwoJobs, store: Store, monkeypatch: pytest.MonkeyPatch, which: str, at: int
) -> None:
    """As above; but the call was carried out, as a database does that dies upon a commit."""
    faults = Faults(store, monkeypatch, jobs.ids[which], at, after=True)
    jobs.accept()
    jobs.assert_completed()
    assert faults.happened


@pytest.mark.parametrize(("which", "at"), MOMENTS)
def test_a_fault_of_ours_keeps_no_other_job_waiting(
    jobs: TwoJobs, store: Store, monkeypatch: pytest.MonkeyPatch, which: str, at: int
) -> None:
    """A step that fails for good leaves at most its own job; nobody else's wake-up goes with it."""
    monkeypatch.setattr(dispatcher_module, "_LOOK_AGAIN_SECONDS", 0.01)
    faults = Faults(store, monkeypatch, jobs.ids[which], at, error=RuntimeError("a mistake"))
    jobs.accept()
    until(lambda: faults.happened)
    (whole,) = set(CALLS) - {which}
    assert jobs.ended(whole).status == statuses.COMPLETED
    jobs.close()


def fail_for_good(store: Store, monkeypatch: pytest.MonkeyPatch, job_id: str, status: str) -> None:
    """From now on one job cannot enter a status, whatever is tried."""
    move = store.move

    def refuse(moved: str, entered: str, *arguments: Any, **options: Any) -> Any:
        if (moved, entered) == (job_id, status):
            raise RuntimeError("a mistake")
        return move(moved, entered, *arguments, **options)

    monkeypatch.setattr(store, "move", refuse)


def test_an_upload_whose_end_fails_for_good_keeps_no_other_from_its_own(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "_LOOK_AGAIN_SECONDS", 0.01)
    dispatcher = Dispatcher(
        store, files, load_devices(), ScriptedEngine(), Watchers(), upload_seconds=0.1
    )
    dispatcher.start()
    first, second = (uploaded(store, files, dispatcher) for _ in range(2))
    fail_for_good(store, monkeypatch, first, statuses.CANCELLED)
    assert ended(store, second).status == statuses.CANCELLED
    dispatcher.close()


class Brief(Pacing):
    """Every backend is a real device that takes as long as this for a job."""

    SECONDS = 0.2

    def paced(self, backend: str) -> bool:
        return True

    def run_seconds(self, backend: str, raw: bytes) -> float:
        return self.SECONDS


def test_a_paced_job_whose_end_fails_for_good_keeps_no_other_at_rest(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "_LOOK_AGAIN_SECONDS", 0.01)
    engine = ScriptedEngine()
    devices = load_devices()
    pacing = Brief({}, devices)
    dispatcher = Dispatcher(store, files, devices, engine, Watchers(), pacing=pacing)
    dispatcher.start()
    first, second = (uploaded(store, files, dispatcher) for _ in range(2))
    engine.outcomes = {first: [COMPLETED], second: [COMPLETED]}
    fail_for_good(store, monkeypatch, first, statuses.COMPLETED)
    for job_id in (first, second):
        assert dispatcher.accept(job_id)
    assert ended(store, second).status == statuses.COMPLETED
    dispatcher.close()


def test_a_job_whose_acceptance_was_never_answered_runs_all_the_same(
    store: Store, files: Payloads
) -> None:
    engine = ScriptedEngine()
    dispatcher = Dispatcher(store, files, load_devices(), engine, Watchers(), upload_seconds=0.2)
    dispatcher.start()
    job_id = uploaded(store, files, dispatcher)
    engine.outcomes = {job_id: [COMPLETED]}
    assert store.accept(job_id) is not None  # and here the connection broke
    dispatcher._events.put(lambda: None)  # as any other job's upload would
    assert ended(store, job_id).status == statuses.COMPLETED
    dispatcher.close()
