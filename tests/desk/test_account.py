"""Login: what is refused, what is silent, what is strange, and secrets that stay secret."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from qtower.config import Account
from qtower.desk.account import log_in
from qtower.desk.account_session import AccountSession
from qtower.desk.faults import explain
from qtower.desk.scrubbing import conceal, scrub
from qtower.errors import AccountError, NetworkError
from tests.conftest import Endpoint
from tests.desk.accounts import account_of


def test_login_with_a_hub_and_renewal_in_place(service: Endpoint) -> None:
    accounts = [account_of(service), Account(name="t", url=service.url, token=service.token)]
    session = AccountSession(lambda: accounts[0])
    provider = session.ensure()
    assert {backend.name() for backend in provider.backends()} >= {"ibmq_qasm_simulator"}
    first_token = provider.credentials.access_token
    session.doubt(NetworkError("gone"))
    accounts.pop(0)  # another account object: log in anew
    assert session.ensure() is provider, "jobs that hold the provider go on working"
    assert provider.credentials.access_token != first_token
    assert provider.backend.jobs(limit=1) is not None


def test_what_a_first_login_waits_for_is_told_before_it_waits(service: Endpoint) -> None:
    told: list[str] = []

    def connect() -> Account:
        told.append("(connecting)")
        return account_of(service)

    AccountSession(connect).ensure(told.append, lambda: told.append("(logging in)"))
    place = service.url.removeprefix("http://").removesuffix("/api")
    assert told == [
        "getting the account ready",
        "(connecting)",
        "loading the provider",
        f"waiting for {place}",
        "(logging in)",
    ]


def test_a_wrong_token_is_refused_without_showing_it(service: Endpoint) -> None:
    secret = "wrong-token-0123456789"
    with pytest.raises(AccountError, match="refused the token") as caught:
        log_in(account_of(service, token=secret))
    assert secret not in str(caught.value)


def test_an_unknown_project_is_named(service: Endpoint) -> None:
    account = Account(
        name="t", url=service.url, token=service.token, hub="h", group="g", project="p"
    )
    with pytest.raises(AccountError, match="no h/g/p"):
        log_in(account)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(NetworkError, match="refused the connection"):
        log_in(Account(name="t", url=f"http://127.0.0.1:{port}/api", token="t" * 8))


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>welcome</html>", AccountError),
        (200, b'{"hello": "world"}', AccountError),
        (200, b'{"api-auth": "1"}', AccountError),
        (503, b"", NetworkError),
        (404, b"nothing here", AccountError),
    ],
)
def test_something_else_listens(status: int, body: bytes, error: type[Exception]) -> None:
    with answering(status, body) as url, pytest.raises(error):
        log_in(Account(name="t", url=url, token="t" * 8))


def test_secrets_are_scrubbed() -> None:
    conceal("s3cr3t-token")
    text = scrub(
        "GET http://h/x?signature=abc&expires=9 failed: {'apiToken': 'q1w2e3'} s3cr3t-token"
    )
    for secret in ("abc", "q1w2e3", "s3cr3t", "=9"):
        assert secret not in text
    assert text.startswith("GET http://h/x?signature=...")


def test_silence_is_explained() -> None:
    assert "in time" in explain(requests.ReadTimeout()).what
    assert "cannot be found" in explain(requests.ConnectionError("Failed to resolve 'x'")).what


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that says the same to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("hosts", ["", "example.org", "*"])
def test_no_proxy_stands_between_us_and_this_machine(
    service: Endpoint, monkeypatch: pytest.MonkeyPatch, hosts: str
) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{dead.getsockname()[1]}"
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, hosts)
        assert log_in(account_of(service)).backends()
        assert log_in(account_of(service, local=False)).backends()
        kept = os.environ["no_proxy"].split(",")
        assert kept == os.environ["NO_PROXY"].split(",")
        assert kept == ([hosts] if hosts == "*" else [*filter(None, [hosts]), "127.0.0.1"])
