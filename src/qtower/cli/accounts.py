"""`qtower account`: which accounts there are, and where their tokens lie."""

from __future__ import annotations

import sys

import click

from qtower import paths
from qtower.agent import logs
from qtower.config import LOCAL, STORED, account_names, load_settings, token_source
from qtower.desk.scrubbing import conceal
from qtower.errors import ConfigError
from qtower.text import inert
from qtower.token_sources import TokenSource, checked


@click.group()
def account() -> None:
    """Look after the accounts of config.toml and their tokens."""


@account.command("list")
def list_accounts() -> None:
    """List the accounts, the default first, and where their tokens are."""
    settings = load_settings()
    for name in account_names(settings):
        entry = settings.accounts.get(name)
        if entry is None:
            notes = ["stored by qiskit-ibmq-provider" if name == STORED else "on this machine"]
            click.echo(f"{name}  {', '.join(notes)}")
            continue
        source = "token in config.toml" if entry.token else token_source(name, entry).kind
        notes = [f"token from {source}" if not entry.token else source]
        notes += ["read-only"] if entry.read_only else []
        notes += ["CERTIFICATE NOT CHECKED"] if not entry.verify else []
        click.echo(f"{inert(name)}  {inert(entry.url)}  {', '.join(notes)}")


@account.command()
@click.argument("name")
@click.option("--remove", is_flag=True, help="Remove the stored token instead.")
def token(name: str, remove: bool) -> None:
    """Store the token of an account, in its token-file or the keyring.

    The keyring, if the entry of NAME names no file. The token is asked for without echo, or read
    from standard input. It is never an argument.
    """
    logs.leave_stdout(paths.state_dir() / "commands.log")
    source = _source(name)
    if remove:
        click.echo(f"No token of {inert(name)} is in {source.remove()} any more.", err=True)
        return
    given = _ask(name).strip()
    conceal(given)
    where = source.store(checked(given, "The token that was given"))
    click.echo(f"The token of {inert(name)} is in {where}.", err=True)


def _source(name: str) -> TokenSource:
    settings = load_settings()
    entry = settings.accounts.get(name)
    if entry is None:
        if name == LOCAL:
            raise ConfigError(f'The account "{LOCAL}" needs no token from you.')
        known = ", ".join(settings.accounts) or "none"
        raise ConfigError(
            f'config.toml has no account "{inert(name)}".', f"Its accounts: {inert(known, 300)}."
        )
    if entry.token:
        raise ConfigError(
            f'The token of "{inert(name)}" is in config.toml itself.',
            "Remove that line first.",
        )
    return token_source(name, entry)


def _ask(name: str) -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt(f"Token of {inert(name)}", hide_input=True, err=True)
        return asked
    return sys.stdin.readline(8192)
