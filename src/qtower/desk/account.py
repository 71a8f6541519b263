"""Login with the real provider, bounded in time, its errors in our words.

The provider's own limits do not protect us: logging in retries for 15 s and waits without end
for a server that accepts and says nothing (FIELD-NOTES, section 2).
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec.structs import replace

from qtower.config import Account
from qtower.desk.budget import Budget, charging
from qtower.desk.faults import (
    AccessExpiredError,
    CertificateError,
    RedirectError,
    explain,
    explain_status,
    faults,
    is_request,
    words,
)
from qtower.desk.kept_results import KeptResults
from qtower.desk.proxies import go_past_proxies, is_here
from qtower.desk.scrubbing import conceal, scrub
from qtower.desk.token_keeper import TokenKeeper
from qtower.errors import AccountError, ConfigError, JobStateError, NetworkError, QtowerError

_LOGIN_SECONDS = 60.0


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
        account = self._with_token(self._connect())
        conceal(account.token)
        if self.calls_file is not None and not account.local_service:
            self.budget.share(self.calls_file)  # nobody blocks us here: the local one needs none
        self.budget.allow(account.calls_per_minute)
        if self._provider is None or account != self._account:
            tell_stage("loading the provider")
            load_provider()
            tell_stage(f"waiting for {_host(account)}")
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


def load_provider() -> type[Any]:
    """Imports the provider (a second or two) and returns its `IBMQFactory`.

    Its loggers and warnings are led to the program's own: by itself it writes to stderr. Its
    sessions get the limits of qtower.desk.sessions.
    """
    from qiskit.providers.ibmq.ibmqfactory import IBMQFactory

    from qtower.desk.clients import install

    install()

    for name in ("qiskit", "qiskit.providers.ibmq"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.WARNING)  # the transpiler times every pass at INFO
    factory: type[Any] = IBMQFactory
    return factory


def log_in(account: Account, budget: Budget | None = None) -> Any:
    """Returns the provider of `account`, by `IBMQFactory.enable_account`.

    Its requests are counted in `budget`; without one they have no limit.

    Raises:
        AccountError: Refused, or the endpoint is no IBM Quantum Experience.
        NetworkError: It did not answer in time.
    """
    factory = load_provider()()
    budget = budget or Budget()
    if account.local_service or is_here(account.url):
        go_past_proxies(account.url)
    budget.take()
    _knock(account)
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()
    problems: tuple[type[Exception], ...] = (*faults(), QtowerError)

    def enable() -> None:
        try:
            place = {"hub": account.hub, "group": account.group, "project": account.project}
            with charging(budget):
                outcome.put(
                    factory.enable_account(
                        account.token, account.url, verify=account.trust, **place
                    )
                )
        except problems as error:
            outcome.put(error)

    # A login that hangs is left behind: a daemon thread keeps nobody.
    threading.Thread(target=enable, name="login", daemon=True).start()
    provider = _in_time(outcome, account, budget)
    if provider is None or isinstance(provider, Exception):
        provider = getattr(factory, "failure", provider)
    if isinstance(provider, Exception):
        raise _login_error(provider, account) from None
    if provider is None:
        raise AccountError(
            f"{_host(account)} has no hub, group and project for this account.",
            "Ask who runs it, or name another account.",
        )
    return provider


def _in_time(outcome: queue.SimpleQueue[Any], account: Account, budget: Budget) -> Any:
    """What comes out of a login. A wait for the budget is none for the endpoint."""
    while True:
        try:
            return outcome.get(timeout=_LOGIN_SECONDS)
        except queue.Empty:
            if not budget.keeps_persons:
                raise NetworkError(f"{_host(account)} did not finish the login in time.") from None


def _knock(account: Account) -> None:
    """Asks for the version with a time limit, which the provider's login does not have."""
    import requests

    from qtower.desk.sessions import CONNECT_SECONDS, read_seconds, redirect_words

    try:
        with requests.get(
            f"{account.url.rstrip('/')}/version",
            timeout=(CONNECT_SECONDS, read_seconds(account.url)),
            allow_redirects=False,
            verify=account.trust,
            stream=True,  # what it says is read by the provider
        ) as answer:
            if answer.is_redirect:
                raise RedirectError(redirect_words(answer))
            if answer.status_code >= 500 or answer.status_code == 429:
                raise explain_status(answer, _host(account))
    except requests.RequestException as error:
        raise explain(error, _host(account)) from None


def _login_error(error: BaseException, account: Account) -> QtowerError:
    from qiskit.providers.ibmq.api.exceptions import AuthenticationLicenseError
    from qiskit.providers.ibmq.exceptions import IBMQProviderError

    if isinstance(error, QtowerError):
        return error
    host = _host(account)
    if isinstance(error, AuthenticationLicenseError):
        return AccountError(
            f"{host} wants its licence accepted first: {scrub(words(error))}",
            "Accept it in a browser, then refresh.",
        )
    if isinstance(error, IBMQProviderError):
        return AccountError(
            f"{host} has no {account.hub}/{account.group}/{account.project} for this account.",
            "Correct hub, group and project in config.toml.",
        )
    known = explain(error, host)
    if isinstance(known, CertificateError):
        return known
    if isinstance(known, RedirectError) or (isinstance(known, NetworkError) and is_request(error)):
        return known
    if isinstance(known, AccessExpiredError | JobStateError):
        return AccountError(f"{host} refused the token.", "Check the account's token.")
    return AccountError(
        f"{host} does not speak the IBM Quantum Experience API.", "Check the account's url."
    )


def _host(account: Account) -> str:
    parts = urlsplit(account.url)
    return parts.hostname + (f":{parts.port}" if parts.port else "") if parts.hostname else "?"


def _move(old: Any, new: Any) -> None:
    """Gives the provider `old` the address and the access token of `new`."""
    for name in ("token", "access_token", "url", "base_url", "websockets_url"):
        setattr(old.credentials, name, getattr(new.credentials, name))
    old._api_client._session.base_url = new._api_client._session.base_url
    old._api_client._session.access_token = new.credentials.access_token
