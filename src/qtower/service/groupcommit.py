"""Many writers, one commit: what several threads write at once goes to disk together.

A commit waits for the disk, longer than all statements of a writer take. Each writer has its turn
inside one transaction, behind a savepoint of its own; the last of those who came commits for all,
and all of them wait until that is on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import TimeoutError


class _Group:
    """The writers of one transaction."""

    def __init__(self, transaction: AbstractContextManager[Connection]) -> None:
        self._transaction = transaction
        self.connection = transaction.__enter__()
        self.done = False
        self.error: BaseException | None = None

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One writer's part: kept as a whole, or undone without touching the others'."""
        if self.error is not None:
            raise self.error
        driver: Any = self.connection.connection.driver_connection
        self.connection.exec_driver_sql("SAVEPOINT writer")
        try:
            yield
            self.connection.exec_driver_sql("RELEASE SAVEPOINT writer")
        except BaseException as error:
            try:
                driver.execute("ROLLBACK TO SAVEPOINT writer")
            except self.connection.dialect.loaded_dbapi.Error:
                self.error = error  # the whole transaction is gone: nobody's part is kept
            raise

    def commit(self) -> None:
        """Ends the transaction; raises what kept it from the disk, as `error` then tells."""
        try:
            if self.error is None:
                self._transaction.__exit__(None, None, None)
            else:
                self._transaction.__exit__(type(self.error), self.error, None)
        except BaseException as error:
            self.error = self.error or error
            raise


class GroupCommit:
    """Gives threads their turns.

    Args:
        begin: Opens a transaction, as a context manager that commits at its end.
        patience: Seconds that a writer waits for its turn.
    """

    def __init__(
        self, begin: Callable[[], AbstractContextManager[Connection]], patience: float = 10.0
    ) -> None:
        self._begin = begin
        self._patience = patience
        self._change = threading.Condition()
        self._busy = False  # a writer has its turn, or a commit is under way
        self._coming = 0  # writers who wait for a turn
        self._group: _Group | None = None

    @property
    def waiting(self) -> int:
        """How many writers wait for their turn."""
        return self._coming

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A turn; when the block has ended, what it wrote is on disk.

        Raises:
            SQLAlchemyError: It was not kept, and nothing of it.
            TimeoutError: SQLAlchemy's; its turn did not come in time.
        """
        group = self._join()
        try:
            with group.turn():
                yield group.connection
        finally:
            self._await_commit(group)

    def _join(self) -> _Group:
        with self._change:
            self._coming += 1
            came_in = self._change.wait_for(lambda: not self._busy, self._patience)
            self._coming -= 1
            if not came_in:
                self._change.notify_all()  # somebody may have waited for us to come along
                raise TimeoutError("the database is busy, or away")
            self._busy = True
            group = self._group
        # Not behind the lock: a database that is away is long in saying so.
        return group or self._begun()

    def _begun(self) -> _Group:
        try:
            group = _Group(self._begin())
        except BaseException:
            with self._change:
                self._busy = False
                self._change.notify_all()
            raise
        with self._change:
            self._group = group
        return group

    def _await_commit(self, group: _Group) -> None:
        with self._change:
            self._busy = False
            self._change.notify_all()
            # Whoever comes before the disk is asked comes along.
            self._change.wait_for(lambda: group.done or not (self._busy or self._coming))
            is_last = not group.done
            self._busy = self._busy or is_last
        if is_last:
            self._commit(group)
        if group.error is not None:
            raise group.error

    def _commit(self, group: _Group) -> None:
        try:
            group.commit()
        finally:
            with self._change:
                group.done = True
                self._group = None
                self._busy = False
                self._change.notify_all()
