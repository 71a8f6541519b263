"""`qtower serve`: token, lock, socket, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn

from qtower.config import read_token_file
from qtower.errors import ServiceError
from qtower.paths import private_dir, write_private
from qtower.service.access import Accounts, Signer
from qtower.service.app import create_app
from qtower.service.core import Core
from qtower.service.devices import load_devices
from qtower.service.dispatcher import Dispatcher
from qtower.service.engine import Engine
from qtower.service.logs import set_up_logging
from qtower.service.payloads import Payloads
from qtower.service.store import Store
from qtower.service.watchers import Watchers

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_END_SECONDS = 2.7  # after a signal; then whatever still hangs is left behind
_BACKLOG = 1024
# Longer than clients pause between polls: a POST that meets a closing connection is not repeated.
_KEEP_ALIVE_SECONDS = 120
_WEBSOCKET_LIMIT = 64 * 1024  # clients send one access token

logger = logging.getLogger(__name__)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the service is to run."""

    host: str
    port: int  # 0 for a free one
    data_dir: Path
    token_file: Path | None  # by default `token` in the data directory
    workers: int
    idle_seconds: float | None  # ends by itself after so long without jobs and requests
    job_limit: int | None = None  # unfinished jobs on one backend; None for no limit


def run(options: Options) -> int:
    """Serves until a signal comes, or until idle; returns the exit code.

    Raises:
        QtowerError: The token file, the data directory or the address cannot be used.
    """
    set_up_logging()
    data_dir = private_dir(options.data_dir.absolute())
    with _locked(data_dir):
        api_token = _api_token(options.token_file or data_dir / "token")
        with _bound(options.host, options.port) as listener, _core(options, api_token) as core:
            server = _Server(core, listener, options)
            with _signals_to(server):
                server.run([listener])
    return 0


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
                ws="websockets-sansio",
                ws_max_size=_WEBSOCKET_LIMIT,
                ws_per_message_deflate=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
            )
        )
        self._core = core
        self._listener = listener
        self._host = options.host
        self._idle_seconds = options.idle_seconds
        self._idle_watch: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host = f"[{self._host}]" if ":" in self._host else self._host
        port = self._listener.getsockname()[1]
        sys.stdout.write(f"qtower service listening on http://{host}:{port}/api\n")
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
def _core(options: Options, api_token: str) -> Iterator[Core]:
    data_dir = options.data_dir.absolute()
    store = Store(data_dir / "jobs.sqlite")
    with contextlib.closing(store):
        devices = load_devices()
        payloads = Payloads(data_dir / "payloads")
        watchers = Watchers()
        with contextlib.closing(Engine(options.workers)) as engine:
            dispatcher = Dispatcher(store, payloads, devices, engine, watchers)
            dispatcher.start()
            yield Core(
                store=store,
                payloads=payloads,
                devices=devices,
                dispatcher=dispatcher,
                watchers=watchers,
                accounts=Accounts(store, api_token),
                signer=Signer(data_dir / "signing-key"),
                job_limit=options.job_limit,
            )


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


def _api_token(file: Path) -> str:
    with contextlib.suppress(FileExistsError):
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32).encode() + b"\n")
    return read_token_file(file)


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
