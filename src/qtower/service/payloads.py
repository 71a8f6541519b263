"""Qobjs and results as compressed files beside the store, each written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

from qtower import paths

_JOB_ID = re.compile(r"[0-9a-f]{24}\Z")

# Level 1 takes a tenth of the time of the default level and packs counts almost as tightly.
_LEVEL = 1

ROOM_SECONDS = 5.0
"""How often it is tried again to write what a full disk did not take."""

_LEAST_ROOM = 1_000_000  # bytes

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)

logger = logging.getLogger(__name__)

_READ = 64 * 1024  # bytes of a file at once
_PIECE = 128 * 1024  # bytes of a payload at once: thousands may be on their way


class Payloads:
    """A directory of payload files, found by job id and by nothing else."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def qobj_file(self, job_id: str) -> Path:
        """Where the qobj of a job lies.

        Raises:
            ValueError: `job_id` is not 24 hex digits: nothing else may become a path.
        """
        return self._file(job_id, "qobj")

    def result_file(self, job_id: str) -> Path:
        """Where the result of a job lies.

        Raises:
            ValueError: `job_id` is not 24 hex digits.
        """
        return self._file(job_id, "result")

    def remove(self, job_id: str) -> None:
        """Removes what there is of a job.

        Raises:
            ValueError: `job_id` is not 24 hex digits.
        """
        self.qobj_file(job_id).unlink(missing_ok=True)
        self.result_file(job_id).unlink(missing_ok=True)

    @property
    def usable(self) -> bool:
        """Whether the directory is there and takes files."""
        return os.access(self._directory, os.W_OK | os.X_OK)

    @property
    def full(self) -> bool:
        """Whether its disk has no room that is worth speaking of."""
        disk = os.statvfs(self._directory)
        return disk.f_bavail * disk.f_frsize < _LEAST_ROOM

    def remove_leftovers(self, before: float) -> int:
        """Removes what was being written, last at `before`, by a service that was killed.

        Args:
            before: Seconds since 1970 UTC.

        Returns:
            How many files.
        """
        removed = 0
        with os.scandir(self._directory) as entries:
            for entry in entries:
                if entry.name.startswith(".") and entry.stat().st_mtime < before:
                    Path(entry.path).unlink(missing_ok=True)
                    removed += 1
        return removed

    def _file(self, job_id: str, kind: str) -> Path:
        if not _JOB_ID.match(job_id):
            raise ValueError("a job id is 24 hex digits")
        return self._directory / f"{job_id}.{kind}.z"


class Incoming:
    """A payload that comes in pieces, written beside its place until all of it is there.

    Args:
        path: Its place.
        compressed: Another machine's `write` has compressed it already.
    """

    def __init__(self, path: Path, *, compressed: bool = False) -> None:
        self.size = 0  # bytes that came
        self._path = path
        self._beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._compressor = None if compressed else zlib.compressobj(_LEVEL)
        self._file: BinaryIO | None = None

    def add(self, piece: bytes) -> None:
        """Takes the next piece.

        Raises:
            OSError: The disk is full, or the directory is gone.
        """
        self.size += len(piece)
        self._write(self._compressor.compress(piece) if self._compressor else piece)

    @contextlib.contextmanager
    def complete(self) -> Iterator[Callable[[], object]]:
        """All has come; gives what puts it in its place.

        In the end it is in place, on disk; or, if nothing has put it there, gone.

        Raises:
            OSError: The disk is full, or the directory is gone.
        """
        try:
            file = self._write(self._compressor.flush() if self._compressor else b"")
            file.flush()
            os.fsync(file.fileno())
            file.close()
            yield partial(os.replace, self._beside, self._path)
        finally:
            self.discard()
        paths.sync_directory(self._path.parent)

    def discard(self) -> None:
        """Forgets what is not in its place."""
        if self._file is None:
            return
        with contextlib.suppress(OSError):  # of a full disk, with what was still to be written
            self._file.close()
        self._file = None
        self._beside.unlink(missing_ok=True)

    def _write(self, content: bytes) -> BinaryIO:
        if self._file is None:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self._file = os.fdopen(os.open(self._beside, flags, 0o600), "wb")
        self._file.write(content)
        return self._file


def write(path: Path, content: bytes) -> None:
    """Writes `content`, compressed, so that after a crash all of it is there or nothing.

    Raises:
        OSError: The disk is full, or the directory is gone.
    """
    _write_whole(Incoming(path), content)


def room_for(write: Callable[[], None]) -> bool:
    """Writes; False, and nothing is written, if the disk is full. A finished job waits for room.

    Raises:
        OSError: It fails otherwise.
    """
    try:
        write()
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        logger.error("no room for a result: %s; the job waits", error.strerror)
        return False
    return True


def write_compressed(path: Path, content: bytes) -> None:
    """As `write`, of what another machine's `write` has compressed already."""
    _write_whole(Incoming(path, compressed=True), content)


def _write_whole(incoming: Incoming, content: bytes) -> None:
    try:
        incoming.add(content)
        with incoming.complete() as put_in_place:
            put_in_place()
    finally:
        incoming.discard()


def read(path: Path) -> bytes:
    """Returns the content of a payload file.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read, or is damaged.
    """
    try:
        return zlib.decompress(path.read_bytes())
    except zlib.error as error:
        raise OSError(f"{path.name} is damaged") from error


def pieces(path: Path) -> Iterator[bytes]:
    """Yields the content of a payload file, of any size in little memory: 128 kB at most at once.

    Raises:
        FileNotFoundError: There is none.
        OSError: It cannot be read, or is damaged.
    """
    decompressor = zlib.decompressobj()
    with path.open("rb") as file:
        try:
            while compressed := file.read(_READ):
                while compressed:
                    yield decompressor.decompress(compressed, _PIECE)
                    compressed = decompressor.unconsumed_tail
            if rest := decompressor.flush():
                yield rest
        except zlib.error as error:
            raise OSError(f"{path.name} is damaged") from error
    if not decompressor.eof:
        raise OSError(f"{path.name} is damaged")
