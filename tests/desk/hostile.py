"""An endpoint that logs everybody in and then does as it likes: a real HTTP server in a thread."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from qtower.config import LOCAL_CALLS_PER_MINUTE, Account

API_TOKEN = "the-api-token-0123456789"
ACCESS_TOKEN = "the-access-token-0123456789"


@dataclass
class Reply:
    """What is sent back. `drip` sends the body a byte at a time, so many seconds apart."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip: float = 0.0
    delay: float = 0.0

    @property
    def content(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass
class Request:
    """What was asked."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def shows_a_token(self) -> bool:
        everything = f"{self.query} {self.headers} {self.body!r}"
        return API_TOKEN in everything or ACCESS_TOKEN in everything


Mode = Callable[[Request], "Reply | None"]
"""Answers a request in its own way; None leaves it to the endpoint."""


class HostileEndpoint(ThreadingHTTPServer):
    """Speaks just enough of the API for a login and an empty list of jobs."""

    daemon_threads = True

    def __init__(self, mode: Mode, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.mode = mode
        self.requests: list[Request] = []
        self.ending = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/api"

    @property
    def account(self) -> Account:
        return Account(
            name="test",
            url=self.url,
            token=API_TOKEN,
            local_service=True,
            calls_per_minute=LOCAL_CALLS_PER_MINUTE,
        )

    def asked(self, path: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.requests if request.path.endswith(path)]

    def reply(self, request: Request) -> Reply:
        """What the mode says, or else what an empty account says."""
        self.requests.append(request)
        said = self.mode(request)
        if said is not None:
            return said
        project = {"hub": {"groups": {"g": {"projects": {"p": {"isDefault": True}}}}}}
        answers: dict[str, Any] = {
            "version": {"api-auth": "0.1"},
            "loginWithToken": {"id": ACCESS_TOKEN},
            "me": {"urls": {"http": self.url, "ws": self.url.replace("http", "ws")}},
            "Network": [{"name": name, **groups} for name, groups in project.items()],
        }
        name = request.path.rpartition("/")[2]
        if name in answers:
            return Reply(answers[name])
        return Reply([])


@contextmanager
def hostile(mode: Mode, port: int = 0) -> Iterator[HostileEndpoint]:
    """A running endpoint of that mode."""
    server = HostileEndpoint(mode, port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.ending.set()
        server.shutdown()
        server.server_close()


def job(number: int, **changes: Any) -> dict[str, Any]:
    """A job as the API lists it."""
    return {
        "id": f"{number:024x}",
        "creationDate": f"2026-11-23T01:00:{number % 60:02d}.{number:06d}Z",
        "status": "COMPLETED",
        "kind": "q-object-external-storage",
        "backend": {"name": "b"},
        "name": f"job {number}",
        "tags": [],
        **changes,
    }


def is_list(request: Request) -> bool:
    """Whether job documents are asked for."""
    return request.path.endswith("/Jobs/status/v/1")


def jobs(documents: Any) -> Mode:
    """A short list of anything; nothing is active, and nothing comes after it."""

    def mode(request: Request) -> Reply | None:
        rest = "nin" in request.query or "updatedDate" in request.query
        return Reply([] if rest else documents) if is_list(request) else None

    return mode


def always(reply: Reply) -> Mode:
    """The same to every request for jobs."""
    return lambda request: reply if is_list(request) else None


def redirecting(part: str, status: int, address: str) -> Mode:
    """Sends who asks for a path that holds `part` elsewhere."""

    def mode(request: Request) -> Reply | None:
        return Reply(b"", status, {"Location": address}) if part in request.path else None

    return mode


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HostileEndpoint

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        reply = self.server.reply(Request(self.command, path, query, dict(self.headers), body))
        if self.server.ending.wait(reply.delay):
            return
        try:
            self._send(reply)
        except OSError:  # nobody waits for it any more
            self.close_connection = True

    def do_POST(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        self.do_GET()

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(reply.content)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if not reply.drip:
            self.wfile.write(reply.content)
            return
        for byte in reply.content:
            if self.server.ending.is_set():
                return
            self.wfile.write(bytes([byte]))
            time.sleep(reply.drip)

    def log_message(self, format: str, *args: object) -> None:
        pass
