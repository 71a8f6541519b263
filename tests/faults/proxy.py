"""A proxy between the real client and the real service, which does to them what networks do.

Every request becomes an `Exchange`, and a fault decides what becomes of that: it may be forwarded
or not, answered or not, and answered with something else. Without a fault all of it passes.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_OF_THE_CONNECTION = ("content-length", "transfer-encoding", "connection")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST, and what was unsent is lost


@dataclass
class Answer:
    """What a service answers."""

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


class Exchange:
    """One request on its way, and the means to do something to it."""

    def __init__(self, handler: _Handler, over: threading.Event) -> None:
        self._handler = handler
        self._over = over
        self.method = handler.command
        self.path = handler.path  # with its query
        length = int(handler.headers.get("Content-Length") or 0)
        self.body = handler.rfile.read(length) if length else b""
        self.access_token = handler.headers.get("X-Access-Token")

    def forward(self) -> Answer:
        """Takes the request to the service, and returns what that answers."""
        target = self._handler.server.target
        connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=60)
        with contextlib.closing(connection):
            headers = {
                name: value
                for name, value in self._handler.headers.items()
                if name.lower() != "connection"
            }
            connection.request(self.method, self.path, self.body or None, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read(), answer.getheaders())

    def give(self, answer: Answer, length: int | None = None) -> None:
        """Gives the client an answer, of which the headers promise `length` bytes."""
        self.begin(answer, len(answer.body) if length is None else length)
        self.write(answer.body)
        if length is not None:
            self.hang_up()

    def begin(self, answer: Answer, length: int) -> None:
        """Sends the status and the headers."""
        self._handler.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _OF_THE_CONNECTION:
                self._handler.send_header(name, value)
        self._handler.send_header("Content-Length", str(length))
        self._handler.end_headers()

    def write(self, content: bytes) -> None:
        """Sends a piece of the body."""
        self._handler.wfile.write(content)
        self._handler.wfile.flush()

    def pause(self, seconds: float | None = None) -> bool:
        """Waits, for ever if no `seconds` are given; True once the fault is over."""
        return self._over.wait(seconds)

    def hang_up(self) -> None:
        """Ends the connection in an orderly way."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Breaks the connection off, as a machine does that forgot it."""
        self.hang_up()
        with contextlib.suppress(OSError):
            self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            os.close(self._handler.connection.detach())


Fault = Callable[[Exchange], None]


def pass_on(exchange: Exchange) -> None:
    """No fault."""
    exchange.give(exchange.forward())


class Proxy(ThreadingHTTPServer):
    """Stands before `service_url`, which may change; `fault` is what it does to requests.

    `socket_fault` is what it does to websockets; None lets them pass.
    """

    daemon_threads = True

    def __init__(self, service_url: str, fault: Fault = pass_on) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.lead_to(service_url)
        self.url = f"http://127.0.0.1:{self.server_address[1]}{self.target.path}"
        self.met = 0  # exchanges that met a fault
        self.fault = fault
        self.socket_fault: Fault | None = None
        self._over = threading.Event()
        self._tunnels: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def lead_to(self, service_url: str) -> None:
        """From now on this is the service."""
        self.target = urlsplit(service_url)

    @contextlib.contextmanager
    def failing(self, fault: Fault, *, sockets: bool = False) -> Iterator[None]:
        """Does this to every request inside the `with`; with `sockets` to websockets instead."""
        before, self.met = self.fault, 0
        self._over = threading.Event()
        if sockets:
            self.socket_fault = fault
            self.cut_sockets()
        else:
            self.fault = fault
        try:
            yield
        finally:
            self.fault, self.socket_fault = before, None
            self._over.set()

    @property
    def sockets(self) -> int:
        """How many websockets pass through."""
        return len(self._tunnels) // 2

    def cut_sockets(self) -> None:
        """Breaks off all websockets."""
        for tunnel in list(self._tunnels):
            with contextlib.suppress(OSError):
                tunnel.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends."""
        self._over.set()
        self.cut_sockets()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up, or a service that is not there: that is no news."""

    def meet(self, handler: _Handler) -> None:
        """Lets a request meet its fault."""
        exchange = Exchange(handler, self._over)
        if handler.headers.get("Upgrade") is None:
            self.met += self.fault is not pass_on
            self.fault(exchange)
        elif self.socket_fault is not None:
            self.met += 1
            self.socket_fault(exchange)
        else:
            self._tunnel(handler)
            handler.close_connection = True

    def _tunnel(self, handler: _Handler) -> None:
        place = (self.target.hostname or "", self.target.port or 80)
        with socket.create_connection(place) as far:
            head = "".join(f"{name}: {value}\r\n" for name, value in handler.headers.items())
            far.sendall(f"{handler.requestline}\r\n{head}\r\n".encode("latin-1"))
            ends = (handler.connection, far)
            self._tunnels.update(ends)
            back = threading.Thread(target=_pump, args=(far, handler.connection), daemon=True)
            back.start()
            _pump(handler.connection, far)
            back.join()
            self._tunnels.difference_update(ends)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def _meet(self) -> None:
        self.server.meet(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""


for _method in ("GET", "POST", "PUT", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._meet)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Takes bytes from one end to the other until either ends."""
    with contextlib.suppress(OSError):
        while content := source.recv(1 << 16):
            sink.sendall(content)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
