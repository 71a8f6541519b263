"""The tables of the journal, and what turns those of an earlier qtower into today's."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

VERSION = 2
"""Kept in the file as its `user_version`."""

TABLES = ("jobs", "transitions", "intents", "submissions")
"""All tables, in the order in which they can be filled."""

_JOBS = """
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, created REAL, final INTEGER NOT NULL,
    row BLOB NOT NULL
);
CREATE INDEX jobs_by_creation ON jobs (created);
CREATE TABLE transitions (
    job INTEGER NOT NULL, status TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (job, status)
) WITHOUT ROWID;
"""

_INTENTS = """
CREATE TABLE intents (
    set_id TEXT NOT NULL, part INTEGER NOT NULL, intent BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'open', job_id TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '', PRIMARY KEY (set_id, part)
) WITHOUT ROWID;
"""

_SUBMISSIONS = """
CREATE TABLE IF NOT EXISTS submissions (
    set_id TEXT PRIMARY KEY, intent BLOB NOT NULL, owner TEXT NOT NULL, wish TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent_parts ON intents (set_id)
    WHERE state IN ('open', 'begun', 'failed');
"""

_FINAL = ("DONE", "ERROR", "CANCELLED", "SUBMIT_FAILED")


def make(connection: sqlite3.Connection) -> None:
    """Makes the tables of today, within the open transaction."""
    for tables in (_JOBS, _INTENTS, _SUBMISSIONS):
        _run(connection, tables)
    mark_birth(connection, 1 + secrets.randbelow(2**31 - 1))


def birth(connection: sqlite3.Connection) -> int:
    """Tells a journal from one that was made anew in its place; 0 if an early qtower made it."""
    mark: int = connection.execute("PRAGMA application_id").fetchone()[0]
    return mark


def mark_birth(connection: sqlite3.Connection, mark: int) -> None:
    """Makes a journal the same as, or a copy of, that with the mark."""
    connection.execute(f"PRAGMA application_id = {mark}")


def upgrade(connection: sqlite3.Connection, version: int) -> None:
    """Brings tables of `version`, at least 1, to today's, within the open transaction."""
    for step in _STEPS[version - 1 :]:
        step(connection)


def _run(connection: sqlite3.Connection, statements: str) -> None:
    # Not `executescript`, which commits what was begun before it.
    for statement in statements.split(";"):
        connection.execute(statement)


class _OldRow(msgspec.Struct):
    """What version 2 has as columns."""

    created: float | None = None
    status: str = ""


class _OldIntent(msgspec.Struct):
    """An intent of version 1, which had all of its set in it."""

    set_id: str
    set_name: str
    backend: str
    part: dict[str, Any]
    owner: str
    at: float


def _order_by_creation(connection: sqlite3.Connection) -> None:
    """Version 2: rows in the order in which they came, found by their date; intents by set."""
    connection.execute("ALTER TABLE jobs RENAME TO old_jobs")
    connection.execute("ALTER TABLE transitions RENAME TO old_transitions")
    _run(connection, _JOBS)
    found = [_columns(*record) for record in connection.execute("SELECT key, row FROM old_jobs")]
    found.sort(key=lambda record: record[1] or 0.0)
    query = "INSERT INTO jobs (key, created, final, row) VALUES (?, ?, ?, ?)"
    connection.executemany(query, found)
    connection.execute(
        "INSERT INTO transitions SELECT jobs.id, old.status, old.at"
        " FROM old_transitions AS old JOIN jobs ON jobs.key = old.key"
    )
    connection.execute("DROP TABLE old_jobs")
    connection.execute("DROP TABLE old_transitions")
    _part_intents(connection)


def _columns(key: str, raw: bytes) -> tuple[str, float | None, bool, bytes]:
    try:
        row = msgspec.json.decode(raw, type=_OldRow)
    except msgspec.DecodeError:  # kept: nobody loses what a later qtower may be able to read
        row = _OldRow()
    return key, row.created, row.status in _FINAL, raw


def _part_intents(connection: sqlite3.Connection) -> None:
    """What a set's intents had in common goes to its submission."""
    _run(connection, _SUBMISSIONS)
    for set_id, part, raw in connection.execute("SELECT set_id, part, intent FROM intents"):
        try:
            old = msgspec.json.decode(raw, type=_OldIntent)
        except msgspec.DecodeError:
            continue
        whole = {"set_id": set_id, "set_name": old.set_name, "backend": old.backend, "at": old.at}
        whole["tags"] = old.part.get("tags", [])
        submission = (set_id, msgspec.json.encode(whole), old.owner, "stop")
        connection.execute("INSERT OR IGNORE INTO submissions VALUES (?, ?, ?, ?)", submission)
        connection.execute(
            "UPDATE intents SET intent = ? WHERE set_id = ? AND part = ?",
            (msgspec.json.encode(old.part), set_id, part),
        )


_STEPS: tuple[Callable[[sqlite3.Connection], None], ...] = (_order_by_creation,)
"""The step at index N leads from version N + 1 to version N + 2; none is changed once released."""
