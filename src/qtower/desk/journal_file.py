"""The journal's SQLite file: made, opened, upgraded, written to, put aside when damaged."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from qtower.desk.journal_schema import TABLES, VERSION, make, upgrade
from qtower.errors import StorageError

_BUSY_SECONDS = 5.0
# What SQLite says of tables that are not as they should be; its error codes come with Python 3.11.
_FOREIGN = re.compile("no such (table|column)|already exists|has no column")
_PLAIN = {
    "is locked": "another program has it locked",
    "is full": "the disk is full",
    "disk I/O": "the disk does not take it (disk I/O error)",
    "readonly": "it is read-only",
}
_LARGEST_LOG = 16 * 1024 * 1024  # bytes that the write-ahead log keeps once it was written back


class NewerJournalError(StorageError):
    """A newer qtower wrote the file: it can be read as far as it is understood, and no more."""


def open_file(
    path: Path, patience: float | None = None, *, thorough: bool = False
) -> sqlite3.Connection:
    """Opens the file, made as a 0600 file with its tables if it is not there.

    Others that write are waited for, for `patience` s (None: as long as usual), now and later.
    `thorough`: all of it is looked at, which takes seconds where it is large.

    Raises:
        sqlite3.OperationalError: It is locked, read-only, or the disk is full.
        sqlite3.DatabaseError: It is damaged, or no journal.
        NewerJournalError: A newer qtower wrote it.
    """
    # SQLite gives its -wal and -shm files the mode of the main one: made here, all are private.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    path.chmod(0o600)
    connection = connect(str(path))
    set_patience(connection, patience)
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA journal_size_limit = {_LARGEST_LOG}")
        connection.execute("PRAGMA synchronous = NORMAL")
        if prepare(connection):
            _tidy(connection)
        for table in TABLES:
            connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
        found = connection.execute("PRAGMA quick_check(1)").fetchone() if thorough else None
        if found and found[0] != "ok":
            raise sqlite3.DatabaseError(found[0])
    except sqlite3.OperationalError as error:
        connection.close()
        if _FOREIGN.search(str(error)):
            raise sqlite3.DatabaseError(f"its tables are not a journal's: {error}") from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    """A connection for all threads, in which every statement is a transaction of its own."""
    return sqlite3.connect(
        name, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=uri
    )


def set_patience(connection: sqlite3.Connection, seconds: float | None = None) -> None:
    """So long the connection waits for others that write; None: as long as usual."""
    seconds = _BUSY_SECONDS if seconds is None else seconds
    connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def identity(path: Path) -> tuple[int, int] | None:
    """Tells a file from another that has its name later; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def plainly(error: Exception) -> str:
    """What keeps the file from being written, for people."""
    if isinstance(error, OSError):
        return f"{error.strerror} ({error.filename})"
    said = str(error)
    return next((words for word, words in _PLAIN.items() if word in said), said)


def prepare(connection: sqlite3.Connection) -> bool:
    """Makes the tables, or brings them up to date; true if there were older ones.

    Two agents may come here at once. Tables of today need no lock, which another may hold.
    """
    if _version(connection) == VERSION:
        return False
    with transaction(connection):
        version = _version(connection)
        if version == 0:
            make(connection)
        else:
            upgrade(connection, version)
        if version != VERSION:
            connection.execute(f"PRAGMA user_version = {VERSION}")
    return bool(0 < version < VERSION)


def _version(connection: sqlite3.Connection) -> int:
    """The format of the tables; 0: there are none of ours.

    Raises:
        NewerJournalError: This one does not know it.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise NewerJournalError(
            f"it was written by a newer qtower (format {version}, this one knows {VERSION})"
        )
    return version


def _tidy(connection: sqlite3.Connection) -> None:
    """Gives back what an upgrade left free; the file can give back bit by bit from then on."""
    with contextlib.suppress(sqlite3.OperationalError):  # others have it open: another time
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is done inside is done as a whole or not at all, and nobody else writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def commit(
    connection: sqlite3.Connection,
    writes: Sequence[tuple[str, Sequence[Sequence[object]]]],
    *,
    durable: bool,
) -> None:
    """Runs each query on its records, all of it or nothing; `durable`: on disk at the return."""
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    with transaction(connection):
        for query, records in writes:
            connection.executemany(query, records)


def shrink(connection: sqlite3.Connection) -> None:
    """Gives the disk back the pages that nothing uses, and the write-ahead log."""
    with contextlib.suppress(sqlite3.OperationalError):  # others write just now: another time
        connection.executescript("PRAGMA incremental_vacuum")  # `execute` frees a single page
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def put_aside(path: Path, now: float) -> Path:
    """Renames a damaged file, and what SQLite keeps beside it; returns its new name."""
    aside = path.with_name(f"{path.name}.damaged-{now:.0f}")
    path.replace(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    return aside
