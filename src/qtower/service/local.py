"""The user's own service: exactly one, started when it is needed, detached from the terminal.

Its token, and a record of its process and address, are 0600 files in the runtime directory. A
record is believed only when the process that it names lives and answers as ours: it has been
killed, its process id has been reused, or its port has been taken by somebody else often enough.
"""

from __future__ import annotations

import fcntl
import http.client
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import psutil

from qtower import paths
from qtower.errors import ServiceError

IDLE_SECONDS = 30 * 60
"""How long the service stays when it has no unfinished job and nobody asks it anything."""

READY_LINE = "qtower service listening on "
"""What `qtower serve` says first, before its URL."""

_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.05
_LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside at the next start
_SECRET_VARIABLES = ("QTOWER_TOKEN", "QE_TOKEN")

# The kernel counts a process's age from the boot, and the clock may have been set since.
_CLOCK_TOLERANCE = 5.0  # seconds


class LocalService(msgspec.Struct, frozen=True, kw_only=True):
    """The running service. The token is never shown: `repr` leaves it out."""

    url: str
    token: str
    pid: int
    started: bool  # this call started it
    since: float  # when its process began

    def __repr__(self) -> str:
        return f"LocalService(url={self.url!r}, pid={self.pid}, started={self.started})"

    __str__ = __repr__


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    pid: int
    created: float  # when the process began, so that a reused process id is noticed
    log_offset: int  # where its part of the log begins
    url: str = ""  # empty until it listens


def ensure_running(timeout: float = 30) -> LocalService:
    """Returns the user's service, and starts it if there is none.

    Raises:
        ServiceError: It did not start, or does not answer, within `timeout` seconds.
        StorageError: A directory of qtower cannot be used.
    """
    service = status()
    if service is not None:
        return service
    deadline = time.monotonic() + timeout
    with _lock(deadline):
        # Another terminal may have started it while we waited.
        record = _live_record()
        started = record is None
        if record is None:
            record = _start()
        return _await_ready(record, started, deadline)


def status() -> LocalService | None:
    """Returns the service if it runs and answers, else `None`. Starts nothing."""
    record = _live_record()
    if record is None or not record.url:
        return None
    token = _token()
    if not token or not _is_ours(record.url, token):
        return None
    return _service(record, token, started=False)


def silent_process() -> int | None:
    """The process id of a service that lives but does not answer: it starts, ends, or hangs."""
    record = _live_record()
    return record.pid if record is not None else None


def stop(timeout: float = 5) -> bool:
    """Ends the service, with its running simulations; False if none was running.

    What is not finished runs again at the next start.

    Raises:
        ServiceError: It could not be ended.
    """
    with _lock(time.monotonic() + timeout):
        record = _live_record()
        if record is not None:
            _end(record.pid, timeout)
        _record_file().unlink(missing_ok=True)
    return record is not None


def log_file() -> Path:
    """Where the service's output goes."""
    return paths.state_dir() / "service.log"


def _record_file() -> Path:
    return paths.runtime_dir() / "service.json"


def _token_file() -> Path:
    return paths.runtime_dir() / "service.token"


@contextmanager
def _lock(deadline: float) -> Iterator[None]:
    """Held by whoever starts or stops the service; the kernel frees it if they die."""
    file = paths.runtime_dir() / "service.lock"
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise ServiceError(
                    "Another qtower has been starting or stopping the local service for too long.",
                    f"Look into {log_file()}.",
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# -- what is known of it -------------------------------------------------------------------------


def _live_record() -> _Record | None:
    """The record, if the process that it names is still the one that it was written for."""
    try:
        record = msgspec.json.decode(_record_file().read_bytes(), type=_Record)
        process = psutil.Process(record.pid)
        # A zombie has ended; whoever started it has not looked yet.
        if process.status() == psutil.STATUS_ZOMBIE or process.uids().real != os.getuid():
            return None
        created = process.create_time()
    except (FileNotFoundError, msgspec.MsgspecError, psutil.Error, ValueError):
        return None
    return record if abs(created - record.created) < _CLOCK_TOLERANCE else None


def _token() -> str:
    try:
        return _token_file().read_text().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _is_ours(url: str, token: str) -> bool:
    """True if the server at `url` speaks the API, and takes the token that only we know."""
    credentials = msgspec.json.encode({"apiToken": token})
    return (
        _ask(url, "GET", "/version") is not None
        and _ask(url, "POST", "/users/loginWithToken", credentials) is not None
    )


def _ask(url: str, method: str, path: str, body: bytes | None = None) -> bytes | None:
    """The body of a 200 answer, else `None`. Past any proxy: the service is on this machine."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_ASK_SECONDS)
    try:
        connection.request(method, parts.path + path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return content if answer.status == http.client.OK else None


def _service(record: _Record, token: str, *, started: bool) -> LocalService:
    return LocalService(
        url=record.url, token=token, pid=record.pid, started=started, since=record.created
    )


# -- starting and ending it ----------------------------------------------------------------------


def _start() -> _Record:
    """Starts the service; its record is written before it listens, so that none is ever lost."""
    log = log_file()
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    if not _token():
        paths.write_private(_token_file(), secrets.token_hex(64).encode())
    environment = {
        name: value for name, value in os.environ.items() if name not in _SECRET_VARIABLES
    }
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        offset = os.fstat(descriptor).st_size
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "qtower", "serve", "--port", "0"),
                *("--data-dir", str(paths.data_dir()), "--token-file", str(_token_file())),
                *("--idle-seconds", str(IDLE_SECONDS)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=environment,
            umask=0o077,
            start_new_session=True,
        )
    except OSError as error:
        raise ServiceError(
            f"The local service could not be started: {error.strerror}.",
            "Close some programs and try again.",
        ) from error
    finally:
        os.close(descriptor)
    # Not ours to wait for: it lives on when we end.
    _detached.append(process)
    created = psutil.Process(process.pid).create_time()
    record = _Record(pid=process.pid, created=created, log_offset=offset)
    paths.write_private(_record_file(), msgspec.json.encode(record))
    return record


_detached: list[subprocess.Popen[bytes]] = []


def _await_ready(record: _Record, started: bool, deadline: float) -> LocalService:
    """Waits until the service listens and answers as ours, and completes the record."""
    while time.monotonic() < deadline:
        if _live_record() is None:
            _record_file().unlink(missing_ok=True)
            raise ServiceError(
                "The local service ended while it was starting.", f"Look into {log_file()}."
            )
        if not record.url and (url := _announced_url(record)):
            record = msgspec.structs.replace(record, url=url)
            paths.write_private(_record_file(), msgspec.json.encode(record))
        token = _token()
        if record.url and token and _is_ours(record.url, token):
            return _service(record, token, started=started)
        time.sleep(_POLL_SECONDS)
    raise ServiceError(
        f"The local service (process {record.pid}) does not answer.",
        f'Look into {log_file()}, or end it with "qtower service stop".',
    )


def _announced_url(record: _Record) -> str:
    with log_file().open("rb") as log:
        log.seek(record.log_offset)
        for line in log:
            text = line.decode(errors="replace")
            if text.startswith(READY_LINE) and text.endswith("\n"):
                return text.removeprefix(READY_LINE).strip()
    return ""


def _end(pid: int, timeout: float) -> None:
    try:
        process = psutil.Process(pid)
        process.terminate()
        if not _gone(process, timeout):
            process.kill()
            if not _gone(process, timeout):
                raise ServiceError(
                    f"The local service (process {pid}) does not end.", f"Look into {log_file()}."
                )
    except psutil.NoSuchProcess:
        return


def _gone(process: psutil.Process, timeout: float) -> bool:
    """True once the process has ended, whether or not its parent has looked yet."""
    deadline = time.monotonic() + timeout
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
