"""The rows of the journal: read newest first in chunks, written in batches, forgotten in the end.

Rows are written by a thread of their own, so that whoever learns something new never waits for a
disk; several states of one job that come together are one row, and every transition among them.
"""

from __future__ import annotations

import contextlib
import logging
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from qtower.config import Keeping
from qtower.model import JobRow, Status, Step
from qtower.text import encodable

logger = logging.getLogger(__name__)

CHUNK = 500
"""Rows that are read, and told, at once."""

_FIRST_UPKEEP_SECONDS, _UPKEEP_SECONDS = 20.0, 3600.0
_DAY = 86_400.0
_LAST_ID = 1 << 62

UPSERT = (
    "INSERT INTO jobs (key, created, final, row) VALUES (?, ?, ?, ?) ON CONFLICT (key) DO UPDATE"
    " SET created = excluded.created, final = excluded.final, row = excluded.row"
)
ENTER = (
    "INSERT INTO transitions SELECT id, ?, ? FROM jobs WHERE key = ?"
    " ON CONFLICT DO UPDATE SET at = min(at, excluded.at)"
)
FORGET = (
    "DELETE FROM transitions WHERE job = (SELECT id FROM jobs WHERE key = ?)",
    "DELETE FROM jobs WHERE key = ?",
)

# Intents of sets that were sent, and whose jobs are forgotten.
_FORGET_SENT = (
    "DELETE FROM intents WHERE state IN ('sent', 'left')"
    " AND set_id NOT IN (SELECT set_id FROM intents WHERE state NOT IN ('sent', 'left'))"
    " AND NOT EXISTS (SELECT 1 FROM jobs WHERE key = set_id || '/' || part)",
    "DELETE FROM submissions WHERE set_id NOT IN (SELECT set_id FROM intents)",
)

Write = tuple[str, Sequence[Sequence[object]]]
"""A query, and the records that it is run with."""

Record = tuple[str, float | None, bool, bytes]
"""A row as `UPSERT` takes it: its key, when it was created, whether it has ended, itself."""


class JournalRows:
    """The rows of one account, and when each entered its statuses."""

    def __init__(
        self,
        read: Callable[..., list[tuple[Any, ...]]],
        write: Callable[[list[Write], bool], None],
        shrink: Callable[[], None],
        keeping: Keeping | None,
        clock: Callable[[], float],
        tend: Callable[[], float | None],
    ) -> None:
        """`read` runs a query with its values, `write` a transaction, durable if it is true.

        `shrink` gives the disk back what is not needed. Without `keeping`, all is kept. `tend`
        looks after the file, between two batches, and returns after how many seconds it wants
        to be called again; None: not before `wake`.
        """
        self._read = read
        self._write = write
        self._shrink = shrink
        self._keeping = keeping
        self._clock = clock
        self._tend = tend
        self._pending: queue.SimpleQueue[tuple[list[JobRow], list[str]] | threading.Event] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._write_pending, name="journal", daemon=True).start()

    # -- reading --------------------------------------------------------------------------------

    def chunks(self) -> Iterator[list[JobRow]]:
        """All rows as last written, in chunks: the newest first, then the others in any order.

        A row that cannot be read is left out; one that is written meanwhile may come twice.
        """
        found = self._read("SELECT created, row FROM jobs ORDER BY created DESC LIMIT ?", CHUNK)
        yield _decoded([raw for _, raw in found])
        if len(found) < CHUNK:
            return
        # The last date again, because others may share it.
        query = (
            "SELECT id, row FROM jobs WHERE id < ? AND (created <= ? OR created IS NULL)"
            " ORDER BY id DESC LIMIT ?"
        )
        until, last = found[-1][0], _LAST_ID
        while found := self._read(query, last, until, CHUNK):
            yield _decoded([raw for _, raw in found])
            last = found[-1][0]

    def transitions(self, key: str) -> list[Step]:
        """The statuses of a job and when each was entered, in order of time."""
        found = self._read(
            "SELECT status, at FROM transitions JOIN jobs ON job = id WHERE key = ? ORDER BY at",
            key,
        )
        return [Step(name=status, at=at) for status, at in found]

    # -- writing --------------------------------------------------------------------------------

    def save(self, rows: Sequence[JobRow], gone: Sequence[str] = ()) -> None:
        """Writes rows and forgets those of the keys `gone`, soon; returns at once."""
        if rows or gone:
            self._pending.put((list(rows), list(gone)))

    def flush(self, timeout: float | None = None) -> bool:
        """Waits until all that was saved is written; False if that took longer than `timeout` s."""
        done = threading.Event()
        self._pending.put(done)
        return done.wait(timeout)

    def wake(self) -> None:
        """The thread that writes has to look after the file; returns at once."""
        self._pending.put(([], []))

    def keep_house(self) -> None:
        """Forgets ended jobs beyond what is to be kept, and gives their room back to the disk."""
        doomed = "SELECT id FROM jobs WHERE final AND created < ?"
        for oldest in self._limits():
            self._write(
                [
                    (f"DELETE FROM transitions WHERE job IN ({doomed})", [(oldest,)]),
                    ("DELETE FROM jobs WHERE final AND created < ?", [(oldest,)]),
                ],
                False,
            )
        self._write([(query, [()]) for query in _FORGET_SENT], False)
        self._shrink()

    def _limits(self) -> Iterator[float]:
        """Dates of creation before which ended jobs are to be forgotten."""
        if self._keeping is None:
            return
        if self._keeping.job_days:
            yield self._clock() - self._keeping.job_days * _DAY
        query = "SELECT created FROM jobs WHERE final ORDER BY created DESC LIMIT 1 OFFSET ?"
        for (created,) in self._read(query, max(self._keeping.jobs - 1, 0)):
            if created is not None:
                yield created

    def _write_pending(self) -> None:
        next_upkeep = time.monotonic() + _FIRST_UPKEEP_SECONDS if self._keeping else math.inf
        while True:
            if time.monotonic() >= next_upkeep:
                next_upkeep = time.monotonic() + _UPKEEP_SECONDS
                self._guarded(self.keep_house)
            pause = self._guarded(self._tend)
            patience = next_upkeep - time.monotonic()
            patience = patience if pause is None else min(patience, pause)
            with contextlib.suppress(queue.Empty):
                timeout = None if patience == math.inf else max(0.0, patience)
                self._write_batch(self._pending.get(timeout=timeout))

    def _guarded(self, step: Callable[[], float | None]) -> float | None:
        """What `step` returns; the thread does not end of what it raises."""
        try:
            return step()
        except Exception:  # the journal itself has told what is wrong with its file
            logger.exception("the journal could not be looked after")
            return None

    def _write_batch(self, item: tuple[list[JobRow], list[str]] | threading.Event) -> None:
        """Writes what is pending, `item` first, in one transaction."""
        rows: dict[str, JobRow | None] = {}
        entered: list[tuple[str, float, str]] = []  # also those that the batch supersedes
        reached: list[threading.Event] = []
        while True:
            if isinstance(item, threading.Event):
                reached.append(item)
            else:
                rows.update((row.key, row) for row in item[0])
                entered += [
                    (row.status.value, row.since, row.key)
                    for row in item[0]
                    if row.since is not None and row.status is not Status.UNKNOWN
                ]
                rows.update((key, None) for key in item[1])
            try:
                item = self._pending.get_nowait()
            except queue.Empty:
                break
        try:
            if rows:
                self._write_rows(rows, entered)
        except Exception:  # memory itself failed: nothing is left to fall back on
            logger.exception("rows were not written to the journal")
        for event in reached:
            event.set()

    def _write_rows(
        self, rows: dict[str, JobRow | None], entered: list[tuple[str, float, str]]
    ) -> None:
        kept, left_out = _encoded(row for row in rows.values() if row is not None)
        entered = [each for each in entered if each[2] not in left_out]
        gone = [(encodable(key),) for key, row in rows.items() if row is None]
        forget = [(query, gone) for query in FORGET]
        self._write([(UPSERT, kept), (ENTER, entered), *forget], False)


def _encoded(rows: Iterable[JobRow]) -> tuple[list[Record], set[str]]:
    """A record for each row, and the keys of those that cannot be written."""
    kept: list[Record] = []
    left_out: set[str] = set()
    for row in rows:
        try:
            kept.append((row.key, row.created, row.status.final, msgspec.json.encode(row)))
        except Exception:  # a job may hold anything: it keeps nothing but itself out
            logger.exception("the journal leaves out the row of job %r", row.key)
            left_out.add(row.key)
    return kept, left_out


_decode_all = msgspec.json.Decoder(list[JobRow]).decode
_decode_one = msgspec.json.Decoder(JobRow).decode


def _decoded(found: list[bytes]) -> list[JobRow]:
    """The rows among what was found; what is none is left out."""
    try:
        return _decode_all(b"[" + b",".join(found) + b"]")
    except (msgspec.DecodeError, TypeError):
        pass
    rows: list[JobRow] = []
    for raw in found:
        try:
            rows.append(_decode_one(raw))
        except msgspec.DecodeError as error:
            logger.warning("the journal has a row that cannot be read: %s", error)
    return rows
