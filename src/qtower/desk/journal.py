"""The journal: what the desk knew, kept in SQLite so that it is there at once at the next start.

Rows, status transitions, intents of submission, and (in a folder beside it) results. Rows are
written in batches by a thread of the journal's own; an intent is on disk before the call returns.
Several agents may have one journal open.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from qtower.config import Keeping
from qtower.desk.intents import Intents
from qtower.desk.journal_file import (
    commit,
    copied,
    copy_of,
    in_memory,
    open_file,
    plainly,
    put_aside,
    shrink,
)
from qtower.desk.journal_rows import JournalRows, Write
from qtower.desk.kept_results import KeptResults, safe_name
from qtower.desk.unsent_qobjs import UnsentQobjs
from qtower.errors import StorageError
from qtower.model import JobRow, Step


class Journal:
    """The journal of one account.

    A damaged file is put aside under another name; a disk that is full or read-only leaves the
    journal in memory, and so does the file of a newer qtower. All are told to `tell`, once, as a
    title and a sentence.
    """

    def __init__(
        self,
        account_name: str,
        directory: Path | None,
        tell: Callable[[str, str], None],
        *,
        keeping: Keeping | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`directory` is the state directory; None keeps everything in memory.

        With `keeping`, what is older or more than that is forgotten, now and then.
        """
        name = safe_name(account_name)
        self.path = directory / f"journal-{name}.db" if directory else None
        self._tell = tell
        self._clock = clock
        self._lock = threading.RLock()
        self._untold: sqlite3.Error | None = None
        self._connection = self._open()
        unsent = UnsentQobjs(directory / f"unsent-{name}" if directory and self.path else None)
        self.intents = Intents(self._read, self._write, unsent, clock)
        self.results = KeptResults(directory / f"results-{name}" if directory else None, keeping)
        self._rows = JournalRows(self._read, self._write, self._shrink, keeping, clock)

    # -- rows -----------------------------------------------------------------------------------

    def rows(self) -> list[JobRow]:
        """All rows as last written. A row that cannot be read is left out."""
        return list({row.key: row for chunk in self.chunks() for row in chunk}.values())

    def chunks(self) -> Iterator[list[JobRow]]:
        """As `rows`, in chunks, the newest first; a row may come twice."""
        kept = self.results.names()
        for rows in self._rows.chunks():
            yield [
                replace(row, saved=False)
                if row.saved and safe_name(row.job_id) not in kept
                else row
                for row in rows
            ]

    def save(self, rows: Sequence[JobRow], gone: Sequence[str] = ()) -> None:
        """Writes rows and forgets those of the keys `gone`, soon; returns at once."""
        self._rows.save(rows, gone)

    def transitions(self, key: str) -> list[Step]:
        """The statuses of a job and when each was entered, in order of time."""
        return self._rows.transitions(key)

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was saved is written; False if that took longer than `timeout` s."""
        return self._rows.flush(timeout)

    def keep_house(self) -> None:
        """Forgets ended jobs beyond what is to be kept; this also happens by itself."""
        self._rows.keep_house()

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
            file, self.path = self.path, None
            self._tell_of_memory(error)
            try:
                return copy_of(file)  # what can be read of it; the file is left as it is
            except sqlite3.Error:
                return in_memory()

    def _tell_of_memory(self, error: Exception) -> None:
        self._tell(
            "Journal not written",
            f"The journal cannot be written: {plainly(error)}. Work goes on, but what is learned "
            "now will not be there at the next start.",
        )

    def _fall_back(self, error: sqlite3.Error) -> None:
        """Goes on in memory, with what can still be read of the file."""
        memory = copied(self._connection)
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connection, self.path = memory, None
        self._untold = error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """What went wrong inside is told outside: who listens may be waiting for this lock."""
        try:
            with self._lock:
                try:
                    yield
                finally:
                    untold, self._untold = self._untold, None
        finally:
            if untold is not None:
                self._tell_of_memory(untold)

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._locked():
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                if self.path is None:
                    raise StorageError(f"The journal failed: {error}.") from error
                self._fall_back(error)
                return self._connection.execute(query, values).fetchall()

    def _write(self, writes: Sequence[Write], durable: bool) -> None:
        with self._locked():
            try:
                commit(self._connection, writes, durable=durable)
            except sqlite3.Error as error:
                if self.path is None:
                    raise StorageError(f"The journal failed: {error}.") from error
                self._fall_back(error)
                commit(self._connection, writes, durable=False)

    def _shrink(self) -> None:
        with self._lock:
            shrink(self._connection)
        self.results.keep_house(self._clock())
