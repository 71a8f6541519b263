"""`qtower service`, which looks after the user's own service."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO

import click
import msgspec

from qtower.cli.tokens import token
from qtower.errors import ServiceError
from qtower.service import local
from qtower.service.asking import ASK_SECONDS
from qtower.service.report import in_words, read_report
from qtower.text import inert, inert_lines

_FOLLOW_SECONDS = 0.2


@click.group()
def service() -> None:
    """Look after the service that qtower starts for you."""


service.add_command(token)


@service.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def status(as_json: bool) -> None:
    """Say whether it runs, where, and what it is doing. Exit code 1 if it does not answer."""
    found = local.status()
    report = read_report(found) if found is not None else None
    if as_json:
        document = {"running": found is not None, "log": str(local.log_file())}
        if found is not None:
            document |= {"url": found.url, "pid": found.pid, "since": found.since}
            document["token_file"] = str(local.token_file())
        if report is not None:
            document |= msgspec.to_builtins(report)
        click.echo(json.dumps(document))
    elif found is None and (pid := local.silent_process()) is not None:
        click.echo(
            f"The local service (process {pid}) is starting, or hangs: it did not answer within "
            f'{ASK_SECONDS:.0f} s. Look into "qtower service logs".'
        )
    elif found is None:
        click.echo("The local service is not running.")
    else:
        since = datetime.fromtimestamp(found.since).astimezone()
        click.echo(
            f"The local service is running at {found.url} "
            f"(process {found.pid}, since {since:%Y-%m-%d %H:%M:%S})."
        )
        click.echo(f"Token: in {local.token_file()}, which only you can read")
        for line in in_words(report) if report else ["It does not tell what it is doing."]:
            click.echo(inert(line))
    sys.exit(0 if found is not None else 1)


@service.command()
def stop() -> None:
    """End it. Unfinished jobs run again at the next start."""
    if local.stop():
        click.echo("The local service has ended.")
    else:
        click.echo("The local service was not running.")


@service.command()
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="How many of the last lines.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on as the log grows; Ctrl+C ends this.")
def logs(lines: int, follow: bool) -> None:
    """Show its log."""
    file = local.log_file()
    try:
        log = file.open("rb")
    except FileNotFoundError:
        raise ServiceError(
            f"There is no log yet ({file}).", 'It is made when "qtower" first starts the service.'
        ) from None
    with log:
        for line in deque(log, maxlen=lines):
            _show(line)
        if follow:
            for line in _growth(log):
                _show(line)


def _show(line: bytes) -> None:
    click.echo(inert_lines(line.decode(errors="replace").rstrip("\n")))


def _growth(log: BinaryIO) -> Iterator[bytes]:
    """Lines as they are written, each once it is whole."""
    begun = b""
    while True:
        begun += log.readline()
        if begun.endswith(b"\n"):
            yield begun
            begun = b""
        else:
            time.sleep(_FOLLOW_SECONDS)
