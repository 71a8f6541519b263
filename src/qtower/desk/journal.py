"""The journal: what the desk knew, kept in SQLite so that it is there at once at the next start.

Rows, status transitions, intents of submission, and (in a folder beside it) results. Rows are
written in batches by a thread of the journal's own; an intent is on disk before the call returns.
Several agents may have one journal open.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from qtower.desk.journal_file import commit, in_memory, open_file, put_aside
from qtower.desk.kept_results import KeptResults, safe_name
from qtower.errors import StorageError
from qtower.model import JobRow, Status, Step
from qtower.processes import process_name
from qtower.text import encodable

logger = logging.getLogger(__name__)

_Record = TypeVar("_Record")


class IntentPart(msgspec.Struct, frozen=True, kw_only=True):
    """One job of a set that is about to be sent."""

    index: int
    start_index: int
    experiments: int
    shots: int | None
    label: str
    tags: tuple[str, ...]


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A part that a process (`owner`) meant to send, and of which no end is known."""

    set_id: str
    set_name: str
    backend: str
    part: IntentPart
    owner: str
    at: float


class Journal:
    """The journal of one account.

    A damaged file is put aside under another name; a disk that is full or read-only leaves the
    journal in memory. Both are told to `tell`, once, as a title and a sentence.
    """

    def __init__(
        self,
        account_name: str,
        directory: Path | None,
        tell: Callable[[str, str], None],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`directory` is the state directory; None keeps everything in memory."""
        name = safe_name(account_name)
        self.path = directory / f"journal-{name}.db" if directory else None
        self._results = KeptResults(directory / f"results-{name}") if directory else None
        self._tell = tell
        self._clock = clock
        self._lock = threading.RLock()
        self._pending: queue.SimpleQueue[tuple[list[JobRow], list[str]] | threading.Event] = (
            queue.SimpleQueue()
        )
        self._connection = self._open()
        threading.Thread(target=self._write_pending, name="journal", daemon=True).start()

    # -- rows -----------------------------------------------------------------------------------

    def rows(self) -> list[JobRow]:
        """All rows as last written, in no order. A row that cannot be read is left out."""
        return list(_decoded(self._read("SELECT row FROM jobs"), JobRow))

    def save(self, rows: Sequence[JobRow], gone: Sequence[str] = ()) -> None:
        """Writes rows and forgets those of the keys `gone`, soon; returns at once."""
        if rows or gone:
            self._pending.put((list(rows), list(gone)))

    def transitions(self, key: str) -> list[Step]:
        """The statuses of a job and when each was entered, in order of time."""
        found = self._read("SELECT status, at FROM transitions WHERE key = ? ORDER BY at", key)
        return [Step(name=status, at=at) for status, at in found]

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was saved is written; False if that took longer than `timeout` s."""
        done = threading.Event()
        self._pending.put(done)
        return done.wait(timeout)

    # -- intents --------------------------------------------------------------------------------

    def record_intent(
        self, set_id: str, set_name: str, backend: str, parts: Iterable[IntentPart]
    ) -> None:
        """Writes down, durably, what is about to be sent. Call it before the first request."""
        now, owner = self._clock(), process_name()
        intents = [
            Intent(
                set_id=set_id, set_name=set_name, backend=backend, part=part, owner=owner, at=now
            )
            for part in parts
        ]
        records = [(set_id, intent.part.index, msgspec.json.encode(intent)) for intent in intents]
        query = "INSERT OR REPLACE INTO intents (set_id, part, intent) VALUES (?, ?, ?)"
        self._transact([(query, records)], durable=True)

    def part_sent(self, set_id: str, index: int, job_id: str) -> None:
        """The endpoint acknowledged part `index` as job `job_id`."""
        self._close_intent("sent", job_id, "", set_id, index)

    def part_failed(self, set_id: str, index: int, error: str) -> None:
        """Part `index` was refused, or gave up."""
        self._close_intent("failed", "", error, set_id, index)

    def open_intents(self) -> list[Intent]:
        """Parts that were meant to be sent and of which no end was written.

        One that cannot be read is left out.
        """
        found = self._read("SELECT intent FROM intents WHERE state = 'open' ORDER BY set_id, part")
        return list(_decoded(found, Intent))

    # -- results --------------------------------------------------------------------------------

    def keep_result(self, job_id: str, raw: bytes) -> None:
        """Keeps the result document of a job.

        Raises:
            StorageError: It could not be written.
        """
        if self._results is None:
            raise StorageError("There is no state directory to keep results in.")
        self._results.keep(job_id, raw)

    def kept_result(self, job_id: str) -> bytes | None:
        """The result document of a job as it was kept, or None."""
        return self._results.read(job_id) if self._results else None

    # -- the file -------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return in_memory()
        try:
            try:
                return open_file(self.path)
            except sqlite3.OperationalError:
                raise  # locked, read-only or full: the file itself may be sound
            except sqlite3.DatabaseError as error:
                aside = put_aside(self.path, self._clock())
                self._tell(
                    "Journal damaged",
                    f"The journal could not be read ({error}). It was kept as {aside.name}, and a "
                    "new one was begun.",
                )
                return open_file(self.path)
        except (sqlite3.Error, OSError, StorageError) as error:
            self._tell_of_memory(error)
            return in_memory()

    def _tell_of_memory(self, error: Exception) -> None:
        self._tell(
            "Journal not written",
            f"The journal cannot be written: {error}. Work goes on, but what is learned now "
            "will not be there at the next start.",
        )

    def _fall_back(self, error: sqlite3.Error) -> None:
        """Goes on in memory, with what can still be read of the file."""
        memory = in_memory()
        for table in ("jobs", "transitions", "intents"):
            with contextlib.suppress(sqlite3.Error):
                found = self._connection.execute(f"SELECT * FROM {table}").fetchall()
                for record in found:
                    marks = ",".join("?" * len(record))
                    memory.execute(f"INSERT INTO {table} VALUES ({marks})", record)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connection, self.path = memory, None
        self._tell_of_memory(error)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                if self.path is None:
                    raise StorageError(f"The journal failed: {error}.") from error
                self._fall_back(error)
                return self._connection.execute(query, values).fetchall()

    def _transact(
        self, writes: list[tuple[str, Sequence[Sequence[object]]]], *, durable: bool = False
    ) -> None:
        with self._lock:
            try:
                commit(self._connection, writes, durable=durable)
            except sqlite3.Error as error:
                if self.path is None:
                    raise StorageError(f"The journal failed: {error}.") from error
                self._fall_back(error)
                commit(self._connection, writes, durable=False)

    def _close_intent(self, state: str, job_id: str, error: str, set_id: str, index: int) -> None:
        query = "UPDATE intents SET state = ?, job_id = ?, error = ? WHERE set_id = ? AND part = ?"
        self._transact([(query, [(state, job_id, error, set_id, index)])])

    def _write_pending(self) -> None:
        while True:
            rows: dict[str, JobRow | None] = {}
            entered: list[tuple[str, str, float]] = []  # also those that the batch supersedes
            reached: list[threading.Event] = []
            item = self._pending.get()
            while True:
                if isinstance(item, threading.Event):
                    reached.append(item)
                else:
                    rows.update((row.key, row) for row in item[0])
                    entered += [
                        (row.key, row.status.value, row.since)
                        for row in item[0]
                        if row.since is not None and row.status is not Status.UNKNOWN
                    ]
                    rows.update((key, None) for key in item[1])
                try:
                    item = self._pending.get_nowait()
                except queue.Empty:
                    break
            try:
                self._write_rows(rows, entered)
            except Exception:  # memory itself failed: nothing is left to fall back on
                logger.exception("rows were not written to the journal")
            for event in reached:
                event.set()

    def _write_rows(
        self, rows: dict[str, JobRow | None], entered: list[tuple[str, str, float]]
    ) -> None:
        kept, left_out = _encoded(row for row in rows.values() if row is not None)
        entered = [each for each in entered if each[0] not in left_out]
        gone = [(encodable(key),) for key, row in rows.items() if row is None]
        if rows:
            self._transact(
                [
                    ("INSERT OR REPLACE INTO jobs VALUES (?, ?)", kept),
                    (
                        "INSERT INTO transitions VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                        " SET at = min(at, excluded.at)",
                        entered,
                    ),
                    ("DELETE FROM jobs WHERE key = ?", gone),
                    ("DELETE FROM transitions WHERE key = ?", gone),
                ]
            )


def _encoded(rows: Iterable[JobRow]) -> tuple[list[tuple[str, bytes]], set[str]]:
    """Each row by its key as JSON, and the keys of those that cannot be written."""
    kept: list[tuple[str, bytes]] = []
    left_out: set[str] = set()
    for row in rows:
        try:
            kept.append((row.key, msgspec.json.encode(row)))
        except Exception:  # a job may hold anything: it keeps nothing but itself out
            logger.exception("the journal leaves out the row of job %r", row.key)
            left_out.add(row.key)
    return kept, left_out


def _decoded(found: Iterable[tuple[Any, ...]], kind: type[_Record]) -> Iterator[_Record]:
    """The records of `kind` among those found; what is none is left out."""
    decoder = msgspec.json.Decoder(kind)
    for (raw,) in found:
        try:
            yield decoder.decode(raw)
        except msgspec.DecodeError as error:
            logger.warning("the journal has a %s that cannot be read: %s", kind.__name__, error)
