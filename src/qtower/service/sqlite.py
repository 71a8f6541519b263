"""The store's tables in one SQLite file: the default."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from qtower.service import database
from qtower.service.fields import FilterError
from qtower.service.migrations import migrate
from qtower.service.regexps import sql_function
from qtower.service.schema import SCHEMA_VERSION

# A handler thread holds a connection for one short read; there are at most 40 such threads.
_CONNECTIONS = 44

# Each connection keeps pages of its own. What does not fit is in the system's memory, once for all.
_CACHE_KIB = 256

_LOCKED_SECONDS = 3.0  # how long another program may keep the file from us

_QUERY_STEPS = 50  # of SQLite's machine, between two looks at the clock: a handful of rows


class SqliteDatabase:
    """Connections to one file. Another service is kept off by the lock on its directory.

    Raises:
        StorageError: The file is of a newer qtower.
    """

    def __init__(self, file: Path) -> None:
        self._engine = _engine(file)
        self.reading: Engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._engine.begin() as connection:
            # Python's driver begins no transaction for a change of tables by itself.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            migrate(connection, _version(connection), f"The store {file}")
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._file = file
        self._opened = _identity(file)

    @property
    def in_place(self) -> bool:
        """False if the file was removed or replaced: what is written goes where nobody finds it."""
        return _identity(self._file) == self._opened

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block has ended."""
        with self._engine.begin() as connection:
            # At once, because savepoints outside of a transaction would commit by themselves.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection

    @contextmanager
    def time_limit(self, connection: Connection) -> Iterator[None]:
        """Breaks off a query that takes too long.

        Raises:
            FilterError: The time is up.
        """
        driver: Any = connection.connection.driver_connection
        deadline = time.monotonic() + database.QUERY_SECONDS
        driver.set_progress_handler(lambda: time.monotonic() > deadline, _QUERY_STEPS)
        try:
            yield
        except OperationalError:
            if time.monotonic() > deadline:
                raise FilterError("The filter takes too long: narrow it") from None
            raise
        finally:
            driver.set_progress_handler(None, 0)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()


def _engine(file: Path) -> Engine:
    # Parameters stay out of error messages: they hold names, tags and digests.
    engine = create_engine(
        f"sqlite:///{file}",
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_use_lifo=True,  # as few as there are readers at once, and their pages warm
        connect_args={"timeout": _LOCKED_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        cursor.close()
        connection.create_function("qtower_regexp", 2, sql_function, deterministic=True)

    return engine


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _version(connection: Connection) -> int:
    version: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
    return version
