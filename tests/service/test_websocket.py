"""The websocket of a job's status, on the wire."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection

from tests.service.raw import Api, bell_qobj, long_qobj


@contextmanager
def opened(api: Api, job_id: str, *, path: str = "") -> Iterator[Connection]:
    """A connection that has told who it is."""
    path = path or f"/jobs/{job_id}/status/v/1"
    with connect(f"ws{api.url.removeprefix('http')}{path}") as connection:
        connection.send(json.dumps({"type": "authentication", "data": api.access_token}))
        yield connection


def messages(connection: Connection) -> Iterator[dict[str, Any]]:
    """What the service tells, up to the close; which must come."""
    while True:
        try:
            yield json.loads(connection.recv(timeout=30))
        except ConnectionClosed:
            return


def close_code(connection: Connection) -> int | None:
    list(messages(connection))
    return connection.close_code


def test_every_status_is_told_once_and_in_order_and_then_it_closes(api: Api) -> None:
    job = api.create()
    with opened(api, job["id"]) as connection:
        told = messages(connection)
        assert next(told) == {"type": "authenticated"}
        first = next(told)["data"]
        assert (first["id"], first["status"]) == (job["id"], "CREATING")
        api.upload(job, json.dumps(bell_qobj()).encode())
        api.post(f"/Jobs/{job['id']}/jobDataUploaded")
        rest = [message["data"] for message in told]
        statuses = [data["status"] for data in rest]
        assert statuses == [
            *("CREATED", "VALIDATING", "VALIDATED", "QUEUED", "RUNNING", "COMPLETED")
        ]
        assert all(("infoQueue" in data) <= (data["status"] == "QUEUED") for data in rest)
        assert connection.close_code == 4002


def test_a_final_job_is_told_and_closed_at_once(api: Api) -> None:
    job = api.wait(api.submit(bell_qobj()))
    with opened(api, job["id"]) as connection:
        told = list(messages(connection))
        assert [message.get("data", {}).get("status") for message in told] == [None, "COMPLETED"]
        assert connection.close_code == 4002


def test_the_position_is_told_when_the_line_moves(api: Api) -> None:
    running = [api.submit(long_qobj()) for _ in range(2)]
    for job_id in running:
        api.wait(job_id, "RUNNING")
    first, second = api.submit(long_qobj()), api.submit(long_qobj())
    api.wait_in_line(first)
    api.wait_in_line(second)
    with opened(api, second) as connection:
        told = messages(connection)
        next(told)
        assert next(told)["data"]["infoQueue"]["position"] == 2
        api.cancel(first)
        assert next(told)["data"]["infoQueue"]["position"] == 1
        api.cancel(second)
        assert next(told)["data"]["status"] == "CANCELLED"
        assert list(told) == []
        assert connection.close_code == 4002
    for job_id in running:
        api.cancel(job_id)


def test_a_job_that_is_not_there_is_4003(api: Api) -> None:
    with opened(api, "0" * 24) as connection:
        assert close_code(connection) == 4003


def test_a_change_of_any_job_is_told(api: Api) -> None:
    with opened(api, "", path="/jobs/changes/v/1") as connection:
        told = messages(connection)
        assert next(told) == {"type": "authenticated"}
        job_id = api.submit(long_qobj())
        assert next(told) == {"type": "jobs-changed"}
        api.wait(job_id, "RUNNING")
        while True:  # of several changes at once one message tells
            try:
                assert json.loads(connection.recv(timeout=1)) == {"type": "jobs-changed"}
            except TimeoutError:
                break
        api.cancel(job_id)
        assert next(told) == {"type": "jobs-changed"}


@pytest.mark.parametrize(
    "said",
    [
        *("", "{", "[]", b"\xff", '{"type": "authentication"}'),
        '{"type": "authentication", "data": 5}',
        '{"type": "authentication", "data": "wrong"}',
        '{"type": "x", "data": "y"}',
    ],
)
def test_who_does_not_sign_in_hears_nothing(api: Api, said: str | bytes) -> None:
    job_id = api.create()["id"]
    url = f"ws{api.url.removeprefix('http')}/jobs/{job_id}/status/v/1"
    with connect(url) as connection:
        connection.send(said)
        assert list(messages(connection)) == []
        assert connection.close_code in (1008, 1007)


def test_clients_that_just_go_leave_the_service_as_it_was(api: Api) -> None:
    job_id = api.create()["id"]
    for _ in range(10):
        with opened(api, job_id) as connection:
            connection.socket.shutdown(socket.SHUT_RDWR)
    with opened(api, job_id) as connection:
        told = messages(connection)
        next(told)
        assert next(told)["data"]["status"] == "CREATING"
        api.cancel(job_id)
        assert next(told)["data"]["status"] == "CANCELLED"
