"""A journal in memory: a copy of what can be read of the file, and what was changed in it since.

What is changed is noted with what stood there before. So when it is written to the file in the end,
it can be told what others have written there meanwhile.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from qtower.desk.journal_file import connect, prepare
from qtower.desk.journal_schema import TABLES, birth, mark_birth

# What stood there before is NULL where nothing did, or where that is not known.
_CHANGED = (
    "CREATE TABLE changed_jobs (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID",
    "CREATE TABLE changed_intents (set_id TEXT, part INTEGER, state TEXT, job_id TEXT,"
    " PRIMARY KEY (set_id, part)) WITHOUT ROWID",
    "CREATE TABLE changed_submissions (set_id TEXT PRIMARY KEY, owner TEXT, wish TEXT,"
    " made INTEGER NOT NULL) WITHOUT ROWID",
)
# Of each table: what names a record, what stood there before, and the same of a new record.
_NOTED = (
    ("jobs", ("key",), ("OLD.row",), ("NULL",)),
    ("intents", ("set_id", "part"), ("OLD.state", "OLD.job_id"), ("NULL", "NULL")),
    ("submissions", ("set_id",), ("OLD.owner", "OLD.wish", "0"), ("NULL", "NULL", "1")),
)
_ALL_CHANGED = (
    "INSERT INTO changed_jobs SELECT key, NULL FROM jobs WHERE true"
    " ON CONFLICT DO UPDATE SET row = NULL",
    "INSERT INTO changed_intents SELECT set_id, part, NULL, NULL FROM intents WHERE true"
    " ON CONFLICT DO UPDATE SET state = NULL, job_id = NULL",
    "INSERT INTO changed_submissions SELECT set_id, NULL, NULL, 0 FROM submissions WHERE true"
    " ON CONFLICT DO UPDATE SET owner = NULL, wish = NULL",
)


def in_memory() -> sqlite3.Connection:
    """An empty journal that nobody will find again."""
    connection = connect(":memory:")
    prepare(connection)
    return connection


def copy_of(path: Path) -> sqlite3.Connection:
    """A journal in memory with what can be read of the file, which is not touched."""
    # Without its -shm file a journal can be read only by who may write it, or as if nobody did.
    for way in ("mode=rw", "immutable=1"):
        source = connect(f"{path.absolute().as_uri()}?{way}", uri=True)
        with contextlib.closing(source), contextlib.suppress(sqlite3.Error):
            source.execute("PRAGMA query_only = 1")
            source.execute("SELECT row FROM jobs LIMIT 1").fetchone()
            return copied(source)
    return in_memory()


def copied(source: sqlite3.Connection) -> sqlite3.Connection:
    """A journal in memory with what can still be read of another."""
    memory = in_memory()
    for table in TABLES:
        columns = [column[1] for column in memory.execute(f"PRAGMA table_info({table})")]
        names = ", ".join(columns)
        insert = f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})"
        with contextlib.suppress(sqlite3.Error):
            for record in source.execute(f"SELECT {names} FROM {table}"):
                memory.execute(insert, record)
    with contextlib.suppress(sqlite3.Error):
        mark_birth(memory, birth(source))
    return memory


def note_changes(memory: sqlite3.Connection) -> sqlite3.Connection:
    """From now on the first change of each record is noted; returns the same journal."""
    for table in _CHANGED:
        memory.execute(table)
    for table, key, before, new in _NOTED:
        for event, row, noted in (
            ("INSERT", "NEW", new),
            ("UPDATE", "OLD", before),
            ("DELETE", "OLD", before),
        ):
            _note(memory, table, event, [f"{row}.{column}" for column in key], noted)
    return memory


def _note(
    memory: sqlite3.Connection, table: str, event: str, key: Sequence[str], noted: Sequence[str]
) -> None:
    # Not `INSERT OR IGNORE`: in a trigger, the OR of the statement that fires it has precedence.
    known = " AND ".join(f"{column.partition('.')[2]} = {column}" for column in key)
    memory.execute(
        f"CREATE TRIGGER {table}_{event} AFTER {event} ON {table} BEGIN"
        f" INSERT INTO changed_{table} SELECT {', '.join([*key, *noted])}"
        f" WHERE NOT EXISTS (SELECT 1 FROM changed_{table} WHERE {known}); END"
    )


def all_is_new(memory: sqlite3.Connection) -> None:
    """Notes all that is there as changed: for a file that is not the one it was copied from."""
    for query in _ALL_CHANGED:
        memory.execute(query)


def made_here(memory: sqlite3.Connection, set_id: str) -> bool:
    """Whether a submission was written down in memory, so that no other process knows of it."""
    query = "SELECT 1 FROM changed_submissions WHERE set_id = ? AND made"
    return memory.execute(query, (set_id,)).fetchone() is not None
