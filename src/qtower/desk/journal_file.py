"""The journal's SQLite file: made, opened, written to, put aside when damaged."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from qtower.errors import StorageError

_VERSION = 1
_BUSY_SECONDS = 5.0

_SCHEMA = """
CREATE TABLE jobs (key TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE transitions (
    key TEXT NOT NULL, status TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, status)
) WITHOUT ROWID;
CREATE TABLE intents (
    set_id TEXT NOT NULL, part INTEGER NOT NULL, intent BLOB NOT NULL,
    state TEXT NOT NULL DEFAULT 'open', job_id TEXT NOT NULL DEFAULT '',
    error TEXT NOT NULL DEFAULT '', PRIMARY KEY (set_id, part)
) WITHOUT ROWID;
CREATE INDEX open_intents ON intents (state) WHERE state = 'open';
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Opens the file, made as a 0600 file with its tables if it is not there.

    Raises:
        sqlite3.OperationalError: It is locked, read-only, or the disk is full.
        sqlite3.DatabaseError: It is damaged.
        StorageError: A newer qtower wrote it.
    """
    # SQLite gives its -wal and -shm files the mode of the main one: made here, all are private.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    connection = _connect(str(path))
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _prepare(connection)
        connection.execute("SELECT count(*) FROM jobs").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def in_memory() -> sqlite3.Connection:
    """An empty journal that nobody will find again."""
    connection = _connect(":memory:")
    _prepare(connection)
    return connection


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes the tables if there are none; two agents may come here at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise StorageError(
                f"it was written by a newer qtower (format {version}, this one knows {_VERSION})"
            )
        if version == 0:
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def commit(
    connection: sqlite3.Connection,
    writes: list[tuple[str, Sequence[Sequence[object]]]],
    *,
    durable: bool,
) -> None:
    """Runs each query on its records, all of it or nothing; `durable`: on disk at the return."""
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    connection.execute("BEGIN IMMEDIATE")
    try:
        for query, records in writes:
            connection.executemany(query, records)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def put_aside(path: Path, now: float) -> Path:
    """Renames a damaged file, and what SQLite keeps beside it; returns its new name."""
    aside = path.with_name(f"{path.name}.damaged-{now:.0f}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside
