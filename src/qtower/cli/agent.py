"""`qtower agent`: what the monitor, or `ssh`, starts."""

from __future__ import annotations

import sys

import click

from qtower import paths
from qtower.agent import logs, loop
from qtower.cli.connect import connector
from qtower.desk.desk import Desk
from qtower.desk.kept_results import safe_name
from qtower.errors import StorageError


@click.command()
@click.option("--account", "account_name", metavar="NAME", help="An account of config.toml.")
def agent(account_name: str | None) -> None:
    """Serve an account's jobs over stdin and stdout, one JSON message a line.

    This is what the monitor starts, here or through ssh. See docs/protocol.md.
    """
    name, connect = connector(account_name)
    try:
        log_file = paths.state_dir() / f"agent-{safe_name(name)}.log"
    except StorageError:
        log_file = None  # the desk says what is wrong with the directory
    standard = logs.take_standard(log_file)
    loop.run(name, lambda listener: Desk(name, connect, listener), sys.stdin.buffer, standard)
