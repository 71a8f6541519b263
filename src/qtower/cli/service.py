"""`qtower service`, which looks after the user's own service."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from qtower import paths
from qtower.cli.tokens import token
from qtower.errors import ServiceError
from qtower.service import asking, local, local_files
from qtower.service.notes import Note
from qtower.service.report import Report, in_words, read_report
from qtower.text import inert, inert_lines

_FOLLOW_SECONDS = 0.2


@click.group()
def service() -> None:
    """Look after the service that qtower starts for you."""


service.add_command(token)


@service.command()
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where a service of your own choosing keeps its jobs. Default: the local one.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def status(data_dir: Path | None, as_json: bool) -> None:
    """Say whether it runs, where, and what it is doing. Exit code 1 if it does not answer."""
    note = local.running(data_dir)
    report = read_report(note, data_dir or paths.data_dir()) if note is not None else None
    name = "The local service" if data_dir is None else f"The service of {data_dir}"
    if as_json:
        click.echo(json.dumps(_document(note, report, data_dir)))
    elif note is None:
        click.echo(f"{name} is not running.")
    elif report is None:
        click.echo(
            f"{name} (process {note.pid}) is starting, or hangs: it did not answer within "
            f"{asking.ASK_SECONDS:.0f} s. Look into {_where_it_logs(data_dir)}."
        )
    else:
        since = datetime.fromtimestamp(note.created).astimezone()
        where = f"{note.url} (process {note.pid}, since {since:%Y-%m-%d %H:%M:%S})"
        click.echo(f"{name} is running at {where}.")
        if data_dir is None and not report.shared:
            click.echo(f"Token: in {local_files.token_file()}, which only you can read")
        for line in in_words(report):
            click.echo(inert(line))
    sys.exit(0 if report is not None else 1)


def _document(note: Note | None, report: Report | None, data_dir: Path | None) -> dict[str, Any]:
    document: dict[str, Any] = {"running": report is not None}
    if data_dir is None:
        document["log"] = str(local_files.log_file())
    if note is not None and report is not None:
        document |= {"url": note.url, "pid": note.pid, "since": note.created}
        if data_dir is None and not report.shared:
            document["token_file"] = str(local_files.token_file())
        document |= msgspec.to_builtins(report)
    return document


def _where_it_logs(data_dir: Path | None) -> str:
    return '"qtower service logs"' if data_dir is None else "its log"


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
    file = local_files.log_file()
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
