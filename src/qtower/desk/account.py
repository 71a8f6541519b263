"""Login with the real provider, bounded in time, its errors in our words.

The provider's own limits do not protect us: logging in retries for 15 s and waits without end
for a server that accepts and says nothing (FIELD-NOTES, section 2).
"""

from __future__ import annotations

import ipaddress
import logging
import os
import queue
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from qtower.config import Account
from qtower.desk.faults import (
    AccessExpiredError,
    RedirectError,
    explain,
    explain_status,
    faults,
    is_request,
    silence,
    words,
)
from qtower.desk.scrubbing import conceal, scrub
from qtower.errors import AccountError, JobStateError, NetworkError, QtowerError

_LOGIN_SECONDS = 60.0


def _no_stage(stage: str) -> None:
    """For who does not want to know how far it is."""


class AccountSession:
    """A login that is made when it is first needed, and renewed in place.

    There is one provider object for the life of the process: when the token or the address of the
    endpoint changes, the old object is given the new ones, so that every job that holds it goes
    on working.
    """

    def __init__(self, connect: Callable[[], Account]) -> None:
        """`connect` returns the account ready to log in to; it may take seconds, and raise."""
        self._connect = connect
        self._account: Account | None = None
        self._provider: Any = None
        self._doubtful = True
        self._settled = threading.Condition()
        self._problem: QtowerError | None = None

    @property
    def account(self) -> Account | None:
        """The account as it was last connected; None before the first time."""
        return self._account

    def ensure(self, tell_stage: Callable[[str], None] = _no_stage) -> Any:
        """Returns the provider, logged in. Called by the poller alone.

        `tell_stage` hears in a few words what is being waited for.

        Raises:
            AccountError: Login was refused.
            QtowerError: The account could not be connected, or the endpoint did not answer.
        """
        if not self._doubtful and self._provider is not None:
            return self._provider
        account = self._connect()
        conceal(account.token)
        if self._provider is None or account != self._account:
            tell_stage("loading the provider")
            load_provider()
            tell_stage(f"waiting for {_host(account)}")
            self._install(log_in(account), account)
        self._doubtful = False
        return self._provider

    def doubt(self, problem: QtowerError) -> None:
        """The endpoint did not answer, or refused: look at the account again before next time."""
        with self._settled:
            self._doubtful, self._problem = True, problem
            if isinstance(problem, AccessExpiredError):
                self._account = None
            self._settled.notify_all()

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

    def _install(self, provider: Any, account: Account) -> None:
        conceal(provider.credentials.access_token or "")
        with self._settled:
            if self._provider is None:
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


def log_in(account: Account) -> Any:
    """Returns the provider of `account`, by `IBMQFactory.enable_account`.

    Raises:
        AccountError: Refused, or the endpoint is no IBM Quantum Experience.
        NetworkError: It did not answer in time.
    """
    factory = load_provider()()
    if account.local_service or _is_loopback(account):
        _go_past_proxies(urlsplit(account.url).hostname or "")
    _knock(account)
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()
    problems: tuple[type[Exception], ...] = (*faults(), QtowerError)

    def enable() -> None:
        try:
            place = {"hub": account.hub, "group": account.group, "project": account.project}
            outcome.put(factory.enable_account(account.token, account.url, **place))
        except problems as error:
            outcome.put(error)

    # A login that hangs is left behind: a daemon thread keeps nobody.
    threading.Thread(target=enable, name="login", daemon=True).start()
    try:
        provider = outcome.get(timeout=_LOGIN_SECONDS)
    except queue.Empty:
        raise NetworkError(f"{_host(account)} did not finish the login in time.") from None
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


def _is_loopback(account: Account) -> bool:
    host = urlsplit(account.url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _go_past_proxies(host: str) -> None:
    """No proxy can reach a service on this machine; `requests` would ask one even for that."""
    for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
        known = os.environ.get(name) or os.environ.get(other) or ""
        hosts = [entry.strip() for entry in known.split(",") if entry.strip()]
        if host not in hosts and hosts != ["*"]:
            hosts.append(host)
        os.environ[name] = ",".join(hosts)


def _knock(account: Account) -> None:
    """Asks for the version with a time limit, which the provider's login does not have."""
    import requests

    from qtower.desk.sessions import CONNECT_SECONDS, read_seconds, redirect_words

    try:
        with requests.get(
            f"{account.url.rstrip('/')}/version",
            timeout=(CONNECT_SECONDS, read_seconds(account.url)),
            allow_redirects=False,
            stream=True,  # what it says is read by the provider
        ) as answer:
            if answer.is_redirect:
                raise RedirectError(redirect_words(answer))
            if answer.status_code >= 500 or answer.status_code == 429:
                raise explain_status(answer, _host(account))
    except requests.RequestException as error:
        raise NetworkError(f"{_host(account)} {silence(error)}.") from None


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
