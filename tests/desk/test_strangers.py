"""Another user of this machine stands where a service of ours was, to be told its token."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from websockets.sync.server import ServerConnection, serve

from qtower.desk import sockets
from qtower.desk.own_services import expect_our_own
from qtower.model import Link
from qtower.service import asking
from tests.desk.accounts import open_desk
from tests.desk.hostile import (
    ACCESS_TOKEN,
    API_TOKEN,
    HostileEndpoint,
    Reply,
    Request,
    hostile,
    job,
    jobs,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/net/tcp").exists(), reason="the system does not tell who listens"
)

_NOBODY = 65534


@contextmanager
def another_user_makes() -> Iterator[None]:
    """A socket that is made inside is another user's, if we are root."""
    user = os.geteuid()
    if not user:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if not user:
            os.seteuid(user)


@contextmanager
def we_are_another() -> Iterator[None]:
    """If we are not root, it is us who are another user than whoever made the sockets."""
    user = os.geteuid()
    with pytest.MonkeyPatch.context() as patch:
        if user:
            patch.setattr(os, "geteuid", lambda: user + 1)
        yield


@contextmanager
def stranger(port: int = 0) -> Iterator[HostileEndpoint]:
    """An endpoint of another user."""
    endpoint = hostile(refuses_tokens, port)
    with another_user_makes():
        server = endpoint.__enter__()
    try:
        with we_are_another():
            yield server
    finally:
        endpoint.__exit__(None, None, None)


def refuses_tokens(request: Request) -> Reply | None:
    """Claims that the access token has expired, so that the other token is shown as well."""
    if request.path.endswith("version"):
        return None
    return Reply({"error": {"message": "expired", "code": 3401}}, 401)


def test_who_takes_the_port_of_a_local_service_that_has_ended_is_told_no_token(
    tmp_path: Path,
) -> None:
    with hostile(jobs([job(1, status="RUNNING")])) as ours:
        account, port = ours.account, ours.server_port
        opened = open_desk(lambda: account, tmp_path)
        desk, ear = opened.__enter__()
        desk.wait_ready(30)
    try:
        with stranger(port) as thief:
            ear.until(lambda: "another user's program" in ear.links[-1].detail)
            assert ear.link is Link.OFFLINE
            assert not [request.path for request in thief.requests if request.shows_a_token]
            assert set(ear.rows) == {job(1)["id"]}
        with hostile(jobs([job(1), job(2)]), port):  # ours again
            ear.until(lambda: ear.link is Link.LIVE and len(ear.rows) == 2)
    finally:
        opened.__exit__(None, None, None)


def test_a_command_that_looks_for_the_local_service_tells_a_stranger_nothing() -> None:
    with stranger() as thief:
        assert asking.log_in(thief.url, API_TOKEN) is None
        assert not asking.speaks(thief.url)
        assert thief.requests == []
    with hostile(lambda request: None) as ours:
        assert asking.log_in(ours.url, API_TOKEN) == ACCESS_TOKEN


@pytest.mark.parametrize("foreign", [True, False])
def test_a_websocket_signs_in_at_our_own_service_alone(foreign: bool) -> None:
    heard: list[str | bytes] = []

    def listen_in(connection: ServerConnection) -> None:
        heard.append(connection.recv())
        connection.send(json.dumps({"type": "authenticated"}))

    if foreign:
        with another_user_makes():
            server = serve(listen_in, "127.0.0.1", 0)
    else:
        server = serve(listen_in, "127.0.0.1", 0)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        expect_our_own(f"http://127.0.0.1:{port}/api")
        place = sockets.Place(
            account_url=f"http://127.0.0.1:{port}/api",
            url=f"ws://127.0.0.1:{port}",
            access_token=ACCESS_TOKEN,
        )
        if foreign:
            with we_are_another():
                ending = sockets.listen(place, "/jobs", print, lambda: True, lambda: None)
        else:
            ending = sockets.listen(place, "/jobs", print, lambda: True, lambda: None)
        server.shutdown()
    assert ending.signed_in is not foreign
    assert bool(heard) is not foreign
