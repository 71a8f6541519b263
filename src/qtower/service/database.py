"""What the store asks of a database, whichever it is."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, Engine

QUERY_SECONDS = 3.0  # for one page of a listing


class Database(Protocol):
    """One open database, of which this process is the only writer."""

    @property
    def reading(self) -> Engine:
        """Connections that each see what is committed; any thread takes its own."""

    @property
    def in_place(self) -> bool:
        """Whether others would find what is written: no file is gone, or another one."""

    def writing(self) -> AbstractContextManager[Connection]:
        """A transaction that is on disk when the block has ended. One at a time."""

    def time_limit(self, connection: Connection) -> AbstractContextManager[None]:
        """Breaks off a query whose filter somebody made expensive, by will or not.

        Raises:
            FilterError: The time is up, or the filter is too large for the database.
        """

    def close(self) -> None:
        """Closes all connections."""
