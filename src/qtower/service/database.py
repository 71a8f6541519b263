"""The SQLite file under the store: how it is opened, and how long a query may take."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from qtower.errors import StorageError
from qtower.service.conditions import FilterError
from qtower.service.regexps import sql_function
from qtower.service.schema import SCHEMA_VERSION, metadata

# A handler thread holds a connection for one short read; there are at most 40 such threads.
_CONNECTIONS = 44

QUERY_SECONDS = 3.0  # for one page of a listing
_QUERY_STEPS = 50  # of SQLite's machine, between two looks at the clock: a handful of rows


def open_database(file: Path) -> Engine:
    """Returns connections to `file` on which a commit is on disk when it returns."""
    # Parameters stay out of error messages: they hold names, tags and digests.
    engine = create_engine(
        f"sqlite:///{file}",
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        connect_args={"timeout": 10, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.close()
        connection.create_function("qtower_regexp", 2, sql_function, deterministic=True)

    return engine


def make_tables(connection: Connection, file: Path) -> None:
    """Makes the tables that are missing.

    Raises:
        StorageError: The file was written by a newer qtower.
    """
    version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"The store {file} was written by a newer qtower.", "Use that version, or another one."
        )
    metadata.create_all(connection)
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")


@contextmanager
def time_limit(connection: Connection) -> Iterator[None]:
    """Breaks off a query whose filter somebody made expensive, by will or not.

    Raises:
        FilterError: The time is up.
    """
    driver: Any = connection.connection.driver_connection
    deadline = time.monotonic() + QUERY_SECONDS
    driver.set_progress_handler(lambda: time.monotonic() > deadline, _QUERY_STEPS)
    try:
        yield
    except OperationalError:
        if time.monotonic() > deadline:
            raise FilterError("The filter takes too long: narrow it") from None
        raise
    finally:
        driver.set_progress_handler(None, 0)
