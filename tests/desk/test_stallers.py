"""Endpoints that go on saying something, so that no silence is long enough to be noticed."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from qiskit.providers.ibmq.api.exceptions import RequestsApiError

from qtower.config import Account
from qtower.desk import sessions
from qtower.desk.account import load_provider, log_in
from qtower.desk.faults import explain
from qtower.errors import AccountError, NetworkError

_HEAD = b"HTTP/1.1 200 OK\r\n"
_PIECES = b"Transfer-Encoding: chunked\r\n\r\n"

STALLERS: dict[str, tuple[bytes, bytes]] = {
    "another header and another": (_HEAD, b"X-More: to come\r\n"),
    "a header that does not end": (_HEAD + b"X-More: ", b"."),
    "100 Continue, and again": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a status line that does not end": (b"HTTP/1.1 200 ", b"."),
    "the length of a piece does not end": (_HEAD + _PIECES, b"0"),
}
"""What is said at once, and what is said again and again after it."""


@contextmanager
def saying(words: bytes, again: bytes, pause: float = 0.05) -> Iterator[str]:
    """The url of a server that says this to everybody, without end."""
    ending = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            try:
                self.request.sendall(words)
                while again and not ending.wait(pause):
                    self.request.sendall(again)
            except OSError:  # nobody listens any more
                pass

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/api"
        finally:
            ending.set()
            server.shutdown()


def account_at(url: str) -> Account:
    return Account(name="test", url=url, token="the-api-token-0123456789", local_service=True)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_READ_LOCAL_SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("staller", [name for name in STALLERS if "piece" not in name])
def test_a_login_gives_up_on_who_only_stalls(staller: str) -> None:
    with (
        saying(*STALLERS[staller]) as url,
        pytest.raises(NetworkError, match="did not answer in time"),
    ):
        log_in(account_at(url))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("staller", STALLERS)
def test_any_request_gives_up_on_who_only_stalls(staller: str) -> None:
    load_provider()
    with saying(*STALLERS[staller]) as url:
        session = sessions.BoundedSession(url)
        with pytest.raises(RequestsApiError) as caught:
            session.get("/anything")
    assert "did not answer in time" in str(explain(caught.value))


def test_of_what_a_failing_endpoint_says_little_is_read() -> None:
    head = b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        saying(head, b"10000\r\n" + b" " * 65536 + b"\r\n", pause=0.0) as url,
        pytest.raises(NetworkError, match="failed with status 500"),
    ):
        log_in(account_at(url))


def test_a_redirect_to_what_is_no_address_is_no_fault_of_qtower() -> None:
    head = b"HTTP/1.1 302 No\r\nLocation: http://a\x1b[31m/\r\nContent-Length: 0\r\n\r\n"
    with (
        saying(head, b"") as url,
        pytest.raises(AccountError, match="redirects to somewhere that is no address"),
    ):
        log_in(account_at(url))
