"""What a running service notes of itself: its process and its address, never its token.

The note lies in the data directory, which outlives a session. The runtime directory does not:
systemd empties it at logout, while a detached service works on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from qtower.paths import read_plain, write_private
from qtower.processes import process_lives, process_name


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the service."""

    pid: int
    created: float  # when the process began, in seconds since 1970
    name: str = ""  # of the process, so that a reused process id is noticed
    log_offset: int = 0  # where its part of the log begins
    url: str = ""  # empty until it listens
    certificate: str = ""  # SHA-256 of the one it shows, if it speaks https

    @property
    def lives(self) -> bool:
        """True if the process is still the one for which this was written."""
        return process_lives(self.name or f"{self.pid}:{self.created}")


def note_file(data_dir: Path) -> Path:
    """Where the service that uses `data_dir` notes itself."""
    return data_dir / "service.json"


def token_file(data_dir: Path) -> Path:
    """Where its token lies, unless it was told otherwise."""
    return data_dir / "token"


def of_process(pid: int, *, log_offset: int = 0, url: str = "", certificate: str = "") -> Note:
    """Returns a note of a process that lives.

    Raises:
        psutil.NoSuchProcess: It does not.
    """
    return Note(
        pid=pid,
        created=psutil.Process(pid).create_time(),
        name=process_name(pid),
        log_offset=log_offset,
        url=url,
        certificate=certificate,
    )


def write(file: Path, note: Note) -> None:
    """Writes a note, readable for its user alone."""
    write_private(file, msgspec.json.encode(note))


def read(file: Path) -> Note | None:
    """Returns the note in `file` if its process lives.

    Raises:
        OSError: There is something in its place that cannot be read.
    """
    try:
        note = msgspec.json.decode(read_plain(file), type=Note)
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError, ValueError):
        return None
    return note if note.lives else None


@contextlib.contextmanager
def noted(data_dir: Path, url: str, certificate: str = "") -> Iterator[None]:
    """Keeps a note of this process while it serves at `url`."""
    file = note_file(data_dir)
    write(file, of_process(os.getpid(), url=url, certificate=certificate))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
