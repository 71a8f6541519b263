"""Connections as they come off the wire: bounded in number, in patience, and in what they cost.

uvicorn bounds the pause between two requests, and nothing within one. Here headers must come within
a time, a body and an answer must move on, and a body in crumbs is refused, since each of its chunks
costs as much to parse as thousands of bytes. When there are too many connections, one that waits
for nothing makes room: first those that never asked for anything. What is no HTTP gets its refusal
as JSON, like everything else.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any, ClassVar, Literal, TypeAlias

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from qtower.service import refusals
from qtower.service.routes.exchange import refusal_answer

HEADER_SECONDS = 20.0
"""How long the headers of a request may take, and a new connection to ask for anything."""

BODY_SECONDS = 60.0
"""In each such time `BODY_BYTES` of a body come, or the connection ends."""

BODY_BYTES = 16_000
ANSWER_SECONDS = 120.0
"""In each such time some of an answer is taken, or the connection ends."""

_LINGER_SECONDS = 2.0  # for a body that nobody wants any more
_CHUNKS = 1_000  # so many may be small; beyond, they have this many bytes on average
_CHUNK_BYTES = 128

_LONGEST_TARGET = 4_000  # bytes, of the address of a websocket
_MOST_HEADERS = 100

_MOST = 4_096
_OTHER_FILES = 512  # of payloads, children and the database: connections must leave them
_FILES = 16_384

_Phase: TypeAlias = Literal["waiting", "headers", "body", "lingering", "answering", "upgraded"]
_SECONDS: dict[_Phase, float] = {
    "headers": HEADER_SECONDS,
    "body": BODY_SECONDS,
    "lingering": _LINGER_SECONDS,
}


def allow_files() -> int:
    """Lets this process open more files than is usual; returns how many connections may be open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft == resource.RLIM_INFINITY or soft >= files:
        files = _FILES if soft == resource.RLIM_INFINITY else soft
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return min(_MOST, max(files - _OTHER_FILES, files // 2))


class HttpConnection(H11Protocol):
    """One connection; made by uvicorn, with its settings."""

    most: ClassVar[int]
    waiting: ClassVar[Waiting]

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.conn = _Parser(h11.SERVER, self.config.h11_max_incomplete_event_size or 16_384)
        self._phase: _Phase = "waiting"
        self._timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None
        self._received = 0  # bytes of a body since the timer began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most and not self.waiting.make_room():
            self._refuse(refusals.overloaded())
            return
        self.waiting.begin(self, silent=True)
        self._timer = self.loop.call_later(HEADER_SECONDS, self._overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._follow()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hands the connection over, if the library for websockets will take what was asked."""
        if len(event.target) > _LONGEST_TARGET or len(self.headers) > _MOST_HEADERS:
            self._refuse(refusals.bad_request("A websocket has no such long address or headers"))
            return
        self._forget()
        self._phase = "upgraded"
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Refuses what is no HTTP, in JSON."""
        self._refuse(refusals.bad_request("This is not a request of HTTP that the service takes"))

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _await_reader(self) -> None:
        """Ends the connection if nothing of the answer was taken for a while."""
        left = self.transport.get_write_buffer_size()

        def look() -> None:
            if self.transport.get_write_buffer_size() < left:
                self._await_reader()
            else:
                self.transport.abort()

        self._answer_timer = self.loop.call_later(ANSWER_SECONDS, look)

    def _follow(self) -> None:
        """Sets the time for what comes next, if that is something else than before."""
        phase = self._phase_now()
        if self._phase in (phase, "upgraded") or self.transport.is_closing():
            return
        self._phase = phase
        self._stop_timer()
        self._received = 0
        if phase in _SECONDS:
            self._timer = self.loop.call_later(_SECONDS[phase], self._overdue)
        if phase == "waiting":
            self.waiting.begin(self, silent=False)
        else:
            self.waiting.end(self)

    def _phase_now(self) -> _Phase:
        theirs = self.conn.their_state
        if theirs is h11.IDLE:
            return "headers" if self.conn.trailing_data[0] else "waiting"
        if theirs is not h11.SEND_BODY:
            return "answering"
        return "lingering" if self.conn.our_state is h11.DONE else "body"

    def _overdue(self) -> None:
        moves = self._received >= BODY_BYTES or self.flow.read_paused
        if self._phase == "body" and moves:
            self._received = 0
            self._timer = self.loop.call_later(BODY_SECONDS, self._overdue)
        elif self._phase in ("headers", "body"):
            self._refuse(refusals.too_slow())
        else:
            self.transport.close()

    def _refuse(self, refusal: refusals.RefusalError) -> None:
        """Answers without a request, or in the midst of one, and ends the connection."""
        answer = refusal_answer(refusal)
        headers = [h for h in answer.raw_headers if h[0] != b"connection"]
        headers.append((b"connection", b"close"))
        reason = STATUS_PHRASES[refusal.status]
        try:
            for event in (
                h11.Response(status_code=refusal.status, headers=headers, reason=reason),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            pass  # it has begun to answer already: only the end is left
        self._forget()
        self.transport.close()

    def _forget(self) -> None:
        self.waiting.end(self)
        self._stop_timer()
        if self._answer_timer is not None:
            self._answer_timer.cancel()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Waiting:
    """Connections that wait for a request, those that have waited longest first."""

    def __init__(self) -> None:
        self._silent: dict[HttpConnection, None] = {}  # that have not asked for anything so far
        self._between: dict[HttpConnection, None] = {}

    def begin(self, connection: HttpConnection, *, silent: bool) -> None:
        """A connection waits from now on."""
        self.end(connection)
        (self._silent if silent else self._between)[connection] = None

    def end(self, connection: HttpConnection) -> None:
        """It waits no longer."""
        self._silent.pop(connection, None)
        self._between.pop(connection, None)

    def make_room(self) -> bool:
        """Ends the one that is missed least; False if none waits."""
        connection = next(iter(self._silent or self._between), None)
        if connection is None:
            return False
        self.end(connection)
        connection.transport.abort()
        return True


class _Parser(h11.Connection):
    """h11's parser, which minds how much it has to do for how little."""

    _chunks = 0
    _bytes = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._chunks = self._bytes = 0
        elif isinstance(event, h11.Data):
            self._chunks += event.chunk_end
            self._bytes += len(event.data)
            if self._chunks > _CHUNKS and self._bytes < self._chunks * _CHUNK_BYTES:
                raise h11.RemoteProtocolError("the chunks of the body are too small")
        return event


class WebsocketConnection(WebSocketsSansIOProtocol):
    """One websocket; a client that asks for pongs and does not read them is cut off."""

    def data_received(self, data: bytes) -> None:
        """Takes what came; a handshake that cannot be understood ends here."""
        super().data_received(data)
        if self.conn.parser_exc is not None and not self.handshake_initiated:
            self.transport.close()

    def handle_ping(self) -> None:
        """Answers a ping."""
        if not self.writable.is_set():
            self.transport.abort()
            return
        super().handle_ping()


def http_connections() -> type[HttpConnection]:
    """Returns the class of the connections of one server, which count and wait together."""

    class OfOneServer(HttpConnection):
        most = allow_files()
        waiting = Waiting()

    return OfOneServer
