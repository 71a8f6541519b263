"""The login of an account: made when it is first needed, renewed in place, doubted, waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from qtower.config import Account
from qtower.desk.account import host_of, load_provider, log_in
from qtower.desk.budget import Budget
from qtower.desk.faults import AccessExpiredError
from qtower.desk.kept_results import KeptResults
from qtower.desk.scrubbing import conceal
from qtower.desk.token_keeper import TokenKeeper
from qtower.errors import AccountError, ConfigError, NetworkError, QtowerError


def _no_stage(stage: str) -> None:
    """For who does not want to know how far it is."""


def _at_once() -> None:
    """For who need not wait."""


class AccountSession:
    """A login that is made when it is first needed, and renewed in place.

    There is one provider object for the life of the process: when the token or the address of the
    endpoint changes, the old object is given the new ones, so that every job that holds it goes
    on working.
    """

    def __init__(self, connect: Callable[[], Account]) -> None:
        """`connect` returns the account ready to log in to; it may take seconds, and raise."""
        self._connect = connect
        self.budget = Budget()
        self._tokens = TokenKeeper()
        self.kept: KeptResults | None = None
        """Where the provider keeps results that it reads; set before `ensure` is called."""
        self.calls_file: Path | None = None
        """What the account's qtowers share their budget by; set before `ensure` is called."""
        self._account: Account | None = None
        self._provider: Any = None
        self._doubtful = True
        self._settled = threading.Condition()
        self._problem: QtowerError | None = None

    @property
    def account(self) -> Account | None:
        """The account as it was last connected; None before the first time."""
        return self._account

    def ensure(
        self,
        tell_stage: Callable[[str], None] = _no_stage,
        before_login: Callable[[], None] = _at_once,
    ) -> Any:
        """Returns the provider, logged in. Called by the poller alone.

        `tell_stage` hears in a few words what is being waited for; `before_login` may wait until
        the endpoint may be asked.

        Raises:
            AccountError: Login was refused.
            QtowerError: The account could not be connected, or the endpoint did not answer.
        """
        if not self._doubtful and self._provider is not None:
            return self._provider
        tell_stage("getting the account ready")  # the local service starts, or a token is asked for
        account = self._with_token(self._connect())
        conceal(account.token)
        if self.calls_file is not None and not account.local_service:
            self.budget.share(self.calls_file)  # nobody blocks us here: the local one needs none
        self.budget.allow(account.calls_per_minute)
        if self._provider is None or account != self._account:
            tell_stage("loading the provider")
            load_provider()
            tell_stage(f"waiting for {host_of(account)}")
            before_login()
            self._install(log_in(account, self.budget), account)
        self._doubtful = False
        return self._provider

    def doubt(self, problem: QtowerError) -> None:
        """The endpoint did not answer, or refused: look at the account again before next time."""
        with self._settled:
            self._doubtful, self._problem = True, problem
            if isinstance(problem, AccessExpiredError):
                self._account = None
            if isinstance(problem, AccountError):
                self._tokens.refused()
            self._settled.notify_all()

    def ask_again(self) -> None:
        """A person wants it tried now: what was wrong with the token may have been mended."""
        with self._settled:
            if isinstance(self._problem, AccountError | ConfigError):
                self._tokens.forget()

    def settle(self) -> None:
        """The endpoint answered."""
        with self._settled:
            self._problem = None
            self._settled.notify_all()

    def provider(self, wait: float = 20.0) -> Any:
        """The provider, for a person's request; waits at most `wait` s while qtower starts.

        Raises:
            QtowerError: Why there is none.
        """
        with self._settled:
            self._settled.wait_for(lambda: self._provider or self._problem, wait)
            if self._provider is not None:
                return self._provider
            raise self._problem or NetworkError(
                "The endpoint has not been reached yet.", "Try again in a moment."
            )

    def words_of_problem(self, otherwise: str) -> tuple[str, str]:
        """What is wrong and what to do next, as `QtowerError` takes them."""
        with self._settled:
            problem = self._problem
        return (problem.what, problem.next_step) if problem is not None else (otherwise, "")

    def _with_token(self, account: Account) -> Account:
        """The account with its token: the one that it is logged in with, as long as that is."""
        if account.token or account.token_source is None:
            return account
        known = self._account
        if known is not None and replace(known, token="") == account:
            return known
        return replace(account, token=self._tokens.token(account.token_source))

    def _install(self, provider: Any, account: Account) -> None:
        with self._settled:
            if self._provider is None:
                provider._api_client.kept = self.kept
                self._provider = provider
            else:
                _move(self._provider, provider)
            self._account = account
            self._settled.notify_all()


def _move(old: Any, new: Any) -> None:
    """Gives the provider `old` the address and the access token of `new`."""
    for name in ("token", "access_token", "url", "base_url", "websockets_url"):
        setattr(old.credentials, name, getattr(new.credentials, name))
    old._api_client._session.base_url = new._api_client._session.base_url
    old._api_client._session.access_token = new.credentials.access_token
