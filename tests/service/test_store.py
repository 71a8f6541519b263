"""The store alone: what may change, what never does, and what a page costs in a large store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from qtower.errors import StorageError
from qtower.service import statuses
from qtower.service.filters import parse_listing
from qtower.service.records import NewJob, Owner
from qtower.service.store import Store

OWNER = Owner("owner", "ibm-q", "open", "main")
NEW = NewJob(OWNER, "ibmq_qasm_simulator", name="bell", tags=("a", "b"))


@pytest.fixture
def store(place: Path | str) -> Iterator[Store]:
    opened = Store(place)
    yield opened
    opened.close()


def created(store: Store, new: NewJob = NEW) -> str:
    job = store.create(new)
    assert job is not None
    return job.id


def queued(store: Store) -> str:
    job_id = created(store)
    assert store.note_upload(job_id, 10)
    assert store.accept(job_id)
    assert store.move(job_id, statuses.QUEUED, (statuses.CREATED,))
    return job_id


def test_creation_dates_strictly_increase_also_over_a_restart(place: Path | str) -> None:
    dates = []
    for _ in range(2):
        store = Store(place)
        for _ in range(50):
            job = store.create(NEW)
            assert job is not None
            dates.append(job.created)
        store.close()
    assert dates == sorted(set(dates))


def finish(store: Store, job_id: str, status: str, gate: threading.Barrier, won: list[str]) -> None:
    gate.wait()
    if store.move(job_id, status, statuses.UNFINISHED):
        won.append(status)


def test_of_a_cancel_and_a_completion_that_race_exactly_one_wins(store: Store) -> None:
    for _ in range(20):
        job_id = queued(store)
        assert store.begin_run(job_id, 0.0)
        gate = threading.Barrier(2)
        won: list[str] = []
        racers = [
            threading.Thread(target=finish, args=(store, job_id, status, gate, won))
            for status in (statuses.COMPLETED, statuses.CANCELLED)
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()
        job = store.job(job_id)
        assert job is not None
        assert won == [job.status]


@pytest.mark.parametrize("final", statuses.FINAL)
def test_a_final_status_never_changes_and_takes_no_upload(store: Store, final: str) -> None:
    job_id = created(store)
    assert store.move(job_id, final, statuses.UNFINISHED)
    assert store.move(job_id, statuses.CANCELLED, statuses.UNFINISHED) is None
    assert not store.note_upload(job_id, 10)
    assert store.accept(job_id) is None
    assert store.begin_run(job_id, 0.0) is None
    assert store.put_back(job_id) is None
    job = store.job(job_id)
    assert job is not None
    assert job.status == final


def test_a_job_without_its_qobj_is_not_accepted_and_with_it_once(store: Store) -> None:
    job_id = created(store)
    assert store.accept(job_id) is None
    assert store.note_upload(job_id, 10)
    assert store.accept(job_id) is not None
    assert store.accept(job_id) is None


def test_steps_keep_the_last_time_of_a_job_that_ran_twice(store: Store) -> None:
    job_id = queued(store)
    store.begin_run(job_id, 1.0)
    store.put_back(job_id)
    store.begin_run(job_id, 2.0)
    job = store.job(job_id)
    assert job is not None
    assert job.steps["RUNNING"] == 2_000_000
    assert job.attempts == 2
    assert list(job.steps)[:3] == ["CREATING", "CREATED", "QUEUED"]


def test_a_job_limit_counts_unfinished_jobs_on_that_backend(store: Store) -> None:
    first = store.create(NEW, job_limit=1)
    assert first is not None
    assert store.create(NEW, job_limit=1) is None
    assert store.create(NewJob(OWNER, "ibmq_lima"), job_limit=1) is not None
    store.move(first.id, statuses.CANCELLED, statuses.UNFINISHED)
    assert store.create(NEW, job_limit=1) is not None


def test_jobs_of_others_are_not_listed(store: Store) -> None:
    mine = created(store)
    created(store, NewJob(Owner("other", "ibm-q", "open", "main"), "ibmq_lima"))
    created(store, NewJob(Owner("owner", "ibm-q", "open", "side"), "ibmq_lima"))
    assert [job.id for job in store.jobs(OWNER, parse_listing(None))] == [mine]


def test_retagging_changes_what_filters_find(store: Store) -> None:
    job_id = created(store)
    assert store.retag(job_id, ["c"])
    assert store.jobs(OWNER, parse_listing('{"where": {"tags": "a"}}')) == []
    assert [job.tags for job in store.jobs(OWNER, parse_listing('{"where": {"tags": "c"}}'))] == [
        ("c",)
    ]
    store.delete(job_id)
    assert store.job(job_id) is None
    assert not store.rename(job_id, "x")
    assert not store.retag(job_id, ["x"])


def test_a_store_of_a_newer_qtower_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    Store(file).close()
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        connection.execute(text("PRAGMA user_version = 99"))
    engine.dispose()
    with pytest.raises(StorageError, match="newer qtower"):
        Store(file)


def test_an_end_of_the_service_in_order_is_no_attempt(store: Store) -> None:
    job_id = queued(store)
    for _ in range(5):
        assert store.begin_run(job_id, 0.0)
        assert store.put_back(job_id, forgive=True)
    job = store.job(job_id)
    assert job is not None
    assert job.attempts == 0
