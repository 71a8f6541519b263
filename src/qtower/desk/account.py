"""Login with the real provider, bounded in time, its errors in our words.

The provider's own limits do not protect us: logging in retries for 15 s and waits without end
for a server that accepts and says nothing (FIELD-NOTES, section 2).
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any
from urllib.parse import urlsplit

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
from qtower.desk.proxies import go_past_proxies, is_here
from qtower.desk.scrubbing import scrub
from qtower.errors import AccountError, JobStateError, NetworkError, QtowerError
from qtower.loading import quick_imports

_LOGIN_SECONDS = 60.0


def load_provider() -> type[Any]:
    """Imports the provider (a second or two) and returns its `IBMQFactory`.

    Its loggers and warnings are led to the program's own: by itself it writes to stderr. Its
    sessions get the limits of qtower.desk.sessions.
    """
    with quick_imports():
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
    if account.local_service:
        from qtower.desk.own_services import expect_our_own

        expect_our_own(account.url)
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
            f"{host_of(account)} has no hub, group and project for this account.",
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
                raise NetworkError(
                    f"{host_of(account)} did not finish the login in time."
                ) from None


def _knock(account: Account) -> None:
    """Asks for the version with a time limit, which the provider's login does not have."""
    import requests

    from qtower.desk.knocking import knock
    from qtower.desk.sessions import redirect_words

    try:
        answer = knock(account.url, account.trust)
    except requests.RequestException as error:
        raise explain(error, host_of(account)) from None
    if answer.is_redirect:
        raise RedirectError(redirect_words(answer))
    if answer.status_code >= 500 or answer.status_code == 429:
        raise explain_status(answer, host_of(account))


def _login_error(error: BaseException, account: Account) -> QtowerError:
    from qiskit.providers.ibmq.api.exceptions import AuthenticationLicenseError
    from qiskit.providers.ibmq.exceptions import IBMQProviderError

    if isinstance(error, QtowerError):
        return error
    host = host_of(account)
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


def host_of(account: Account) -> str:
    """Host and port of an account's endpoint, for sentences; "?" if its url names none."""
    parts = urlsplit(account.url)
    return parts.hostname + (f":{parts.port}" if parts.port else "") if parts.hostname else "?"
