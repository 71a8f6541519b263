"""`qtower serve`: lock, socket, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import uvicorn

from qtower.errors import ServiceError
from qtower.paths import private_dir
from qtower.service import notes
from qtower.service.app import create_app
from qtower.service.assembly import assembled
from qtower.service.connections import WebsocketConnection, http_connections
from qtower.service.core import Core
from qtower.service.logs import set_up_logging
from qtower.service.memory import keep_one_heap
from qtower.service.options import Options
from qtower.service.tls import check_certificate, check_exposure, fingerprint

__all__ = ["Options", "run"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_END_SECONDS = 2.7  # after a signal; then whatever still hangs is left behind
_BACKLOG = 1024
# Longer than clients pause between polls: a POST that meets a closing connection is not repeated.
_KEEP_ALIVE_SECONDS = 120
_HEADER_LIMIT = 64 * 1024  # a filter travels in the address
_WEBSOCKET_LIMIT = 64 * 1024  # clients send one access token

logger = logging.getLogger(__name__)


def run(options: Options) -> int:
    """Serves until a signal comes, or until idle; returns the exit code.

    Raises:
        QtowerError: The token file, the data directory or the address cannot be used.
    """
    os.umask(0o077)  # whatever the directory: nobody else reads what the service writes
    keep_one_heap()
    set_up_logging()
    _check(options)
    data_dir = private_dir(options.data_dir.absolute())
    with (
        _locked(data_dir),
        _bound(options.host, options.port) as listener,
        assembled(options) as core,
    ):
        server = _Server(core, listener, options)
        certificate = fingerprint(options.tls_cert) if options.tls_cert else ""
        with _signals_to(server), notes.noted(data_dir, server.url, certificate):
            server.run([listener])
    return 0


def _check(options: Options) -> None:
    if options.tls_cert and options.tls_key:
        check_certificate(options.tls_cert, options.tls_key)
    check_exposure(
        options.host,
        tls=options.tls_cert is not None,
        named_users=bool(options.settings.users),
        insecure=options.insecure,
    )


class _Server(uvicorn.Server):
    """Says when it listens, and ends by itself when idle."""

    def __init__(self, core: Core, listener: socket.socket, options: Options) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(core),
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                ws=WebsocketConnection,
                ws_max_size=_WEBSOCKET_LIMIT,
                ws_per_message_deflate=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
                http=http_connections(),
                h11_max_incomplete_event_size=_HEADER_LIMIT,
                ssl_certfile=options.tls_cert,
                ssl_keyfile=options.tls_key,
            )
        )
        self._core = core
        host = f"[{options.host}]" if ":" in options.host else options.host
        self.url = f"{options.scheme}://{host}:{listener.getsockname()[1]}/api"
        self._idle_seconds = options.idle_seconds
        self._idle_watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        sys.stdout.write(f"qtower service listening on {self.url}\n")
        sys.stdout.flush()
        logger.info("listening")
        if self._idle_seconds is not None:
            self._idle_watch = asyncio.create_task(self._end_when_idle(self._idle_seconds))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        _leave_in_time()
        # Children first and at once: a signal must end them however long a client holds on.
        closing = asyncio.get_running_loop().run_in_executor(None, self._core.dispatcher.close)
        await super().shutdown(sockets)
        await closing

    async def _end_when_idle(self, idle_seconds: float) -> None:
        while True:
            remaining = idle_seconds - self._core.activity.idle_seconds
            if remaining <= 0 and self._core.dispatcher.idle:
                logger.info("idle, ends")
                self.should_exit = True
                return
            await asyncio.sleep(remaining if remaining > 0 else idle_seconds)


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    """Keeps a second service off the data directory; the system lifts the lock at any end."""
    with (data_dir / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ServiceError(
                f"Another qtower service is using {data_dir}.",
                "Stop it, or give this one another --data-dir.",
            ) from None
        yield


def _listen(host: str, port: int) -> socket.socket:
    # The protocol is named because asyncio sets TCP_NODELAY only on sockets that say they are
    # TCP; without it every answer waits 40 ms for the client's delayed acknowledgement.
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    try:
        listener = _listen(host, port)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ServiceError(
            f"The service cannot listen on {host} port {port}: {reason}.",
            "Choose another --port or --host.",
        ) from None
    with contextlib.closing(listener):
        yield listener


@contextlib.contextmanager
def _signals_to(server: _Server) -> Iterator[None]:
    """Ends the server at a signal, in time even if something hangs.

    uvicorn takes the signals while it serves and raises them again when it is done: they come
    here, and are not the default that would kill a process which has just ended in order.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    previous = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _leave_in_time() -> None:
    """Leaves even if a thread hangs; what is stored is whole at every moment."""
    watchdog = threading.Timer(_END_SECONDS, os._exit, (0,))
    watchdog.daemon = True
    watchdog.start()
