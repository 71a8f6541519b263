"""`qtower service token`: who may use a service. No token is ever an argument."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import click

from qtower import paths
from qtower.errors import ConfigError, NotFoundError
from qtower.service import tokens
from qtower.service.settings import USER_NAME
from qtower.service.settings_file import load
from qtower.text import inert

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _data_dir(command: _Command) -> _Command:
    return click.option(
        "--data-dir",
        type=click.Path(file_okay=False, path_type=Path),
        help="Where the service keeps its jobs. Default: qtower's data directory.",
    )(command)


@click.group("token")
def token() -> None:
    """Add, list and revoke the tokens with which users log in.

    A change holds at once, also for a service that runs.
    """


@token.command()
@click.argument("user")
@_data_dir
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The service.toml: refuse a user that it does not name.",
)
@click.option(
    "--given", is_flag=True, help="Ask for a token that the user has, instead of making one."
)
def add(user: str, data_dir: Path | None, config: Path | None, given: bool) -> None:
    """Give USER a token, and write it to standard output, this once."""
    if not re.fullmatch(USER_NAME, user):
        raise click.BadParameter("A name is letters, digits, dots, hyphens and underscores.")
    if config is not None and user not in load(config).users:
        raise ConfigError(f"{config} has no user {user}.", f"Add [users.{user}].")
    brought = tokens.check(_ask()) if given else None
    directory = paths.private_dir(data_dir.absolute()) if data_dir else paths.data_dir()
    added, made = _file(directory).add(user, brought)
    if not given:
        click.echo(made)
    # A token that was added to another directory than the service's opens nothing.
    click.echo(f"Token {added.id} of {user} added in {directory}.", err=True)


@token.command("list")
@_data_dir
@click.option("--json", "as_json", is_flag=True, help="Write a JSON list.")
def list_(data_dir: Path | None, as_json: bool) -> None:
    """List whose tokens there are. The tokens themselves are not kept."""
    found = _file(_known(data_dir)).tokens()
    rows = [(known.id, known.user, _date(known.created)) for known in found]
    if as_json:
        names = ("id", "user", "created")
        click.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
        return
    for id_, user, created in rows:
        click.echo(f"{id_}  {created}  {inert(user)}")


@token.command()
@click.argument("token_id", metavar="ID")
@_data_dir
def revoke(token_id: str, data_dir: Path | None) -> None:
    """Take a token back: whoever logged in with it is out at once."""
    revoked = _file(_known(data_dir)).revoke(token_id)
    click.echo(f"Token {revoked.id} of {inert(revoked.user)} revoked.")


@token.command("hash")
def hash_() -> None:
    """Ask for a token and write its hash, as service.toml takes it."""
    click.echo(f"sha256:{tokens.digest(tokens.check(_ask()))}")


def _ask() -> str:
    if sys.stdin.isatty():
        asked: str = click.prompt("Token", hide_input=True, err=True)
        return asked
    return sys.stdin.readline()


def _known(data_dir: Path | None) -> Path:
    """A data directory that there is: to look into another makes none."""
    if data_dir is None:
        return paths.data_dir()
    if not data_dir.is_dir():
        raise NotFoundError(f"There is no directory {data_dir}.", "Give the service's --data-dir.")
    return paths.private_dir(data_dir.absolute())


def _file(directory: Path) -> tokens.TokenFile:
    return tokens.TokenFile(directory / tokens.FILE_NAME)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
