"""Whether a database is away for a while, or was asked something wrong.

The first is nobody's fault and passes: a server that restarts, a file that another program has
locked, a disk that is full. The second would fail for ever.
"""

from __future__ import annotations

import time

from sqlalchemy.exc import DBAPIError, PendingRollbackError, SQLAlchemyError, TimeoutError

# SQLite's own sentences: Python's driver gives its codes from 3.11 on only.
_SQLITE = ("locked", "full", "disk i/o error", "unable to open", "readonly", "interrupted")

# PostgreSQL's classes: connection, resources, what an operator does, read-only, lock, system.
_POSTGRES = ("08", "53", "57P", "25006", "40", "55P03", "58")

_UNREACHED = ("OperationalError", "InterfaceError")  # of its driver

_TOLD_EVERY = 60.0  # seconds


class Complaints:
    """When an outage is to be told in full: the log may lie on the disk that is full."""

    def __init__(self) -> None:
        self._next = 0.0

    def in_full(self) -> bool:
        """Returns True the first time, and then once a minute."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _TOLD_EVERY
        return True


def passes(error: SQLAlchemyError) -> bool:
    """Returns whether what failed with this error may well succeed in a while."""
    if isinstance(error, TimeoutError | PendingRollbackError):
        return True  # all connections are in use, or the one in use was cut
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    if error.connection_invalidated:
        return True
    if type(error.orig).__module__.startswith("sqlite3"):
        message = str(error.orig).lower()
        return any(words in message for words in _SQLITE)
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # nothing that the server said: it was not reached, or was cut off
        kinds = {kind.__name__ for kind in type(error.orig).__mro__}
        return type(error.orig).__name__ == "DatabaseError" or not kinds.isdisjoint(_UNREACHED)
    return str(state).startswith(_POSTGRES)
