"""Results kept on disk: an endpoint may hand each one out only once.

A result is written while it is read, into a file of its own, which gets its name when all of it is
on disk and it is a result: a gateway may say of half of one that it is all. Only then is the
endpoint told that it may forget it. Where the disk does not take it, what has come is still given
to whoever asked for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec

from qtower import paths
from qtower.config import Keeping
from qtower.desk.result_file import COMING, CUT_OFF, DIGEST, ResultFile
from qtower.errors import NetworkError, StorageError

_log = logging.getLogger(__name__)

_DAY = 86_400.0
_MEGABYTE = 1_000_000
_LEAST_FREE = 16 * _MEGABYTE  # bytes of the disk, for a result whose length is not known
_PROBE = 1 << 16  # bytes that are written to see whether any can be: there may be a quota
_COMING_SECONDS = 3600.0  # nothing takes so long to come
_SILENT_SECONDS = 60.0  # of a result that comes; who reads it has died since


def safe_name(name: str) -> str:
    """`name` as a file name; where odd characters were replaced, a digest tells names apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:80].lstrip(".")
    if plain == name:
        return plain
    return f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def _nothing(*_: object) -> None:
    """For who does not want to know."""


class Obtained(msgspec.Struct, frozen=True):
    """A result document, and where it was found."""

    raw: bytes
    kept: bool  # it was here before
    problem: StorageError | None = None  # why it is not kept now


class KeptResults:
    """A folder of result documents, compressed, each with its checksum."""

    def __init__(self, folder: Path | None, keeping: Keeping | None = None) -> None:
        """Without a folder nothing can be kept; without `keeping`, everything is."""
        self._folder = folder
        self._keeping = keeping
        self._lock = threading.Lock()
        # A result may be readable only once: two readers of one job wait for each other.
        self._reading: WeakValueDictionary[str, _Turn] = WeakValueDictionary()
        self.tell: Callable[[str], object] = _nothing
        """Hears the id of each job whose result was kept."""
        self.tell_gone: Callable[[set[str]], object] = _nothing
        """Hears the `safe_name` of jobs whose results were removed."""

    def obtain(
        self,
        job_id: str,
        pieces: Callable[[], Iterable[bytes]],
        acknowledge: Callable[[], object] = _nothing,
    ) -> Obtained:
        """The result document of a job: the one that is kept, or what `pieces` reads, kept now.

        `acknowledge` is called when it is on disk, and not if it could not be kept. Raises
        whatever `pieces` raises; nothing is kept then.

        Raises:
            NetworkError: What came is not a whole result. It is put aside.
        """
        with self._lock:
            turn = self._reading.setdefault(job_id, _Turn())
        with turn.lock:
            raw = self.read(job_id)
            if raw is not None:
                return Obtained(raw, kept=True)
            obtained = self._receive(job_id, pieces())
            if obtained.problem is None:
                acknowledge()
        if obtained.problem is None:
            self.tell(job_id)
        else:
            _log.warning("the result of job %s is not kept: %s", job_id, obtained.problem)
        return obtained

    def read(self, job_id: str) -> bytes | None:
        """The result document of a job, or None if it was never kept or is damaged."""
        file = self._file(job_id)
        try:
            content = file.read_bytes() if file else b""
        except OSError:
            return None
        if file is None:
            return None
        digest, packed = content[:DIGEST], content[DIGEST + 1 :]
        try:
            raw = zlib.decompress(packed)
        except zlib.error:
            raw = b""
        if hashlib.sha256(raw).hexdigest().encode() == digest:
            return raw
        _log.warning("the kept result %s is damaged and is put aside", file.name)
        self.put_aside(job_id)
        return None

    def has(self, job_id: str) -> bool:
        """Whether the result of a job is kept."""
        file = self._file(job_id)
        with contextlib.suppress(OSError):  # a disk that does not answer has nothing
            return file is not None and file.exists()
        return False

    def is_coming(self, job_id: str) -> bool:
        """Whether somebody reads the result of a job just now: here, or in another process."""
        now, name = time.time(), safe_name(job_id)
        with contextlib.suppress(OSError):
            for file in self._folder.glob(f".{name}.*{COMING}") if self._folder else ():
                # One from the future was written before the clock was set back.
                if abs(now - file.stat().st_mtime) < _SILENT_SECONDS:
                    return True
        return False

    def names(self) -> set[str]:
        """The jobs whose results are kept, by their `safe_name`."""
        return {file.name for file, _ in self._files()}

    def obstacle(self) -> str:
        """Why no result can be kept at the moment, as a sentence; "" if one can."""
        if self._folder is None:
            return "There is no state directory to keep results in."
        probe = self._folder / f".probe.{os.getpid()}{COMING}"
        try:
            paths.private_dir(self._folder)
            if shutil.disk_usage(self._folder).free < _LEAST_FREE:
                return f"The disk of {self._folder} is almost full."
            probe.write_bytes(b"\0" * _PROBE)
        except StorageError as error:
            return str(error)
        except OSError as error:
            return f"Nothing can be written to {self._folder}: {error.strerror or error}."
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
        return ""

    def put_aside(self, job_id: str) -> None:
        """What is kept of a job is no result."""
        file = self._file(job_id)
        if file is not None:
            with contextlib.suppress(OSError):
                file.replace(file.with_name(f"{file.name}.damaged"))

    def keep_house(self, now: float | None = None) -> None:
        """Removes the oldest until what is left is no more, and no older, than it may be."""
        now = time.time() if now is None else now
        if self._keeping is None:
            return
        room = self._keeping.results_mb * _MEGABYTE
        days = self._keeping.result_days
        oldest = now - days * _DAY if days else 0.0
        removed: set[str] = set()
        for file, status in sorted(self._files(), key=lambda each: -each[1].st_mtime):
            if file.name.endswith(COMING):
                if status.st_mtime < now - _COMING_SECONDS:
                    file.replace(file.with_name(file.name.strip(".").partition(".")[0] + CUT_OFF))
                continue
            room -= status.st_size
            if room < 0 or status.st_mtime < oldest:
                _log.info("the kept result %s is removed: it is old", file.name)
                file.unlink(missing_ok=True)
                removed.add(file.name)
        if removed:
            self.tell_gone(removed)

    # -- inside ---------------------------------------------------------------------------------

    def _file(self, job_id: str) -> Path | None:
        return self._folder / safe_name(job_id) if self._folder else None

    def _files(self) -> Iterator[tuple[Path, os.stat_result]]:
        with contextlib.suppress(OSError):
            for file in list(self._folder.iterdir()) if self._folder else []:
                with contextlib.suppress(FileNotFoundError):
                    yield file, file.stat()

    def _receive(self, job_id: str, pieces: Iterable[bytes]) -> Obtained:
        """Reads all pieces; what of them cannot be written is read all the same."""
        came: list[bytes] = []
        file = self._file(job_id)
        problem = StorageError("There is no state directory to keep results in.")
        with contextlib.closing(ResultFile(file)) as writing:
            for piece in pieces:
                came.append(piece)
                writing.write(piece)
            raw = b"".join(came)
            if not _is_result(raw):
                writing.cut_off()
                raise NetworkError(
                    "What the endpoint gave is not a whole result.", "It can be read again."
                )
            writing.finish()
        if writing.fault is None and file is not None:
            return Obtained(raw, kept=False)
        if writing.fault is not None:
            problem = StorageError(
                f"The result of job {job_id} could not be kept: {writing.fault}.",
                "Check the free space of the disk.",
            )
        return Obtained(raw, kept=False, problem=problem)


def _is_result(raw: bytes) -> bool:
    """True for a JSON object with results in it; half of one never is, nor a page, nor an error."""
    try:
        return "results" in msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except RecursionError:
        return False
    except msgspec.DecodeError:
        pass  # Python's own reader takes what some services write: lone surrogates, and NaN
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and "results" in document


class _Turn:
    """A lock that can be referred to weakly: it is gone when nobody holds or awaits it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
