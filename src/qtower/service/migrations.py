"""What turns the tables of an earlier qtower into today's, with all that they hold.

Each step leads from one version to the next and is never changed once released: it names tables
and columns in plain SQL, because `schema.py` speaks of today only. All missing steps are one
transaction: a service that dies in the middle has changed nothing. There are few steps, on two
databases that both alter tables in a transaction, so a list of functions does what a migration
tool would, and runs by itself when the service starts.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection

from qtower.errors import StorageError
from qtower.service.schema import SCHEMA_VERSION, metadata


def migrate(connection: Connection, version: int, what: str) -> None:
    """Brings tables of `version` (0: there are none) to today's, within the open transaction.

    Args:
        connection: In a transaction that nobody else can write beside.
        version: The version that was last written.
        what: The store, as the beginning of a sentence.

    Raises:
        StorageError: The tables are of a newer qtower.
    """
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{what} was written by a newer qtower.", "Use that version, or another one."
        )
    if version == 0:
        metadata.create_all(connection)
        return
    for step in _STEPS[version - 1 :]:
        step(connection)


def _note_what_was_removed(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN result_read BIGINT")
    connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN payloads_removed BIGINT")


def _index_by_family(connection: Connection) -> None:
    connection.exec_driver_sql(
        'CREATE INDEX jobs_by_family ON jobs ("user", hub, group_name, project, (CASE'
        " WHEN status IN ('CREATING', 'CREATED', 'VALIDATING', 'VALIDATED', 'QUEUED', 'RUNNING')"
        " THEN 'live'"
        " WHEN status IN ('ERROR_CREATING_JOB', 'ERROR_VALIDATING_JOB', 'ERROR_RUNNING_JOB')"
        " THEN 'failed' ELSE 'ended' END), created)"
    )


_STEPS: tuple[Callable[[Connection], None], ...] = (
    _note_what_was_removed,
    _index_by_family,
)
"""The step at index N leads from version N + 1 to version N + 2."""
