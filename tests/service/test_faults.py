"""A store that fails once, anywhere: no job is stuck, none is settled twice, no worker is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
from qtower.service.payloads import Payloads
from qtower.service.records import NewJob, Owner, StoredJob
from qtower.service.store import Store
from qtower.service.watchers import Watchers
from tests.service.raw import bell_qobj, until

NEW = NewJob(Owner("owner", "ibm-q", "open", "main"), "ibmq_qasm_simulator")


class ScriptedEngine:
    """One worker; each job ends with the next of the outcomes."""

    workers = 1
    trouble = None

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.started: list[str] = []

    def follow_workers(self, told: Callable[[int], None]) -> None:
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
        self.started.append(job_id)
        on_running(1.0)
        on_outcome(self._outcomes.pop(0))

    def cancel(self, job_id: str) -> None:
        raise AssertionError(f"nobody cancels {job_id}")

    def close(self) -> None:
        pass


COMPLETED = Outcome(kind="completed", started=1.0, ended=2.0)
LOST = Outcome(kind="lost", message="The process died", code=5203, started=1.0, ended=2.0)

# What two jobs enter of which one is lost once and runs again.
ENTRIES = {"CREATED": 2, "VALIDATING": 2, "VALIDATED": 2, "QUEUED": 3, "RUNNING": 3, "COMPLETED": 2}


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_RETRY_SECONDS", 0.01)


def uploaded(store: Store, files: Payloads) -> str:
    job = store.create(NEW)
    assert job is not None
    content = json.dumps(bell_qobj()).encode()
    payload_files.write(files.qobj_file(job.id), content)
    assert store.note_upload(job.id, len(content))
    return job.id


def ended(store: Store, job_id: str) -> StoredJob:
    def look() -> list[StoredJob]:
        job = store.job(job_id)
        return [job] if job is not None and job.final else []

    return until(look)[0]


FULL = OperationalError("SELECT", None, Exception("the disk is full"))

# What a server that restarts may have its driver say, depending on the moment.
CUT_OFF = DatabaseError("SELECT", None, psycopg.DatabaseError("server closed the connection"))
READ_ONLY = InternalError("UPDATE", None, psycopg.errors.ReadOnlySqlTransaction("not yet"))


class Faults:
    """Makes the store fail at the call with the number `at`, and at no other.

    Before the call is carried out, or after it: it is done, and the answer gets lost.
    """

    def __init__(
        self,
        store: Store,
        monkeypatch: pytest.MonkeyPatch,
        at: int,
        *,
        after: bool = False,
        error: Exception = FULL,
    ) -> None:
        self._left = at
        self._after = after
        self._error = error
        self.happened = False
        for name in ("listed_job", "move"):
            monkeypatch.setattr(store, name, self._faulty(getattr(store, name)))

    def _faulty(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.happened = True
                if self._after:
                    method(*arguments, **options)
                raise self._error
            return method(*arguments, **options)

        return call


@pytest.mark.parametrize("error", [FULL, CUT_OFF, READ_ONLY])
@pytest.mark.parametrize("at", range(1, 22))
def test_a_store_that_fails_once_loses_nothing(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch, at: int, error: Exception
) -> None:
    """Two jobs, of which the first is lost once and runs again; the fault comes at call `at`."""
    engine = ScriptedEngine(LOST, COMPLETED, COMPLETED)
    watchers = Watchers()
    heard: list[str] = []
    monkeypatch.setattr(watchers, "publish", lambda change: heard.append(change.status))
    metrics = Metrics()
    dispatcher = Dispatcher(store, files, load_devices(), engine, watchers, metrics=metrics)
    dispatcher.start()
    jobs = [uploaded(store, files) for _ in range(2)]
    faults = Faults(store, monkeypatch, at, error=error)
    for job_id in jobs:
        assert dispatcher.accept(job_id)
    found = [ended(store, job_id) for job_id in jobs]
    until(lambda: dispatcher.idle)
    dispatcher.close()
    monkeypatch.undo()
    assert [job.status for job in found] == [statuses.COMPLETED] * 2
    assert sorted(job.attempts for job in found) == [1, 2]
    assert len(engine.started) == 3
    assert heard.count(statuses.COMPLETED) == 2
    counted = metrics.text().decode()
    for status, entries in ENTRIES.items():
        assert f'qtower_job_changes_total{{status="{status}"}} {entries}.0' in counted
    assert 'qtower_run_seconds_count{outcome="completed"} 2.0' in counted
    assert 'qtower_run_seconds_count{outcome="lost"} 1.0' in counted
    assert faults.happened


@pytest.mark.parametrize("at", range(1, 22))
def test_an_answer_of_the_store_that_gets_lost_cancels_and_repeats_nothing(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """As above; but the call `at` was carried out, as a database does that dies upon a commit."""
    engine = ScriptedEngine(LOST, COMPLETED, COMPLETED)
    metrics = Metrics()
    dispatcher = Dispatcher(store, files, load_devices(), engine, Watchers(), metrics=metrics)
    dispatcher.start()
    jobs = [uploaded(store, files) for _ in range(2)]
    Faults(store, monkeypatch, at, after=True)
    for job_id in jobs:
        assert dispatcher.accept(job_id)
    assert [ended(store, job_id).status for job_id in jobs] == [statuses.COMPLETED] * 2
    until(lambda: dispatcher.idle)
    dispatcher.close()
    assert len(engine.started) == 3
    assert 'qtower_run_seconds_count{outcome="completed"} 2.0' in metrics.text().decode()


@pytest.mark.parametrize("at", range(1, 22))
def test_a_fault_of_ours_keeps_no_other_job_waiting(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """A step that fails for good leaves at most its own job; nobody else's wake-up goes with it."""
    monkeypatch.setattr(dispatcher_module, "_LOOK_AGAIN_SECONDS", 0.01)
    engine = ScriptedEngine(LOST, COMPLETED, COMPLETED)
    dispatcher = Dispatcher(store, files, load_devices(), engine, Watchers())
    dispatcher.start()
    jobs = [uploaded(store, files) for _ in range(2)]
    Faults(store, monkeypatch, at, error=RuntimeError("a mistake"))
    for job_id in jobs:
        assert dispatcher.accept(job_id)

    def one_ended() -> bool:
        found = [store.job(job_id) for job_id in jobs]
        return any(job is not None and job.final for job in found)

    assert until(one_ended)
    dispatcher.close()


def test_a_job_whose_acceptance_was_never_answered_runs_all_the_same(
    store: Store, files: Payloads
) -> None:
    engine = ScriptedEngine(COMPLETED)
    dispatcher = Dispatcher(store, files, load_devices(), engine, Watchers(), upload_seconds=0.2)
    dispatcher.start()
    job_id = uploaded(store, files)
    job = store.job(job_id)
    assert job is not None
    dispatcher.expect_upload(job)
    assert store.accept(job_id) is not None  # and here the connection broke
    dispatcher._events.put(lambda: None)  # as any other job's upload would
    assert ended(store, job_id).status == statuses.COMPLETED
    dispatcher.close()
