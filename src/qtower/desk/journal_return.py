"""From memory back to the file: what was changed here, beside what others wrote there meanwhile.

What nobody else has changed becomes what it is here. Of a job that others have read as well the
newer row stands. A part of a submission keeps the state that is furthest on its way to the server:
none is sent twice, and none that was given up comes back.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from qtower.desk.intents import UNSENT, PartState, Wish
from qtower.desk.journal_file import transaction
from qtower.desk.journal_rows import CHUNK, ENTER, FORGET, UPSERT, Record
from qtower.desk.merging import newer_of
from qtower.model import JobRow
from qtower.processes import process_lives

# Where it was changed on both sides, the first of these stands that one side has.
_FURTHEST = (PartState.SENT, PartState.LEFT, PartState.BEGUN, PartState.FAILED, PartState.OPEN)
_MOST_CAREFUL = (Wish.STOP, Wish.HAND_OVER, Wish.PAUSE, Wish.GO, Wish.ALWAYS)

_CHANGED_ROWS = (
    "SELECT key, changed_jobs.row, created, final, jobs.row"
    " FROM changed_jobs LEFT JOIN jobs USING (key) LIMIT ?"
)
_CHANGED_SETS = (
    "SELECT set_id, made, old.owner, old.wish, intent, new.owner, new.wish"
    " FROM submissions AS new LEFT JOIN changed_submissions AS old USING (set_id)"
    " WHERE set_id IN (SELECT set_id FROM changed_submissions"
    " UNION SELECT set_id FROM changed_intents)"
)
_CHANGED_PARTS = (
    "SELECT part, old.state, old.job_id, intent, new.state, new.job_id, error"
    " FROM changed_intents AS old JOIN intents AS new USING (set_id, part) WHERE set_id = ?"
)
_PARTS = "SELECT set_id, part, intent, state, job_id, error FROM intents WHERE set_id = ?"
_ADD_PART = "INSERT OR IGNORE INTO intents VALUES (?, ?, ?, ?, ?, ?)"


class _Set(NamedTuple):
    """A submission as it is here; `made` is None if it was not changed, but a part of it."""

    set_id: str
    made: int | None
    owner_before: str | None
    wish_before: str | None
    intent: bytes
    owner: str
    wish: str


# -- rows ---------------------------------------------------------------------------------------


def bring_rows(memory: sqlite3.Connection, file: sqlite3.Connection, lock: threading.RLock) -> None:
    """Writes the rows that were changed in `memory`, and when they entered their statuses.

    Holds the lock of `memory` for a chunk at a time. Nobody else may change rows meanwhile.
    """
    while True:
        with lock:
            changed = memory.execute(_CHANGED_ROWS, (CHUNK,)).fetchall()
            entered = [step for each in changed for step in _steps(memory, each[0])]
        if not changed:
            return
        with transaction(file):
            _bring_chunk(file, changed)
            file.executemany(ENTER, entered)
        with lock:
            written = [(each[0],) for each in changed]
            memory.executemany("DELETE FROM changed_jobs WHERE key = ?", written)


def _steps(memory: sqlite3.Connection, key: str) -> list[tuple[str, float, str]]:
    query = "SELECT status, at, key FROM transitions JOIN jobs ON job = id WHERE key = ?"
    return memory.execute(query, (key,)).fetchall()


def _bring_chunk(
    file: sqlite3.Connection,
    changed: Sequence[tuple[str, bytes | None, float | None, bool, bytes | None]],
) -> None:
    kept: list[Record] = []
    gone: list[tuple[str]] = []
    for key, before, created, final, ours in changed:
        found = file.execute("SELECT row FROM jobs WHERE key = ?", (key,)).fetchone()
        theirs = found[0] if found else None
        if ours is None:
            if theirs == before:
                gone.append((key,))
        elif theirs is None or theirs == before:
            kept.append((key, created, final, ours))
        else:
            kept.append(_newer(key, ours, theirs) or (key, created, final, ours))
    file.executemany(UPSERT, kept)
    for query in FORGET:
        file.executemany(query, gone)


def _newer(key: str, ours: bytes, theirs: bytes) -> Record | None:
    """The newer row of a job; None if one of them cannot be read."""
    try:
        mine, other = (msgspec.json.decode(raw, type=JobRow) for raw in (ours, theirs))
    except (msgspec.DecodeError, TypeError):
        return None
    row = newer_of(mine, other)
    return key, row.created, row.status.final, msgspec.json.encode(row)


# -- submissions --------------------------------------------------------------------------------


def bring_sets(memory: sqlite3.Connection, file: sqlite3.Connection) -> None:
    """Writes the submissions that were changed in `memory`, as a whole; on disk at the return."""
    file.execute("PRAGMA synchronous = FULL")
    with transaction(file):
        for found in memory.execute(_CHANGED_SETS).fetchall():
            _bring_set(memory, file, _Set(*found))


def _bring_set(memory: sqlite3.Connection, file: sqlite3.Connection, ours: _Set) -> None:
    query = "SELECT owner, wish FROM submissions WHERE set_id = ?"
    theirs = file.execute(query, (ours.set_id,)).fetchone()
    if theirs is None:
        parts = memory.execute(_PARTS, (ours.set_id,)).fetchall()
        # Else others have forgotten it, as it was sent.
        if ours.made or ours.owner_before is None or any(part[3] in UNSENT for part in parts):
            submission = (ours.set_id, ours.intent, ours.owner, ours.wish)
            file.execute("INSERT INTO submissions VALUES (?, ?, ?, ?)", submission)
            file.executemany(_ADD_PART, parts)
        return
    if ours.made is not None:
        change = (_owner(ours, theirs[0]), _wish(ours, theirs[1]), ours.set_id)
        file.execute("UPDATE submissions SET owner = ?, wish = ? WHERE set_id = ?", change)
    for part in memory.execute(_CHANGED_PARTS, (ours.set_id,)).fetchall():
        _bring_part(file, ours.set_id, *part)


def _owner(ours: _Set, theirs: str) -> str:
    if theirs == ours.owner_before:
        return ours.owner
    return theirs if ours.owner_before is not None or process_lives(theirs) else ours.owner


def _wish(ours: _Set, theirs: str) -> str:
    if theirs == ours.wish_before:
        return ours.wish
    if ours.wish == ours.wish_before:
        return theirs
    return next((wish.value for wish in _MOST_CAREFUL if wish in (ours.wish, theirs)), theirs)


def _bring_part(
    file: sqlite3.Connection,
    set_id: str,
    part: int,
    state_before: str | None,
    job_before: str | None,
    intent: bytes,
    state: str,
    job_id: str,
    error: str,
) -> None:
    query = "SELECT state, job_id FROM intents WHERE set_id = ? AND part = ?"
    theirs = file.execute(query, (set_id, part)).fetchone()
    if theirs is None:
        file.execute(_ADD_PART, (set_id, part, intent, state, job_id, error))
        return
    if theirs != (state_before, job_before):
        furthest = next((each for each in _FURTHEST if each in (state, theirs[0])), None)
        if furthest != state:
            return
    query = "UPDATE intents SET state = ?, job_id = ?, error = ? WHERE set_id = ? AND part = ?"
    file.execute(query, (state, job_id, error, set_id, part))
