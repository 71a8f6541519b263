"""Accounts, read from `config.toml`, the environment, and what the provider itself has stored.

    default-account = "lab"        # optional

    [accounts.lab]
    url = "https://quantum.example.org/api"
    token-file = "~/.config/qtower/lab.token"   # or token-command = ["pass", "lab"], token = "..."
    hub = "ibm-q"                                # optional, all three together
    group = "open"
    project = "main"
    calls-per-minute = 60                        # optional: how often it may be asked
    read-only = true                             # optional: nothing is submitted or cancelled
    ca-file = "~/lab-ca.pem"                     # optional: who signed its certificate
    verify = false                               # optional: its certificate is not checked

    [keep]                                       # optional: see `Keeping`
    jobs = 200000                                # ended jobs in the journal of an account
    results-mb = 2000                            # room for results

`QTOWER_TOKEN` in the environment stands before what the entry says; an entry that says nothing of
a token has it in the keyring (`qtower.token_sources`). With no account at all, qtower uses the
service that it starts on this machine: the account `local`.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import tomli

from qtower import paths, stored_account
from qtower.account_checks import ca_file, check_entry, check_url
from qtower.entries import CALLS_PER_MINUTE, AccountEntry, Keeping, Settings
from qtower.errors import ConfigError
from qtower.private_files import refuse_if_foreign, refuse_if_shared
from qtower.token_sources import TokenSource, checked

__all__ = [
    "CALLS_PER_MINUTE",
    "LOCAL",
    "LOCAL_CALLS_PER_MINUTE",
    "STORED",
    "Account",
    "AccountEntry",
    "Keeping",
    "Settings",
    "account_names",
    "find_account",
    "load_settings",
    "token_source",
    "with_token",
]

LOCAL = "local"
"""The account of the service that qtower starts by itself."""

STORED = "stored"
"""The account that `qiskit-ibmq-provider` has stored in its qiskitrc file."""

LOCAL_CALLS_PER_MINUTE = 6000

_IBM_HOST = "auth.quantum-computing.ibm.com"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint and who we are there. The token is never shown: `repr` leaves it out.

    An empty token is where `token_source` says, and is read when a login needs it.
    """

    name: str
    url: str
    token: str = ""
    token_source: TokenSource | None = None
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    local_service: bool = False
    calls_per_minute: int = CALLS_PER_MINUTE
    read_only: bool = False
    verify: bool = True
    ca_file: str = ""  # certificates that are trusted in place of the system's

    @property
    def trust(self) -> bool | str:
        """What `requests` takes as `verify`: whether, or by which file."""
        return self.ca_file if self.verify and self.ca_file else self.verify

    def __repr__(self) -> str:
        return f"Account(name={self.name!r}, url={self.url!r}, token=...)"

    __str__ = __repr__


def load_settings(file: Path | None = None) -> Settings:
    """Reads the configuration file; one that does not exist is empty.

    Raises:
        ConfigError: It is not TOML, has a wrong or unknown field, others on this machine can
            write it, or it holds a token and they can read it.
    """
    file = file or paths.config_file()
    try:
        refuse_if_foreign(file)
        content = paths.read_plain(file)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    try:
        document: dict[str, Any] = tomli.loads(content.decode())
    except RecursionError:
        raise ConfigError(f"{file} nests too deeply.", "Write its tables flat.") from None
    except ValueError as error:  # what is no TOML or no UTF-8, or a number without end
        # The decoder's own message quotes positions, never values.
        raise ConfigError(f"{file} is not valid TOML: {error}.", "Correct that line.") from None
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {error}.", "Correct that field.") from None
    for name, entry in settings.accounts.items():
        if name in (LOCAL, STORED):
            raise ConfigError(f'{file}: an account cannot be named "{name}".', "Rename it.")
        check_entry(file, name, entry)
    return settings


def account_names(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The accounts that `resolve_account` knows, the default first."""
    default = _default_name(settings, environment)
    names = [*settings.accounts, LOCAL]
    if stored_account.read(environment) is not None:
        names.append(STORED)
    return [default, *(name for name in dict.fromkeys(names) if name != default)]


def find_account(
    name: str | None = None,
    settings: Settings | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Account:
    """Returns the account `name`, or the default one; its token only where that is at hand.

    For `local` the URL and token are empty: they are known once the service runs
    (`qtower.service.local`).

    Raises:
        ConfigError: There is no such account, or its entry is wrong.
    """
    settings = settings if settings is not None else load_settings()
    name = name or _default_name(settings, environment)
    given = environment.get("QTOWER_TOKEN", "").strip()
    if given:
        checked(given, "QTOWER_TOKEN")
    if name in settings.accounts:
        return _entered(name, settings.accounts[name], given)
    if name == LOCAL:
        return Account(
            name=LOCAL, url="", local_service=True, calls_per_minute=LOCAL_CALLS_PER_MINUTE
        )
    stored = _stored_account(environment, given) if name == STORED else None
    if stored is None:
        known = ", ".join(account_names(settings, environment))
        raise ConfigError(f'There is no account "{name}".', f"Known accounts: {known}.")
    return stored


def with_token(account: Account) -> Account:
    """The account with its token; may take as long as its token-command does.

    Raises:
        ConfigError: There is no token, or it cannot be had.
    """
    if account.token or account.token_source is None:
        return account
    return msgspec.structs.replace(account, token=account.token_source.read())


def token_source(name: str, entry: AccountEntry) -> TokenSource:
    """Where the token of an entry is that does not hold it itself."""
    command = entry.token_command or ()
    if isinstance(command, str):
        command = shlex.split(command)
    host = urlsplit(entry.url).netloc
    return TokenSource(
        account=name,
        file=entry.token_file or "",
        command=tuple(command),
        keyring=f"{name}@{host}",  # a token for one host never goes to another
    )


def _entered(name: str, entry: AccountEntry, given: str) -> Account:
    token = given or (checked(entry.token, f"accounts.{name}.token") if entry.token else "")
    return Account(
        name=name,
        url=entry.url,
        token=token,
        token_source=None if token else token_source(name, entry),
        hub=entry.hub,
        group=entry.group,
        project=entry.project,
        calls_per_minute=entry.calls_per_minute,
        read_only=entry.read_only,
        verify=entry.verify,
        ca_file=ca_file(name, entry.ca_file) if entry.ca_file else "",
    )


def _stored_account(environment: Mapping[str, str], given: str) -> Account | None:
    stored = stored_account.read(environment)
    if stored is None:
        return None
    if stored.file is not None:
        refuse_if_shared(stored.file)
    check_url("The url of the stored account", stored.url)
    return Account(
        name=STORED,
        url=stored.url,
        token=given or checked(stored.token, "The stored token"),
        hub=stored.hub,
        group=stored.group,
        project=stored.project,
        verify=stored.verify,
    )


def _default_name(settings: Settings, environment: Mapping[str, str]) -> str:
    if settings.default_account:
        return settings.default_account
    if settings.accounts:
        return next(iter(settings.accounts))
    stored = stored_account.read(environment)
    # IBM's own server is switched off: an account stored for it is only used when asked for.
    if stored is not None and _IBM_HOST not in stored.url:
        return STORED
    return LOCAL
