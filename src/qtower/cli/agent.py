"""`qtower agent`: what the monitor, or `ssh`, starts."""

from __future__ import annotations

import sys

import click

from qtower import paths
from qtower.agent import logs, loop
from qtower.cli.connect import way_to
from qtower.cli.read_only import read_only_asked, read_only_option
from qtower.config import load_settings
from qtower.desk.desk import Desk
from qtower.desk.kept_results import safe_name
from qtower.errors import StorageError


@click.command()
@click.option("--account", "account_name", metavar="NAME", help="An account of config.toml.")
@read_only_option
def agent(account_name: str | None) -> None:
    """Serve an account's jobs on stdin and stdout, as lines of JSON.

    This is what the monitor starts, here or through ssh. See docs/protocol.md.
    """
    way = way_to(account_name, read_only=read_only_asked())
    try:
        log_file = paths.state_dir() / f"agent-{safe_name(way.name)}.log"
    except StorageError:
        log_file = None  # the desk says what is wrong with the directory
    keeping = load_settings().keep
    standard = logs.take_standard(log_file)
    loop.run(
        way.name,
        lambda listener: Desk(
            way.name,
            way.connect,
            listener,
            goes_on=True,
            keeping=keeping,
            endpoint=way.endpoint,
            read_only=way.read_only,
            insecure=way.insecure,
        ),
        sys.stdin.buffer,
        standard,
    )
