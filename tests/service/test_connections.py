"""Connections that are slow, endless, many or no HTTP: an answer or an end, and room for others."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from qtower.service import connections
from qtower.service.connections import WebsocketConnection, http_connections
from tests.conftest import Endpoint
from tests.service.raw import Api, until

LARGE = 50_000_000
HEAD = b"Host: h\r\nTransfer-Encoding: chunked\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers when the body has come; `/large` at length, `/now` at once."""
    if scope["type"] != "http":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    while scope["path"] != "/now":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    body = b"a" * LARGE if scope["path"] == "/large" else b"{}"
    length = str(len(body)).encode()
    headers = [(b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serving() -> Iterator[int]:
    """A server of ours in this process, on a port of loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(
            uvicorn.Config(
                echo,
                http=http_connections(),
                ws=WebsocketConnection,
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
        )
        run = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        run.start()
        until(lambda: server.started)
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            run.join()


def opened(port: int, content: bytes = b"") -> socket.socket:
    line = socket.create_connection(("127.0.0.1", port), timeout=20)
    line.sendall(content)
    return line


def heard(line: socket.socket) -> bytes:
    """All that comes until the end of the line."""
    found = b""
    with line:
        try:
            while received := line.recv(65536):
                found += received
        except ConnectionResetError:
            pass
    return found


def refusal(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["name"]


def test_headers_that_do_not_come_are_not_awaited_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)
    monkeypatch.setitem(connections._SECONDS, "headers", 0.2)
    with serving() as port:
        assert heard(opened(port)) == b""
        assert refusal(heard(opened(port, b"GET / HTTP/1.1\r\nHos"))) == (408, "TOO_SLOW")
        # Also of a second request, on a line that was good for a first one.
        line = opened(port, b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET / HTT")
        first, _, second = heard(line).partition(b"{}")
        assert first.startswith(b"HTTP/1.1 200")
        assert refusal(second) == (408, "TOO_SLOW")


def test_a_body_has_to_move_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.2)
    monkeypatch.setitem(connections._SECONDS, "body", 0.2)
    with serving() as port:
        slow = opened(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\na")
        assert refusal(heard(slow)) == (408, "TOO_SLOW")
        steady = opened(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 400000\r\n\r\n")
        for _ in range(8):
            steady.sendall(b"a" * 50_000)
            time.sleep(0.07)  # longer in all than a body may stand still
        assert steady.recv(100).startswith(b"HTTP/1.1 200")
        steady.close()


def test_a_body_that_nobody_wants_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections._SECONDS, "lingering", 0.2)
    with serving() as port:
        line = opened(port, b"GET /now HTTP/1.1\r\n" + HEAD + b"1\r\na\r\n")
        assert heard(line).startswith(b"HTTP/1.1 200")


def test_an_answer_has_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.2)
    with serving() as port:
        line = opened(port, b"GET /large HTTP/1.1\r\nHost: h\r\n\r\n")
        time.sleep(1.0)
        assert len(heard(line)) < LARGE
        assert len(httpx.get(f"http://127.0.0.1:{port}/large").content) == LARGE


def test_a_body_in_crumbs_is_refused() -> None:
    with serving() as port:
        line = opened(port, b"POST / HTTP/1.1\r\n" + HEAD + b"1\r\na\r\n" * 1_500)
        assert refusal(heard(line)) == (400, "BAD_REQUEST")
        good = opened(port, b"POST / HTTP/1.1\r\n" + HEAD)
        good.sendall((b"400\r\n" + b"a" * 1024 + b"\r\n") * 3_000 + b"0\r\n\r\n")
        assert good.recv(100).startswith(b"HTTP/1.1 200")
        good.close()


def test_silent_connections_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "allow_files", lambda: 5)
    with serving() as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as kept:
        assert kept.get("/").status_code == 200
        silent = [opened(port) for _ in range(20)]
        assert kept.get("/").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 200
        assert heard(silent[0]) == b""
        for line in silent:
            line.close()


def test_who_comes_when_all_are_busy_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "allow_files", lambda: 3)
    with serving() as port:
        head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
        busy = [opened(port, head) for _ in range(3)]
        time.sleep(0.2)
        assert refusal(heard(opened(port))) == (503, "OVERLOADED")
        for line in busy:
            line.sendall(b"a" * 9)
            assert line.recv(100).startswith(b"HTTP/1.1 200")
            line.close()


def test_who_pings_and_reads_no_pong_is_cut_off() -> None:
    key = base64.b64encode(bytes(16))
    with serving() as port:
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(20)
        line.connect(("127.0.0.1", port))
        line.sendall(
            b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        ping = bytes([0x89, 0x80 | 125, 0, 0, 0, 0]) + b"p" * 125
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(10_000):
                line.sendall(ping * 100)
        line.close()


@pytest.mark.parametrize(
    "content",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00" + bytes(300),
        b"GET /api/version HTTP/1.1\r\n\r\n",
        b"GET /api/version HTTP/1.1\r\nHost: h\r\nX: " + b"a" * 70_000,
        b"POST /api/users/loginWithToken HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n",
        b"GET /api/jobs/" + b"a" * 9_000 + b"/status/v/1 HTTP/1.1\r\nHost: h\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ],
    ids=["words", "tls", "host", "header", "length", "websocket"],
)
def test_what_is_no_http_is_refused_in_json(service: Endpoint, content: bytes) -> None:
    port = urlsplit(service.url).port
    assert port is not None
    assert refusal(heard(opened(port, content))) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("path", ["/version/", "", "/users/me/"])
def test_no_address_is_mended_by_a_redirection(service: Endpoint, path: str) -> None:
    token = Api(service.url, service.token).access_token
    headers = {"X-Access-Token": token, "Host": "elsewhere"}
    answer = httpx.get(service.url + path, headers=headers)
    assert answer.status_code == 404
    assert answer.json()["error"]["name"] == "NOT_FOUND"
