"""A store that fails once, anywhere: no job is stuck, none is settled twice, no worker is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from qtower.service import payloads as payload_files
from qtower.service import statuses, steps
from qtower.service.devices import load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.engine import Outcome
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
LOST = Outcome(kind="lost", message="The process died", code=5203)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path / "payloads")


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


class Faults:
    """Makes the store fail at the call with the number `at`, and at no other."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self._left = at
        self.happened = False
        for name in ("listed_job", "move"):
            monkeypatch.setattr(store, name, self._faulty(getattr(store, name)))

    def _faulty(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self._left -= 1
            if self._left == 0:
                self.happened = True
                raise OperationalError("SELECT", None, Exception("the disk is full"))
            return method(*arguments, **options)

        return call


@pytest.mark.parametrize("at", range(1, 22))
def test_a_store_that_fails_once_loses_nothing(
    store: Store, files: Payloads, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Two jobs, of which the first is lost once and runs again; the fault comes at call `at`."""
    engine = ScriptedEngine(LOST, COMPLETED, COMPLETED)
    watchers = Watchers()
    heard: list[str] = []
    monkeypatch.setattr(watchers, "publish", lambda change: heard.append(change.status))
    dispatcher = Dispatcher(store, files, load_devices(), engine, watchers)
    dispatcher.start()
    jobs = [uploaded(store, files) for _ in range(2)]
    faults = Faults(store, monkeypatch, at)
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
    assert faults.happened
