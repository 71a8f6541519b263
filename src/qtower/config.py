"""Accounts, read from `config.toml`, the environment, and what the provider itself has stored.

    default-account = "lab"        # optional

    [accounts.lab]
    url = "https://quantum.example.org/api"
    token-file = "~/.config/qtower/lab.token"   # or token = "..."
    hub = "ibm-q"                                # optional, all three together
    group = "open"
    project = "main"

`QTOWER_TOKEN` in the environment stands before `token` and `token-file`. With no account at all,
qtower uses the service that it starts on this machine: the account `local`.
"""

from __future__ import annotations

import configparser
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import tomli

from qtower import paths
from qtower.errors import ConfigError

LOCAL = "local"
"""The account of the service that qtower starts by itself."""

STORED = "stored"
"""The account that `qiskit-ibmq-provider` has stored in its qiskitrc file."""

_IBM_HOST = "auth.quantum-computing.ibm.com"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint and who we are there. The token is never shown: `repr` leaves it out."""

    name: str
    url: str
    token: str
    hub: str | None = None
    group: str | None = None
    project: str | None = None
    local_service: bool = False

    def __repr__(self) -> str:
        return f"Account(name={self.name!r}, url={self.url!r}, token=...)"

    __str__ = __repr__


class AccountEntry(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """`[accounts.NAME]` as it stands in the file."""

    url: str
    token: str | None = None
    token_file: str | None = None
    hub: str | None = None
    group: str | None = None
    project: str | None = None

    def __repr__(self) -> str:
        return f"AccountEntry(url={self.url!r}, ...)"


class Settings(
    msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True
):
    """The configuration file."""

    default_account: str | None = None
    accounts: dict[str, AccountEntry] = {}


def load_settings(file: Path | None = None) -> Settings:
    """Reads the configuration file; one that does not exist is empty.

    Raises:
        ConfigError: It is not TOML, has a wrong or unknown field, or holds a token that others
            on this machine can read.
    """
    file = file or paths.config_file()
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read: {error.strerror}.", "Check its permissions."
        ) from error
    try:
        document: dict[str, Any] = tomli.loads(content.decode())
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        # The decoder's own message quotes positions, never values.
        raise ConfigError(f"{file} is not valid TOML: {error}.", "Correct that line.") from None
    try:
        settings = msgspec.convert(document, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {error}.", "Correct that field.") from None
    for name, entry in settings.accounts.items():
        _check_entry(file, name, entry)
    return settings


def account_names(settings: Settings, environment: Mapping[str, str] = os.environ) -> list[str]:
    """The accounts that `resolve_account` knows, the default first."""
    default = _default_name(settings, environment)
    names = [*settings.accounts, LOCAL]
    if _stored_entry(environment) is not None:
        names.append(STORED)
    return [default, *(name for name in dict.fromkeys(names) if name != default)]


def resolve_account(
    name: str | None = None,
    settings: Settings | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Account:
    """Returns the account `name`, or the default one.

    For `local` the URL and token are empty: they are known once the service runs
    (`qtower.service.local`).

    Raises:
        ConfigError: There is no such account, or its token is missing or readable by others.
    """
    settings = settings if settings is not None else load_settings()
    name = name or _default_name(settings, environment)
    if name in settings.accounts:
        entry = settings.accounts[name]
        return Account(
            name=name,
            url=entry.url,
            token=environment.get("QTOWER_TOKEN") or _entry_token(name, entry),
            hub=entry.hub,
            group=entry.group,
            project=entry.project,
        )
    if name == LOCAL:
        return Account(name=LOCAL, url="", token="", local_service=True)
    stored = _stored_entry(environment) if name == STORED else None
    if stored is not None:
        return Account(
            name=STORED,
            url=stored["url"],
            token=environment.get("QTOWER_TOKEN") or stored["token"],
            hub=stored.get("hub"),
            group=stored.get("group"),
            project=stored.get("project"),
        )
    known = ", ".join(account_names(settings, environment))
    raise ConfigError(f'There is no account "{name}".', f"Known accounts: {known}.")


def read_token_file(file: Path) -> str:
    """Returns the token in `file`.

    Raises:
        ConfigError: It cannot be read, is empty, or others can read it.
    """
    try:
        refuse_if_shared(file)
        token = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigError(f"The token file {file} cannot be read: {reason}.") from None
    if not token:
        raise ConfigError(f"The token file {file} is empty.", "Put the token on its first line.")
    return token


def refuse_if_shared(file: Path) -> None:
    """Raises ConfigError if anybody but the owner may read or write `file`."""
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigError(f"{file} holds a token and others can read it.", f"Run: chmod 600 {file}")


def _check_entry(file: Path, name: str, entry: AccountEntry) -> None:
    if name in (LOCAL, STORED):
        raise ConfigError(f'{file}: an account cannot be named "{name}".', "Rename it.")
    parts = urlsplit(entry.url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"{file}: accounts.{name}.url is not an http or https address.",
            "Write it as https://HOST/api.",
        )
    if parts.username or parts.password:
        raise ConfigError(
            f"{file}: accounts.{name}.url holds a user name or password.",
            "Remove it and use token-file.",
        )
    if entry.token and entry.token_file:
        raise ConfigError(f"{file}: accounts.{name} has both token and token-file.", "Keep one.")
    if entry.token:
        refuse_if_shared(file)
    given = [part for part in (entry.hub, entry.group, entry.project) if part]
    if len(given) not in (0, 3):
        raise ConfigError(
            f"{file}: accounts.{name} has some of hub, group and project.",
            "Give all three, or none.",
        )


def _entry_token(name: str, entry: AccountEntry) -> str:
    if entry.token:
        return entry.token
    if entry.token_file:
        return read_token_file(Path(entry.token_file).expanduser())
    raise ConfigError(
        f'The account "{name}" has no token.', "Give it token-file, or set QTOWER_TOKEN."
    )


def _default_name(settings: Settings, environment: Mapping[str, str]) -> str:
    if settings.default_account:
        return settings.default_account
    if settings.accounts:
        return next(iter(settings.accounts))
    stored = _stored_entry(environment)
    # IBM's own server is switched off: an account stored for it is only used when asked for.
    if stored is not None and urlsplit(stored["url"]).hostname != _IBM_HOST:
        return STORED
    return LOCAL


def _stored_entry(environment: Mapping[str, str]) -> dict[str, str] | None:
    """What the provider would load: QE_TOKEN and QE_URL, else its qiskitrc file.

    Read here, and not by the provider, because importing that takes a second.
    Source: qiskit.providers.ibmq.credentials (configrc, environ), version 0.20.2.
    """
    if environment.get("QE_TOKEN") and environment.get("QE_URL"):
        return {"token": environment["QE_TOKEN"], "url": environment["QE_URL"]}
    parser = configparser.RawConfigParser()
    try:
        parser.read(Path(environment.get("HOME") or "~").expanduser() / ".qiskit" / "qiskitrc")
    except (configparser.Error, OSError, UnicodeDecodeError, RuntimeError):
        return None
    if not parser.has_section("ibmq"):
        return None
    section = dict(parser.items("ibmq"))
    if not section.get("token") or not section.get("url"):
        return None
    entry = {"token": section["token"], "url": section["url"]}
    parts = section.get("default_provider", "").split("/")
    if len(parts) == 3 and all(parts):
        entry.update(zip(("hub", "group", "project"), parts, strict=True))
    return entry
