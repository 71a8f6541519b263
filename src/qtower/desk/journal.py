"""The journal: what the desk knew, kept in SQLite so that it is there at once at the next start.

Rows, status transitions, intents of submission, and (in a folder beside it) results. Rows are
written in batches by a thread of the journal's own; an intent is on disk before the call returns.
Several agents may have one journal open.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from qtower.config import Keeping
from qtower.desk.intents import Intents
from qtower.desk.journal_rows import JournalRows
from qtower.desk.journal_store import JournalStore, Tell
from qtower.desk.kept_results import KeptResults, safe_name
from qtower.desk.unsent_qobjs import UnsentQobjs
from qtower.model import JobRow, Step


class Journal:
    """The journal of one account.

    A damaged file is put aside under another name. While the disk is full, or the file is locked
    or read-only, the journal is in memory, and goes back to its file by itself; that of a newer
    qtower is left alone. All of this is told, each once, as a title and a sentence.
    """

    def __init__(
        self,
        account_name: str,
        directory: Path | None,
        warn: Tell,
        *,
        inform: Tell | None = None,
        keeping: Keeping | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`directory` is the state directory; None keeps rows in memory, and nothing else.

        `warn` hears what is wrong, `inform` (None: the same) that it is well again. With
        `keeping`, what is older or more than that is forgotten, now and then.
        """
        name = safe_name(account_name)
        self._clock = clock
        file = directory / f"journal-{name}.db" if directory else None
        self._store = store = JournalStore(file, warn, inform or warn, clock=clock)
        unsent = UnsentQobjs(directory / f"unsent-{name}" if directory else None)
        self.intents = Intents(store.read, store.write, unsent, clock, store.hidden)
        self.results = KeptResults(directory / f"results-{name}" if directory else None, keeping)
        self._rows = JournalRows(store.read, store.write, self._shrink, keeping, clock, store.tend)
        self.watch(lambda: None)

    # -- its file -------------------------------------------------------------------------------

    @property
    def unwritten(self) -> float | None:
        """Since when it is in memory; None if it is written to its file."""
        return self._store.unwritten

    def watch(self, moved: Callable[[], object]) -> None:
        """`moved` is called, from any thread, when `unwritten` has changed."""

        def wake() -> None:
            self._rows.wake()
            moved()

        self._store.moved = wake

    def try_now(self) -> None:
        """If its file cannot be written, tries again soon; returns at once."""
        self._store.try_now()
        self._rows.wake()

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

    def _shrink(self) -> None:
        self._store.shrink()
        self.results.keep_house(self._clock())
