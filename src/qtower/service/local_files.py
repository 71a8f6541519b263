"""The files of the user's own service: its token and note, the lock over both, its log.

Token and note are 0600 files in the runtime directory. That directory is emptied at logout, while
the service works on: what was there is then restored from the data directory.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qtower import paths
from qtower.errors import ServiceError, StorageError
from qtower.service import notes
from qtower.service.notes import Note

_POLL_SECONDS = 0.05


@contextmanager
def usable() -> Iterator[None]:
    """Around whatever reads or writes its files: what is in their place may be no file."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{error.filename or 'A file of the local service'} cannot be used: {error.strerror}.",
            "Move away what is there, or mend its permissions.",
        ) from error


def log_file() -> Path:
    """Where the service's output goes."""
    return paths.state_dir() / "service.log"


def note_file() -> Path:
    """Where its process and address are noted."""
    return _runtime_file("json")


def token_file() -> Path:
    """Where programs of this user find the service's token; 0600."""
    return _runtime_file("token")


def _runtime_file(ending: str) -> Path:
    # A user has one runtime directory, whatever HOME and XDG_DATA_HOME say, and perhaps a service
    # for each of these.
    place = hashlib.sha256(os.fsencode(paths.data_dir().resolve())).hexdigest()[:12]
    return paths.runtime_dir() / f"service-{place}.{ending}"


@contextmanager
def lock(deadline: float) -> Iterator[None]:
    """Held by whoever starts or stops the service; the kernel frees it if they die.

    Raises:
        ServiceError: Somebody else holds it until `deadline`, in seconds of `time.monotonic`.
    """
    descriptor = paths.open_plain(_runtime_file("lock"), os.O_RDWR | os.O_CREAT)
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


def live_note() -> Note | None:
    """The note of the process that serves the user, if it lives."""
    if found := notes.read(note_file()):
        return found
    # Started in a session that has ended, or not by us: the service's own note says where it is.
    found = notes.read(notes.note_file(paths.data_dir()))
    if found is not None:
        notes.write(note_file(), found)
    return found


def token() -> str:
    """The service's token, empty if it has none yet; its copy is restored if need be."""
    copy = _read_token(token_file())
    known = _read_token(notes.token_file(paths.data_dir())) or copy
    if known != copy:
        paths.write_private(token_file(), known.encode())
    return known


def _read_token(file: Path) -> str:
    try:
        return paths.read_plain(file).decode().strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def make_token() -> None:
    """Makes a token, if there is none, and puts it into both places."""
    known = token() or secrets.token_hex(64)
    for file in (notes.token_file(paths.data_dir()), token_file()):
        if _read_token(file) != known:
            paths.write_private(file, known.encode())
