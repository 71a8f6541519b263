"""The way from a row to the job behind it: logged in, and once more where a login has expired."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from qtower.desk.account_session import AccountSession
from qtower.desk.bulletin import Bulletin
from qtower.desk.faults import AccessExpiredError, endpoint_errors
from qtower.desk.poller import Poller
from qtower.desk.registry import Registry
from qtower.errors import AccountError, JobStateError, NetworkError
from qtower.model import JobRow

_Answer = TypeVar("_Answer")

REFRESH_SECONDS = 60.0
"""So long a request waits for the round that it has asked for."""


class Reach:
    """The endpoint of an account, as its requests need it. Safe for all threads."""

    def __init__(
        self, session: AccountSession, registry: Registry, poller: Poller, bulletin: Bulletin
    ) -> None:
        self._session = session
        self._registry = registry
        self._poller = poller
        self._bulletin = bulletin

    @property
    def host(self) -> str:
        """What the endpoint is called in a sentence."""
        return urlsplit(self._bulletin.connection.endpoint).netloc or "The endpoint"

    def provider(self) -> Any:
        """The account's provider.

        Raises:
            QtowerError: Why there is none.
        """
        return self._session.provider()

    def nudge(self) -> None:
        """Something was changed at the endpoint: it is to be read soon."""
        self._poller.nudge()

    def managed_job(self, key: str) -> Any:
        """The provider's `ManagedJob` of a row, as `Registry.managed_job` has it."""
        self.provider()
        with endpoint_errors(self.host):
            return self._registry.managed_job(key)

    def refreshed_job(self, key: str) -> Any:
        """The job of a row, with all that the endpoint says of it now."""
        job = self.managed_job(key).job
        with endpoint_errors(self.host):
            job.refresh()
        return job

    def managed_job_if_any(self, row: JobRow) -> Any | None:
        """The managed job; None if there is no connection, or the job has no id."""
        try:
            return self.renewing(lambda: self.managed_job(row.key))
        except (NetworkError, AccountError, JobStateError):
            return None

    def renewing(self, ask: Callable[[], _Answer]) -> _Answer:
        """What `ask` returns; if the endpoint wants a new login, after that."""
        try:
            return ask()
        except AccessExpiredError as error:
            self.renew(error)
            return ask()

    def renew(self, error: AccessExpiredError) -> None:
        """The endpoint wants a new login, which the poller makes."""
        self._session.doubt(error)
        self._poller.refresh(REFRESH_SECONDS)
