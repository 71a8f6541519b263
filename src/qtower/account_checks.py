"""Checks of what the entry of an account says, one field at a time."""

from __future__ import annotations

import shlex
from pathlib import Path
from urllib.parse import urlsplit

from qtower.entries import AccountEntry
from qtower.errors import ConfigError
from qtower.private_files import expanded, refuse_if_shared

_TOKEN_KEYS = ("token", "token-file", "token-command")
# Logging in takes about eight calls; more than the most are as good as no limit.
_FEWEST_CALLS, _MOST_CALLS = 10, 60_000


def check_entry(file: Path, name: str, entry: AccountEntry) -> None:
    """Checks the entry of an account in the configuration `file`.

    Raises:
        ConfigError: A field is wrong, does not fit another, or is a token that others can read.
    """
    check_url(f"{file}: accounts.{name}.url", entry.url)
    given = [key for key in _TOKEN_KEYS if getattr(entry, key.replace("-", "_"))]
    if len(given) > 1:
        raise ConfigError(
            f"{file}: accounts.{name} has both {given[0]} and {given[1]}.", "Keep one."
        )
    if entry.token_command is not None and not is_command(entry.token_command):
        raise ConfigError(
            f"{file}: accounts.{name}.token-command is no command.",
            'Write it as ["PROGRAM", "ARGUMENT"].',
        )
    if entry.ca_file and not entry.verify:
        raise ConfigError(
            f"{file}: accounts.{name} has ca-file, and verify = false, which ignores it.",
            "Keep ca-file.",
        )
    if entry.token:
        refuse_if_shared(file)
    if not _FEWEST_CALLS <= entry.calls_per_minute <= _MOST_CALLS:
        raise ConfigError(
            f"{file}: accounts.{name}.calls-per-minute is {entry.calls_per_minute}.",
            f"Write a number from {_FEWEST_CALLS} to {_MOST_CALLS}.",
        )
    place = [part for part in (entry.hub, entry.group, entry.project) if part]
    if len(place) not in (0, 3):
        raise ConfigError(
            f"{file}: accounts.{name} has some of hub, group and project.",
            "Give all three, or none.",
        )


def check_url(called: str, url: str) -> None:
    """Refuses what is no address, or holds a secret; never quotes it, because it may."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = None
    if not known or not url.isprintable() or " " in url:
        raise ConfigError(
            f"{called} is not an http or https address.", "Write it as https://HOST/api."
        )
    if parts.username or parts.password:
        raise ConfigError(
            f"{called} holds a user name or password.", "Remove it and use token-file."
        )
    if parts.query or parts.fragment:
        raise ConfigError(f"{called} has a query.", "Write it as https://HOST/api.")


def is_command(command: str | list[str]) -> bool:
    """Whether it can be run: a list of arguments, or a string that is split as a shell does."""
    try:
        words = shlex.split(command) if isinstance(command, str) else command
    except ValueError:  # a quotation mark is missing
        return False
    return bool(words) and all(word and "\0" not in word for word in words)


def ca_file(name: str, given: str) -> str:
    """The path of an account's CA file, or of a directory of them as OpenSSL makes it."""
    file = expanded(given, f'The ca-file of the account "{name}"')
    if not file.exists():
        raise ConfigError(
            f'The ca-file of the account "{name}", {file}, is not there.',
            "Correct ca-file in config.toml.",
        )
    return str(file)
