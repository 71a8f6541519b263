"""Where the journal is kept: in its SQLite file, or in memory as long as that cannot be written.

A file that was locked, full or read-only is gone back to by itself, as soon as it takes what was
learned meanwhile; a damaged one is put aside for a new one; that of a newer qtower is left alone.
"""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qtower import paths
from qtower.desk.journal_file import (
    NewerJournalError,
    commit,
    identity,
    open_file,
    plainly,
    put_aside,
    set_patience,
    shrink,
)
from qtower.desk.journal_memory import (
    all_is_new,
    copied,
    copy_of,
    in_memory,
    made_here,
    note_changes,
)
from qtower.desk.journal_return import bring_rows, bring_sets
from qtower.desk.journal_rows import Write
from qtower.desk.journal_schema import birth
from qtower.errors import StorageError

_log = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 2.0, 60.0  # before the file is tried again
_STEADY_SECONDS = 600.0  # a file that was written for so long is sound again
_PATIENCE_SECONDS = 0.5  # with others that write, while nobody has to wait for us

Tell = Callable[[str, str], object]
"""Told a title and a sentence."""


def _nothing() -> None:
    """For who does not want to know."""


class JournalStore:
    """One connection for all threads. What fails on the file is done in memory instead."""

    def __init__(
        self,
        path: Path | None,
        warn: Tell,
        inform: Tell,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Without a `path` it is memory for good. `warn` and `inform` hear of faults and their end.

        `ticks` are the seconds that tell when the file is to be tried again.
        """
        self.moved: Callable[[], object] = _nothing
        """Called after it went to memory, or back to its file."""
        self.away = ""
        """Why the file is not written; "" if it is, or if there is none."""
        self.unwritten = None if path else clock()
        """Since when nothing is written; None if it is."""
        self._path = path
        self._warn, self._inform = warn, inform
        self._clock, self._ticks = clock, ticks
        self._lock = threading.RLock()
        self._untold: Exception | None = None
        self._damaged = False  # perhaps: so said SQLite of something in it
        self._pause, self._next_try, self._back_since = 0.0, math.inf, -math.inf
        self._connection = self._open()

    # -- reading and writing --------------------------------------------------------------------

    def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """What the query finds.

        Raises:
            StorageError: Memory itself failed.
        """
        with self._locked():
            try:
                return self._connection.execute(query, values).fetchall()
            except sqlite3.Error as error:
                self._fall_back(error)
                return self._connection.execute(query, values).fetchall()

    def write(self, writes: Sequence[Write], durable: bool, set_id: str = "") -> None:
        """Runs each query on its records, as a whole; `durable`: on disk at the return.

        With `set_id` nothing is written that only this process would know of a submission of
        which others know as well.

        Raises:
            StorageError: Others would not know of it, or memory itself failed.
        """
        with self._locked():
            self._must_be_seen(set_id)
            try:
                commit(self._connection, writes, durable=durable)
            except sqlite3.Error as error:
                self._fall_back(error)
                self._must_be_seen(set_id)
                commit(self._connection, writes, durable=False)

    def shrink(self) -> None:
        """Gives the disk back what is not needed."""
        with self._lock:
            shrink(self._connection)

    def hidden(self) -> bool:
        """Whether others do not see what is written here, nor is all seen that they write."""
        return bool(self.away)

    def _must_be_seen(self, set_id: str) -> None:
        if set_id and self.away and not made_here(self._connection, set_id):
            raise StorageError(
                f"This set is left as it is: the journal cannot be written ({self.away}), and "
                "another qtower would not know what becomes of it.",
                "Try it again when the journal is written again.",
            )

    # -- to memory ------------------------------------------------------------------------------

    def _open(self) -> sqlite3.Connection:
        if self._path is None:
            return in_memory()
        try:
            return self._open_file(self._path)
        except (sqlite3.Error, OSError, StorageError) as error:
            self._leave(error)
            self._tell_of_memory(error)
            try:
                memory = copy_of(self._path)  # what can be read of it; the file is left as it is
            except sqlite3.Error:
                memory = in_memory()
            return note_changes(memory)

    def _open_file(self, path: Path, patience: float | None = None) -> sqlite3.Connection:
        """Opens the file; a damaged one is put aside, and a new one begun."""
        seen = identity(path)
        try:
            return open_file(path, patience, thorough=self._damaged)
        except sqlite3.OperationalError:
            raise  # locked, read-only or full: the file itself may be sound
        except sqlite3.DatabaseError as error:
            if identity(path) != seen:
                raise  # another qtower was quicker: what is there now is its new one
            aside = put_aside(path, self._clock())
            self._warn(
                "Journal damaged",
                f"The journal could not be read ({error}). It was kept as {aside.name}, and a "
                "new one was begun.",
            )
            return open_file(path, patience)

    def _fall_back(self, error: sqlite3.Error) -> None:
        """Goes on in memory, with what can still be read of the file."""
        if self._path is None or self.away:
            raise StorageError(f"The journal failed: {error}.") from error
        memory = note_changes(copied(self._connection))
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()
        self._connection = memory
        self._leave(error)
        self._untold = error

    def _leave(self, error: Exception) -> None:
        self.away, self.unwritten = plainly(error), self._clock()
        self._damaged |= type(error) is sqlite3.DatabaseError
        now = self._ticks()
        steady = now - self._back_since > _STEADY_SECONDS
        self._wait_for_try(_FIRST_PAUSE_SECONDS if steady else 2 * self._pause)
        if isinstance(error, NewerJournalError):
            self._next_try = math.inf

    def _wait_for_try(self, pause: float) -> None:
        self._pause = min(pause, _LONGEST_PAUSE_SECONDS)
        self._next_try = self._ticks() + self._pause

    def _tell_of_memory(self, error: Exception) -> None:
        what = (
            "Work goes on, and it is tried again by itself. Until then nothing new is kept: if "
            "qtower ends, what it has learned is lost, and so is what it still had to send."
        )
        if isinstance(error, NewerJournalError):
            what = "Work goes on, but what is learned now will not be there at the next start."
        words = f"The journal cannot be written: {plainly(error)}. {what}"
        self._warn("Journal not written", words)

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
                self.moved()

    # -- back to the file -----------------------------------------------------------------------

    def try_now(self) -> None:
        """The file is to be tried by the next `tend`, unless that is no use."""
        with self._lock:
            if self._next_try < math.inf:
                self._next_try = self._ticks()

    def tend(self) -> float | None:
        """Goes back to the file if it is time to try that.

        To be called by the thread that writes rows, and by no other. Returns after how many
        seconds it wants to be called again; None: not before it has moved.
        """
        left = self._next_try - self._ticks()
        if not self.away or left == math.inf:
            return None
        if left > 0:
            return left
        assert self._path is not None
        try:
            self._go_back(self._path)
        except (sqlite3.Error, OSError, StorageError) as error:
            _log.info("the journal still cannot be written: %s", error)
            return self._not_yet(error)
        self._inform(
            "Journal written again", "The journal is written again, with all that was learned."
        )
        self.moved()
        return None

    def _not_yet(self, error: Exception) -> float | None:
        with self._lock:
            self.away = plainly(error)
            self._damaged |= type(error) is sqlite3.DatabaseError
            self._wait_for_try(2 * self._pause)
            if not isinstance(error, NewerJournalError):
                return self._pause
            self._next_try = math.inf
        self._tell_of_memory(error)
        return None

    def _go_back(self, path: Path) -> None:
        paths.private_dir(path.parent)
        file = self._open_file(path, _PATIENCE_SECONDS)
        memory = self._connection
        try:
            with self._lock:
                if birth(file) != birth(memory):
                    all_is_new(memory)
            bring_rows(memory, file, self._lock)
            with self._lock:
                bring_rows(memory, file, self._lock)  # what was changed meanwhile
                bring_sets(memory, file)
                set_patience(file)
                self._damaged = False
                self._connection, self.away, self.unwritten = file, "", None
                self._next_try, self._back_since = math.inf, self._ticks()
        except BaseException:
            file.close()
            raise
        memory.close()
