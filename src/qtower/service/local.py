"""The user's own service: exactly one, started when it is needed, detached from the terminal.

A note of it is believed only when the process that it names lives and answers as ours:
it has been killed, its process id has been reused, or its port has been taken by somebody else
often enough.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil

from qtower import paths
from qtower.errors import ServiceError
from qtower.service import asking, notes
from qtower.service import local_files as files
from qtower.service.notes import Note
from qtower.surroundings import for_strangers

IDLE_SECONDS = 30 * 60
"""How long the service stays when it has no unfinished job and nobody asks it anything."""

READY_LINE = "qtower service listening on "
"""What `qtower serve` says first, before its URL."""

_POLL_SECONDS = 0.05
_LOG_LIMIT = 5_000_000  # bytes; a longer log is set aside at the next start


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


@files.usable()
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
    with files.lock(deadline):
        # Another terminal may have started it while we waited.
        note = files.live_note()
        started = note is None
        if note is None:
            note = _start()
        if not note.url:
            return _await_ready(note, started, deadline)
    # It has begun to listen. Whoever wants to end it, or waits for it too, needs the lock.
    return _await_ready(note, started, deadline)


@files.usable()
def status() -> LocalService | None:
    """Returns the service if it runs and answers, else `None`. Starts nothing."""
    note = files.live_note()
    if note is None or not note.url:
        return None
    token = files.token()
    if not token or not _is_ours(note.url, token):
        return None
    return _service(note, token, started=False)


@files.usable()
def running(data_dir: Path | None = None) -> Note | None:
    """Returns the note of the service that uses a data directory, whether or not it answers.

    Args:
        data_dir: The user's own service's if None. Nothing is made or changed in it.
    """
    return files.live_note() if data_dir is None else notes.read(notes.note_file(data_dir))


@files.usable()
def stop(timeout: float = 5) -> bool:
    """Ends the service, with its running simulations; False if none was running.

    What is not finished runs again at the next start.

    Raises:
        ServiceError: It could not be ended.
    """
    with files.lock(time.monotonic() + timeout):
        note = files.live_note()
        if note is not None:
            _end(note.pid, timeout)
        files.note_file().unlink(missing_ok=True)
    return note is not None


def _is_ours(url: str, token: str) -> bool:
    """True if the server at `url` speaks the API, and takes the token that only we know."""
    return asking.speaks(url) and asking.log_in(url, token) is not None


def _service(note: Note, token: str, *, started: bool) -> LocalService:
    return LocalService(
        url=note.url, token=token, pid=note.pid, started=started, since=note.created
    )


# -- starting and ending it ----------------------------------------------------------------------


def _start() -> Note:
    """Starts the service; its note is written before it listens, so that none is ever lost."""
    log = files.log_file()
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    files.make_token()
    descriptor = paths.open_plain(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        offset = os.fstat(descriptor).st_size
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "qtower", "serve", "--port", "0"),
                *("--data-dir", str(paths.data_dir())),
                *("--idle-seconds", str(IDLE_SECONDS)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=for_strangers(),
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
    note = notes.of_process(process.pid, log_offset=offset)
    notes.write(files.note_file(), note)
    return note


_detached: list[subprocess.Popen[bytes]] = []


def _await_ready(note: Note, started: bool, deadline: float) -> LocalService:
    """Waits until the service listens and answers as ours, and completes the note."""
    while time.monotonic() < deadline:
        if files.live_note() is None:
            if note.url:  # the lock is not ours: the next note may be another's
                raise ServiceError("The local service ended.", f"Look into {files.log_file()}.")
            files.note_file().unlink(missing_ok=True)
            raise ServiceError(
                "The local service ended while it was starting.", f"Look into {files.log_file()}."
            )
        if not note.url and (url := _announced_url(note)):
            note = msgspec.structs.replace(note, url=url)
            notes.write(files.note_file(), note)
        token = files.token()
        if note.url and token and _is_ours(note.url, token):
            return _service(note, token, started=started)
        time.sleep(_POLL_SECONDS)
    if note.url.startswith("https:") or (note.url and asking.speaks(note.url)):
        raise ServiceError(
            f"The service at {note.url} (process {note.pid}) uses {paths.data_dir()} "
            "and does not answer as qtower's own.",
            "If it has TLS or named users, give its address and your token to qtower as an "
            f"account; else look into {files.log_file()}.",
        )
    raise ServiceError(
        f"The local service (process {note.pid}) does not answer.",
        f'Look into {files.log_file()}, or end it with "qtower service stop".',
    )


def _announced_url(note: Note) -> str:
    with os.fdopen(paths.open_plain(files.log_file()), "rb") as log:
        log.seek(note.log_offset)
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
                    f"The local service (process {pid}) does not end.",
                    f"Look into {files.log_file()}.",
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
