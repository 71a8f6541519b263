"""A database that is away, locked or full: every request gets a sentence, and later its answer."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    IntegrityError,
    InternalError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
    TimeoutError,
)
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from qtower.service.outages import passes
from qtower.service.records import NewJob, Owner
from qtower.service.store import Store
from tests.conftest import home_environment, start_service, stop_service
from tests.service.postgres import running_server
from tests.service.raw import PLACE, Api, bell_qobj, until

NEW = NewJob(Owner("owner", "ibm-q", "open", "main"), "ibmq_lima")


def assert_told_to_come_again(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert 0 < int(answer.headers["retry-after"]) < 60
    error = answer.json()["error"]
    assert error["status"] == 503
    assert len(str(error["code"])) == 4
    assert error["message"].count(".") == 0


def requests_of(api: Api, token: str, job: str) -> list[Callable[[], httpx.Response]]:
    """One request of each kind that reads or writes the store."""
    content = {"backend": {"name": "ibmq_qasm_simulator"}}
    return [
        lambda: api.get("/Jobs/status/v/1"),
        lambda: api.get("/Jobs/v/1"),
        lambda: api.get(f"/Jobs/{job}/v/1"),
        lambda: api.get(f"/Jobs/{job}/status/v/1"),
        lambda: api.get(f"/Jobs/{job}/resultDownloadUrl"),
        lambda: api.post("/Jobs", json=content),
        lambda: api.post(f"/Jobs/{job}/jobDataUploaded"),
        lambda: api.post(f"/Jobs/{job}/cancel"),
        lambda: api.http.put(f"{PLACE}/Jobs/{job}", json={"name": "x"}),
        lambda: api.http.delete(f"{PLACE}/Jobs/{job}"),
        lambda: api.http.post("/users/loginWithToken", json={"apiToken": token}),
        lambda: api.http.get("/users/me", headers={"X-Access-Token": "a stranger's"}),
    ]


def _close_code(api: Api, job: str) -> int | None:
    address = f"ws{api.url.removeprefix('http')}/jobs/{job}/status/v/1"
    with connect(address, compression=None) as websocket:
        websocket.send(json.dumps({"type": "authentication", "data": api.access_token}))
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                websocket.recv(timeout=30)
    return closed.value.rcvd.code if closed.value.rcvd else None


def test_while_its_server_is_away_a_service_says_so_and_goes_on_afterwards(tmp_path: Path) -> None:
    with running_server() as server:
        url = server.url(server.new_database(), password=False)
        environment = {**home_environment(tmp_path / "home"), "PGPASSWORD": server.password}
        endpoint = start_service(tmp_path, "--database", url, environment=environment)
        try:
            api = Api(endpoint.url, endpoint.token)
            done = api.wait(api.submit(bell_qobj()))
            waits = api.create()
            server.stop()
            for ask in requests_of(api, endpoint.token, done["id"]):
                assert_told_to_come_again(ask())
            assert_told_to_come_again(api.upload(waits, b"{}"))
            assert _close_code(api, waits["id"]) == 1013
            server.start()
            assert api.get("/Jobs/status/v/1").status_code == 200
            assert api.job(done["id"]) == done
            assert api.wait(api.submit(bell_qobj()))["status"] == "COMPLETED"
            assert not (tmp_path / "data" / "jobs.sqlite").exists()
            log = (tmp_path / "service.log").read_text()
            assert log.count("Traceback") < 10  # in full once a minute, whoever asks how often
            assert server.password not in log
            api.close()
        finally:
            stop_service(endpoint)


def test_while_its_file_is_locked_a_service_reads_and_says_that_it_cannot_write(
    tmp_path: Path,
) -> None:
    endpoint = start_service(tmp_path, environment=home_environment(tmp_path / "home"))
    try:
        api = Api(endpoint.url, endpoint.token)
        job = api.create()["id"]
        file = tmp_path / "data" / "jobs.sqlite"
        content = {"backend": {"name": "ibmq_qasm_simulator"}}
        with sqlite3.connect(file) as other, ThreadPoolExecutor(2) as threads:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            writers = [threads.submit(api.post, "/Jobs", json=content) for _ in range(2)]
            assert api.status(job) == "CREATING"
            for writer in writers:
                assert_told_to_come_again(writer.result())
            # Each gives up after some seconds; that they do not wait for each other all the way.
            assert time.monotonic() - began < 30
            other.rollback()
        assert api.post("/Jobs", json=content).status_code == 200
        api.close()
    finally:
        stop_service(endpoint)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Store]:
    """A store in whose file there is no room for one more page."""
    store = Store(tmp_path / "jobs.sqlite")
    database: Any = store._database

    @event.listens_for(database._engine, "begin")
    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    yield store
    store.close()


def test_a_full_file_passes(full: Store) -> None:
    with pytest.raises(OperationalError, match="full") as told:
        for _ in range(1_000):
            full.create(NEW)
    assert passes(told.value)


def test_what_passes_and_what_does_not(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'some.sqlite'}")
    elsewhere = create_engine(f"sqlite:///{tmp_path / 'no' / 'some.sqlite'}")
    with pytest.raises(OperationalError) as wrong, engine.connect() as connection:
        connection.execute(text("SELECT * FROM nothing"))
    with pytest.raises(OperationalError) as missing:
        elsewhere.connect()
    assert not passes(wrong.value)
    assert passes(missing.value)
    engine.dispose()
    for error, expected in (
        (OperationalError("", {}, psycopg.OperationalError("connection refused")), True),
        (OperationalError("", {}, psycopg.errors.ConnectionTimeout("nobody answers")), True),
        (DatabaseError("", {}, psycopg.DatabaseError("the server closed it")), True),
        (InternalError("", {}, psycopg.errors.ReadOnlySqlTransaction("not yet")), True),
        (DataError("", {}, psycopg.DataError("out of range")), False),
        (OperationalError("", {}, psycopg.errors.DiskFull("no room")), True),
        (OperationalError("", {}, psycopg.errors.AdminShutdown("it ends")), True),
        (OperationalError("", {}, psycopg.errors.QueryCanceled("too long")), False),
        (ProgrammingError("", {}, psycopg.errors.UndefinedTable("no table")), False),
        (IntegrityError("", {}, sqlite3.IntegrityError("UNIQUE")), False),
        (TimeoutError("no connection in time"), True),
        (SQLAlchemyError("a mistake"), False),
    ):
        assert passes(error) is expected, error


def test_a_silent_server_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from qtower.service import postgres

    monkeypatch.setattr(postgres, "_RETRY_SECONDS", 0.0)
    silence = postgres._Silence()
    calls: list[int] = []

    class Dialect:
        def connect(self) -> None:
            calls.append(1)
            threading.Event().wait(0.01)
            raise psycopg.OperationalError("timeout")

    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            silence.connect(Dialect(), None, (), {})  # type: ignore[arg-type]
    assert len(calls) == 1
    assert until(lambda: silence._until <= time.monotonic(), seconds=10)
