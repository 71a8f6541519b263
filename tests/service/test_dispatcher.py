"""The queue without a network: overdue uploads, a full disk, a lost qobj, a backend that went."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from qtower.service import payloads as payload_files
from qtower.service import statuses
from qtower.service.devices import load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.engine import Engine
from qtower.service.payloads import Payloads
from qtower.service.records import NewJob, Owner, StoredJob
from qtower.service.store import Store
from qtower.service.watchers import Watchers
from tests.service.raw import bell_qobj, until

NEW = NewJob(Owner("owner", "ibm-q", "open", "main"), "ibmq_qasm_simulator")


@pytest.fixture
def engine() -> Engine:
    """An engine of its own for each test: the dispatcher closes it."""
    return Engine(1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "jobs.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> Payloads:
    return Payloads(tmp_path / "payloads")


@contextmanager
def dispatching(
    store: Store, files: Payloads, engine: Engine, **options: Any
) -> Iterator[Dispatcher]:
    devices = options.pop("devices", load_devices())
    dispatcher = Dispatcher(store, files, devices, engine, Watchers(), **options)
    dispatcher.start()
    yield dispatcher
    dispatcher.close()


def create(store: Store, new: NewJob = NEW) -> StoredJob:
    job = store.create(new)
    assert job is not None
    return job


def upload(store: Store, files: Payloads, job: StoredJob) -> None:
    content = json.dumps(bell_qobj()).encode()
    payload_files.write(files.qobj_file(job.id), content)
    assert store.note_upload(job.id, len(content))


def wait_for(store: Store, job_id: str, status: str) -> StoredJob:
    def look() -> list[StoredJob]:
        job = store.job(job_id)
        return [job] if job is not None and job.status == status else []

    return until(look)[0]


def test_a_job_whose_upload_never_comes_expires(
    store: Store, files: Payloads, engine: Engine
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
    store: Store, files: Payloads, engine: Engine
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


def test_a_qobj_that_was_lost_is_said_to_be(store: Store, files: Payloads, engine: Engine) -> None:
    job = create(store)
    upload(store, files, job)
    files.remove(job.id)
    with dispatching(store, files, engine) as dispatcher:
        assert dispatcher.accept(job.id)
        ended = wait_for(store, job.id, statuses.ERROR_CREATING_JOB)
        assert ended.error_message == "The stored qobj cannot be read"


def test_a_job_of_a_backend_that_went_ends(store: Store, files: Payloads, engine: Engine) -> None:
    job = create(store)
    upload(store, files, job)
    with dispatching(store, files, engine, devices={}) as dispatcher:
        assert dispatcher.accept(job.id)
        ended = wait_for(store, job.id, statuses.ERROR_VALIDATING_JOB)
        assert ended.error_message == "The backend is no longer available"


def test_an_outcome_is_not_lost_when_the_disk_does_not_take_it_at_once(
    store: Store,
    files: Payloads,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    really_move: Callable[..., Any] = store.move
    refusals = iter([True])

    def full_disk_once(job_id: str, status: str, *rest: Any, **columns: Any) -> Any:
        if status == statuses.COMPLETED and next(refusals, False):
            raise OperationalError("UPDATE jobs", None, Exception("disk full"))
        return really_move(job_id, status, *rest, **columns)

    monkeypatch.setattr(store, "move", full_disk_once)
    job = create(store)
    upload(store, files, job)
    with dispatching(store, files, engine) as dispatcher:
        assert dispatcher.accept(job.id)
        assert wait_for(store, job.id, statuses.COMPLETED).has_result
