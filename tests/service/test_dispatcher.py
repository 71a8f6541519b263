"""The queue without a network: overdue uploads, a full disk, a lost qobj, a backend that went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from qtower.service import payloads as payload_files
from qtower.service import statuses, steps
from qtower.service.devices import load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.engine import LocalEngine
from qtower.service.orders import Outcome
from qtower.service.payloads import Payloads
from qtower.service.records import NewJob, Owner, StoredJob
from qtower.service.store import Store
from qtower.service.watchers import Watchers
from tests.service.raw import bell_qobj, until

NEW = NewJob(Owner("owner", "ibm-q", "open", "main"), "ibmq_qasm_simulator")


@pytest.fixture
def engine() -> LocalEngine:
    """An engine of its own for each test: the dispatcher closes it."""
    return LocalEngine(1)


@contextmanager
def dispatching(
    store: Store, files: Payloads, engine: LocalEngine, **options: Any
) -> Iterator[Dispatcher]:
    devices = options.pop("devices", load_devices())
    dispatcher = Dispatcher(store, files, devices, engine, Watchers(), **options)
    dispatcher.start()
    try:
        yield dispatcher
    finally:
        dispatcher.close()


def create(store: Store, new: NewJob = NEW) -> StoredJob:
    job = store.create(new)
    assert job is not None
    return job


def upload(store: Store, files: Payloads, job: StoredJob) -> None:
    content = json.dumps(bell_qobj()).encode()
    payload_files.write(files.qobj_file(job.id), content)
    assert store.note_upload(job.id, len(content))


def wait_until_under_way(store: Store, job_id: str) -> None:
    def look() -> bool:
        job = store.listed_job(job_id)
        return job is not None and job.status in (statuses.RUNNING, *statuses.FINAL)

    until(look)


def wait_for(store: Store, job_id: str, status: str) -> StoredJob:
    def look() -> list[StoredJob]:
        job = store.job(job_id)
        return [job] if job is not None and job.status == status else []

    return until(look)[0]


def test_a_job_whose_upload_never_comes_expires(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    before = create(store)  # of the last run of the service
    with dispatching(store, files, engine, upload_seconds=0.2) as dispatcher:
        now = create(store)
        dispatcher.expect_upload(now)
        for job in (before, now):
            wait_for(store, job.id, statuses.CANCELLED)
            assert not store.note_upload(job.id, 10)
            assert not dispatcher.accept(job.id)
        until(lambda: dispatcher.idle)


def test_what_was_accepted_before_a_crash_is_checked_and_runs(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    accepted, checked = create(store), create(store)
    for job in (accepted, checked):
        upload(store, files, job)
        assert store.accept(job.id)
    assert store.move(checked.id, statuses.VALIDATING, (statuses.CREATED,))
    with dispatching(store, files, engine) as dispatcher:
        for job in (accepted, checked):
            assert wait_for(store, job.id, statuses.COMPLETED).has_result
        until(lambda: dispatcher.idle)


def test_a_qobj_that_was_lost_is_said_to_be(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    job = create(store)
    upload(store, files, job)
    files.remove(job.id)
    with dispatching(store, files, engine) as dispatcher:
        assert dispatcher.accept(job.id)
        ended = wait_for(store, job.id, statuses.ERROR_CREATING_JOB)
        assert ended.error_message == "The stored qobj cannot be read"


def test_a_job_of_a_backend_that_went_ends(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    job = create(store)
    upload(store, files, job)
    with dispatching(store, files, engine, devices={}) as dispatcher:
        assert dispatcher.accept(job.id)
        ended = wait_for(store, job.id, statuses.ERROR_VALIDATING_JOB)
        assert ended.error_message == "The backend is no longer available"


def test_an_outcome_is_not_lost_when_the_disk_does_not_take_it_at_once(
    store: Store,
    files: Payloads,
    engine: LocalEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(steps, "_RETRY_SECONDS", 0.01)
    really_move: Callable[..., Any] = store.move
    refused: list[str] = []

    def full_disk_once(job_id: str, status: str, *rest: Any, **columns: Any) -> Any:
        if status == statuses.COMPLETED and not refused:
            refused.append(job_id)
            raise OperationalError("UPDATE jobs", None, Exception("disk full"))
        return really_move(job_id, status, *rest, **columns)

    monkeypatch.setattr(store, "move", full_disk_once)
    job = create(store)
    upload(store, files, job)
    with dispatching(store, files, engine) as dispatcher:
        assert dispatcher.accept(job.id)
        assert wait_for(store, job.id, statuses.COMPLETED).has_result
    assert refused == [job.id]


class Losing(LocalEngine):
    """An engine that loses its only worker for a while, as a cluster does."""

    def __init__(self) -> None:
        super().__init__(1)
        self.losing = True
        self.lost = 0
        self.tell: Callable[[int], None] = print

    def follow_workers(self, listener: Callable[[int], None]) -> None:
        self.tell = listener

    def start(self, job_id: str, *rest: Any, **listeners: Any) -> None:
        if not self.losing:
            super().start(job_id, *rest, **listeners)
            return
        self.lost += 1
        self.tell(0)
        listeners["on_outcome"](Outcome(kind="lost", blameless=True))


def test_a_job_that_never_began_stands_in_the_line_as_before(store: Store, files: Payloads) -> None:
    engine = Losing()
    first, second = create(store), create(store)
    for job in (first, second):
        upload(store, files, job)
        assert store.accept(job.id)
    with dispatching(store, files, engine) as dispatcher:
        until(lambda: engine.lost and dispatcher.queue_length(NEW.backend) == 2)
        wait_for(store, first.id, statuses.QUEUED)
        place = dispatcher.place(wait_for(store, second.id, statuses.QUEUED).place_in_line)
        assert place is not None
        assert place.position == 2
        engine.losing = False
        engine.tell(1)
        for job in (first, second):
            assert wait_for(store, job.id, statuses.COMPLETED).attempts == 1
    assert engine.lost == 1


def test_a_job_that_was_running_too_often_ends_with_the_reason(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    job = create(store)
    upload(store, files, job)
    assert store.accept(job.id)
    assert store.move(job.id, statuses.QUEUED, (statuses.CREATED,))
    assert store.begin_run(job.id, time.time())
    with dispatching(store, files, engine, max_attempts=1):
        ended = wait_for(store, job.id, statuses.ERROR_RUNNING_JOB)
        assert ended.error_message == "The service ended once while this job was running"
        assert ended.error_code == 5203


def test_a_cancel_while_it_is_completed_is_decided_once(
    store: Store, files: Payloads, engine: LocalEngine
) -> None:
    jobs = [create(store) for _ in range(30)]
    with dispatching(store, files, engine) as dispatcher:
        for job in jobs:
            upload(store, files, job)
            assert dispatcher.accept(job.id)
        told = {}
        for job in jobs:
            wait_until_under_way(store, job.id)
            told[job.id] = dispatcher.cancel(job.id)
        until(lambda: dispatcher.idle)
        ends = {job.id: store.job(job.id) for job in jobs}
    for job_id, ended in ends.items():
        assert ended is not None
        assert ended.status == (statuses.CANCELLED if told[job_id] else statuses.COMPLETED)
        assert ended.has_result == files.result_file(job_id).exists() == (not told[job_id])
