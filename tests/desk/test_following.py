"""Jobs followed by websocket: at a real service whose rounds never come, and at endpoints that
tell nonsense."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from qtower import model
from qtower.desk import cadence, sockets
from qtower.desk.sockets import Ending, Place, listen
from qtower.model import Link, Status
from tests.conftest import Endpoint
from tests.desk.accounts import Ear, account_of, bells, open_desk, provider_of
from tests.desk.conftest import wait_until

Handler = Callable[[ServerConnection], None]


@pytest.fixture
def no_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first rounds nothing is read by itself."""
    never = dict.fromkeys(("busy", "idle", "told", "new", "soon", "screen", "seldom"), 300.0)
    for name in ("LOCAL", "REMOTE"):
        known = getattr(cadence, name)
        monkeypatch.setattr(cadence, name, msgspec.structs.replace(known, **never))


@pytest.fixture
def no_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The endpoint does not tell that something has changed, as IBM's did not."""

    def without(place: Place, path: str, *rest: Any) -> Ending:
        if path == "/jobs/changes/v/1":
            return Ending(unknown=True)
        return listen(place, path, *rest)

    monkeypatch.setattr(sockets, "listen", without)


def sockets_open() -> int:
    return sum(thread.name == "follow" for thread in threading.enumerate())


def long_job(endpoint: Endpoint) -> Any:
    """A job that runs until it is cancelled."""
    from qiskit import QuantumCircuit

    circuit = QuantumCircuit(16, 16, name="long")
    for step in range(400):
        circuit.h(step % 16)
        circuit.cx(step % 16, (step + 1) % 16)
        circuit.measure(step % 16, step % 16)
        circuit.x(step % 16).c_if(step % 16, 1)
    backend = provider_of(endpoint).get_backend("ibmq_qasm_simulator")
    return backend.run(circuit, shots=100_000)


@pytest.mark.usefixtures("no_rounds")
def test_a_change_at_our_service_is_read_at_once(service: Endpoint, tmp_path: Path) -> None:
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        wait_until(lambda: desk._poller._following.told)
        job = backend.run(bells()).job_id()
        ear.until(lambda: job in ear.rows and ear.rows[job].status is Status.DONE)
        ear.until(lambda: ear.rows[job].run_seconds is not None)
    wait_until(lambda: not sockets_open())


@pytest.mark.usefixtures("no_rounds", "no_changes")
def test_the_job_under_the_cursor_and_running_jobs_are_followed(
    service: Endpoint, tmp_path: Path
) -> None:
    jobs = [long_job(service) for _ in range(2)]
    running, other = (job.job_id() for job in jobs)
    wait_until(lambda: jobs[0].status().name == "RUNNING")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        desk.answer(model.Look(keys=[running, other], cursor=other))
        wait_until(lambda: sockets_open() == 2)
        for job in jobs:
            job.cancel()
        ear.until(lambda: {ear.rows[job].status for job in (running, other)} == {Status.CANCELLED})
        wait_until(lambda: not sockets_open())
        assert ear.link is Link.LIVE


@pytest.mark.usefixtures("no_changes")
def test_a_socket_closes_when_the_cursor_leaves_its_job(service: Endpoint, tmp_path: Path) -> None:
    running = [long_job(service) for _ in range(2)]
    queued = [long_job(service) for _ in range(2)]
    wait_until(lambda: [job.status().name for job in running] == ["RUNNING"] * 2)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, _):
        desk.wait_ready(60)
        following = desk._poller._following
        for job in queued:
            desk.answer(model.Look(cursor=job.job_id()))
            job_id = job.job_id()
            wait_until(partial(following._lines.__contains__, job_id))
        wait_until(lambda: queued[0].job_id() not in following._lines)
        for job in [*queued, *running]:
            job.cancel()


@contextmanager
def endpoint(handler: Handler) -> Iterator[Place]:
    """A websocket server that does as `handler` does with every connection."""
    with serve(handler, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        yield Place(
            account_url=f"http://127.0.0.1:{port}/api",
            url=f"ws://127.0.0.1:{port}/api",
            access_token="the-access-token",
        )
        server.shutdown()


def heard(place: Place, wanted: Callable[[], bool] = lambda: True) -> tuple[list[Any], Ending]:
    data: list[Any] = []
    return data, listen(place, "/jobs/1/status/v/1", data.append, wanted, lambda: None)


def saying(*messages: str | bytes, close: int = 4002) -> Handler:
    def handle(connection: ServerConnection) -> None:
        connection.recv()
        for message in messages:
            connection.send(message)
        connection.close(close)

    return handle


WELCOME = json.dumps({"type": "authenticated"})


@pytest.mark.parametrize(
    ("handler", "data", "ending"),
    [
        (saying(WELCOME, '{"data": 1}'), [1], Ending(signed_in=True, final=True)),
        (saying(WELCOME, "[]", "5"), [None, None], Ending(signed_in=True, final=True)),
        (saying(WELCOME, close=4003), [], Ending(signed_in=True, final=True)),
        (saying(WELCOME, close=1011), [], Ending(signed_in=True)),
        (saying(WELCOME, "{"), [], Ending(signed_in=True)),
        (saying(WELCOME, "[" * 50_000), [], Ending(signed_in=True)),
        (saying(WELCOME, '"' + "x" * 70_000 + '"'), [], Ending(signed_in=True)),
        (saying(WELCOME, b"\xff"), [], Ending(signed_in=True)),
        (saying("5"), [], Ending()),
        (saying('{"type": "no"}'), [], Ending()),
        (saying(close=1008), [], Ending()),
    ],
)
def test_whatever_a_socket_says_is_an_ending(
    handler: Handler, data: list[Any], ending: Ending
) -> None:
    with endpoint(handler) as place:
        told, ended = heard(place)
    assert told == data
    assert msgspec.structs.replace(ended, words="") == ending


@pytest.mark.parametrize(("status", "unknown"), [(404, True), (401, False), (503, False)])
def test_only_what_is_not_there_is_not_tried_again_soon(status: int, unknown: bool) -> None:
    def refuse(connection: ServerConnection, _: Any) -> Any:
        return connection.respond(HTTPStatus(status), "no")

    with serve(saying(), "127.0.0.1", 0, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.socket.getsockname()[1]}/api"
        place = Place(account_url=f"http://{address}", url=f"ws://{address}", access_token="t")
        assert heard(place)[1] == Ending(unknown=unknown, words=f"refused with {status}")
        server.shutdown()


def test_a_socket_that_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(connection: ServerConnection) -> None:
        with pytest.raises(ConnectionClosed):
            while True:
                connection.recv()

    monkeypatch.setattr(sockets, "_SIGN_IN_SECONDS", 0.2)
    with endpoint(silent) as place:
        assert heard(place)[1] == Ending(words="TimeoutError")


def test_a_socket_ends_when_nobody_listens_any_more() -> None:
    def welcoming(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(WELCOME)
        with pytest.raises(ConnectionClosed):
            connection.recv()

    looks = iter([True, True, False])
    with endpoint(welcoming) as place:
        assert heard(place, lambda: next(looks))[1].signed_in


@pytest.mark.parametrize("url", ["ws://lab.example/api", "http://127.0.0.1:1/api", "", "ws://[x"])
def test_the_access_token_goes_nowhere_else(url: str) -> None:
    place = Place(account_url="https://lab.example/api", url=url, access_token="secret")
    ended = heard(place)[1]
    assert not ended.signed_in
    assert "secret" not in f"{ended} {place}"


def test_an_endpoint_without_sockets_is_read_as_ever(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> Ending:
        return Ending(unknown=True, words="refused with 404")

    monkeypatch.setattr(sockets, "listen", nothing)
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        job = backend.run(bells()).job_id()
        desk.answer(model.Look(cursor=job))
        ear.until(lambda: job in ear.rows and ear.rows[job].status is Status.DONE)
        assert_quiet(ear)


def assert_quiet(ear: Ear) -> None:
    """Nothing of it was shown to a person."""
    assert ear.notices == []
    assert {connection.link for connection in ear.links} == {Link.STARTING, Link.LIVE}
    assert not any(connection.slowed for connection in ear.links)
    assert time.time() - (ear.links[-1].confirmed or 0) < (ear.links[-1].fresh_for or 0) + 60


def test_a_certificate_is_checked_as_for_http(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serve(saying(WELCOME), "127.0.0.1", 0, ssl=context) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.socket.getsockname()[1]}/api"
        place = Place(account_url=f"https://{address}", url=f"wss://{address}", access_token="t")
        assert heard(place)[1] == Ending(words="SSLCertVerificationError")
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        assert heard(place)[1].signed_in
        server.shutdown()


def test_without_a_thread_for_a_socket_rounds_go_on(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start
    refused: list[threading.Thread] = []

    def at_times(thread: threading.Thread) -> None:
        if thread.name == "follow" and len(refused) < 3:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", at_times)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        wait_until(lambda: len(refused) == 3)
        told = len(ear.links)
        ear.until(lambda: len(ear.links) > told + 1)
        wait_until(lambda: desk._poller._following.told)
