"""The store's tables in a PostgreSQL database, which exactly one service uses at a time.

All writes go through one connection, whose session holds an advisory lock. When the server goes
away, the next write connects again and must get the lock again first: a service that has lost it
to another one cannot write any more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Dialect, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, OperationalError

from qtower.errors import StorageError
from qtower.service import database
from qtower.service.fields import FilterError
from qtower.service.migrations import migrate
from qtower.service.schema import SCHEMA_VERSION

try:
    import psycopg
except ImportError:
    raise StorageError(
        "PostgreSQL needs an extra that is not installed.", "Install qtower[postgres]."
    ) from None

_LOCK = 0x71746F776572  # "qtower"
_OLDEST_SERVER = 130_000
_READERS = 16  # handler threads beyond these wait for each other's short reads
_READER_SECONDS = 30.0

# A server that is cut off without a word is given up after about 20 seconds.
_CONNECT_OPTIONS = {
    "application_name": "qtower",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
}

_PREPARE = """
SELECT set_config('synchronous_commit', 'on', false)
 WHERE current_setting('synchronous_commit') IN ('off', 'local');
SET plan_cache_mode = force_custom_plan;
SET client_encoding = 'UTF8'
"""

_TRANSACTION = "SELECT pg_current_xact_id_if_assigned()::text"
_FATE = "SELECT pg_xact_status(%s::xid8)"
_FATE_SECONDS = 60.0
_RETRY_SECONDS = 0.2
_SILENT_SECONDS = 2.0

logger = logging.getLogger(__name__)


class _TakenError(psycopg.OperationalError):
    """Another session holds the lock."""


class PostgresDatabase:
    """Connections to one database.

    Raises:
        StorageError: It cannot be reached, is not in UTF-8, is of a newer qtower, or is in use by
            another service.
    """

    def __init__(self, url: URL) -> None:
        self._writer = _engine(url, connections=1)
        event.listen(self._writer, "connect", _take_lock)
        self._readers = _engine(url, connections=_READERS)
        self.reading: Engine = self._readers.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self._writer.begin() as connection:
                _check_server(connection)
                migrate(connection, _version(connection), f"The database {url.database}")
                _note_version(connection)
        except DBAPIError as error:
            self.close()
            raise _unusable(url, error) from None
        except BaseException:
            self.close()
            raise

    @property
    def in_place(self) -> bool:
        """Its files are its server's business."""
        return True

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on the server's disk when the block has ended.

        If the server goes away while it commits, the transaction's fate is asked for afterwards:
        whoever writes learns that it was kept, or that it was not, and is never left in doubt.
        """
        with self._writer.connect() as connection:
            transaction = connection.begin()
            try:
                yield connection
                number = connection.exec_driver_sql(_TRANSACTION).scalar()
            except BaseException:
                transaction.rollback()
                raise
            try:
                transaction.commit()
            except DBAPIError:  # the driver has no one word for a connection that was cut
                lost = connection.invalidated and number is not None
                connection.close()
                if not lost or not self._was_committed(str(number)):
                    raise

    def _was_committed(self, number: str) -> bool:
        """Asks for the fate of a transaction; False also if nobody can tell in a minute."""
        deadline = time.monotonic() + _FATE_SECONDS
        while time.monotonic() < deadline:
            try:
                # With the lock: then the session that was cut off has come to its end.
                with self._writer.connect() as connection:
                    fate = connection.exec_driver_sql(_FATE, (number,)).scalar()
                return str(fate) == "committed"
            except OperationalError:
                time.sleep(_RETRY_SECONDS)
            except DataError:
                return False  # of the future: the server crashed before it wrote a word of it
        return False

    @contextmanager
    def time_limit(self, connection: Connection) -> Iterator[None]:
        """Breaks off a query that takes too long.

        Raises:
            FilterError: The time is up, or a regular expression is too large for PostgreSQL.
        """
        milliseconds = max(round(database.QUERY_SECONDS * 1000), 1)  # 0 would be no limit
        connection.exec_driver_sql(f"SET statement_timeout = {milliseconds}")
        try:
            yield
        except OperationalError as error:
            if isinstance(error.orig, psycopg.errors.QueryCanceled):
                raise FilterError("The filter takes too long: narrow it") from None
            raise
        except DataError as error:
            if isinstance(error.orig, psycopg.errors.InvalidRegularExpression):
                raise FilterError("The regular expression is too large") from None
            raise
        finally:
            if not connection.invalidated:
                connection.exec_driver_sql("RESET statement_timeout")

    def close(self) -> None:
        """Closes all connections; the lock is free then."""
        self._readers.dispose()
        self._writer.dispose()


def _engine(url: URL, connections: int) -> Engine:
    # Parameters stay out of error messages: they hold names, tags and digests. The ping finds
    # connections that a restart of the server has cut, before a query does.
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_READER_SECONDS,
        pool_pre_ping=True,
        connect_args=_CONNECT_OPTIONS,
    )

    silence = _Silence()
    event.listen(engine, "do_connect", silence.connect)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(_PREPARE)
        connection.commit()

    return engine


class _Silence:
    """A server that does not even refuse: its silence is waited for once, not by each in turn."""

    def __init__(self) -> None:
        self._until = 0.0

    def connect(self, dialect: Dialect, _record: Any, place: Any, options: Any) -> Any:
        """Connects, unless it was found a moment ago that nobody answers."""
        began = time.monotonic()
        if began < self._until:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        try:
            return dialect.connect(*place, **options)
        except psycopg.OperationalError:
            if time.monotonic() - began > _RETRY_SECONDS:
                self._until = time.monotonic() + _SILENT_SECONDS
            raise


def _take_lock(connection: Any, _record: Any) -> None:
    # The session of a service that was killed lives until the server has noticed.
    connection.execute("SET lock_timeout = '1s'")
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    except psycopg.errors.LockNotAvailable:
        connection.close()
        raise _TakenError("another qtower service is using this database") from None
    connection.execute("RESET lock_timeout")
    connection.commit()


def _check_server(connection: Connection) -> None:
    encoding, fsync, version = connection.exec_driver_sql(
        "SELECT current_setting('server_encoding'), current_setting('fsync'),"
        " current_setting('server_version_num')::integer"
    ).one()
    if version < _OLDEST_SERVER:
        raise StorageError(
            f"The database server is of PostgreSQL {version // 10_000}.", "Use 13 or newer."
        )
    if encoding != "UTF8":
        raise StorageError(
            f"The database keeps text in {encoding}.", "Create one with ENCODING 'UTF8'."
        )
    if fsync != "on":
        logger.warning("the database server runs with fsync off: a power cut would lose jobs")


def _version(connection: Connection) -> int:
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)"
    )
    found = connection.exec_driver_sql("SELECT version FROM schema_version").scalar()
    return 0 if found is None else int(found)


def _note_version(connection: Connection) -> None:
    connection.exec_driver_sql("DELETE FROM schema_version")
    connection.exec_driver_sql(f"INSERT INTO schema_version VALUES ({SCHEMA_VERSION})")


def _unusable(url: URL, error: DBAPIError) -> StorageError:
    where = f"{url.database} at {url.host or 'the local server'}"
    if isinstance(error.orig, _TakenError):
        return StorageError(
            f"Another qtower service is using the database {where}.",
            "Stop it, or give this one another database.",
        )
    reason = str(error.orig).strip().splitlines()[0] if error.orig else "it does not answer"
    return StorageError(
        f"The database {where} cannot be used: {reason.rstrip('.:')}.",
        "Check that the server runs, and who may use it: PGPASSWORD, or a pgpass file.",
    )
