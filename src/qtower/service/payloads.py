"""Qobjs and results as compressed files beside the store, each written whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

_JOB_ID = re.compile(r"[0-9a-f]{24}\Z")

# Level 1 takes a tenth of the time of the default level and packs counts almost as tightly.
_LEVEL = 1


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

    def _file(self, job_id: str, kind: str) -> Path:
        if not _JOB_ID.match(job_id):
            raise ValueError("a job id is 24 hex digits")
        return self._directory / f"{job_id}.{kind}.z"


def write(path: Path, content: bytes) -> None:
    """Writes `content`, compressed, so that after a crash all of it is there or nothing.

    Raises:
        OSError: The disk is full, or the directory is gone.
    """
    with written_beside(path, content) as put_in_place:
        put_in_place()


def write_compressed(path: Path, content: bytes) -> None:
    """As `write`, of what another machine's `write` has compressed already."""
    with _beside(path, content) as put_in_place:
        put_in_place()


def written_beside(
    path: Path, content: bytes
) -> contextlib.AbstractContextManager[Callable[[], object]]:
    """Writes `content`, compressed, beside `path`; gives what puts it in its place.

    In the end it is in place, on disk; or, if nothing has put it there, gone.

    Raises:
        OSError: The disk is full, or the directory is gone.
    """
    return _beside(path, zlib.compress(content, _LEVEL))


@contextlib.contextmanager
def _beside(path: Path, compressed: bytes) -> Iterator[Callable[[], object]]:
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(compressed)
            file.flush()
            os.fsync(file.fileno())
        yield partial(os.replace, beside, path)
    finally:
        beside.unlink(missing_ok=True)
    _sync_directory(path.parent)


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


def _sync_directory(directory: Path) -> None:
    # Without this the rename itself may be lost when the machine loses power.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
