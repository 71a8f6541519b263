"""`qtower serve`, and `qtower service`, which looks after the user's own service."""

from __future__ import annotations

import ipaddress
import json
import sys
import time
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import click

from qtower import paths
from qtower.errors import ServiceError
from qtower.service import local
from qtower.text import inert_lines

_FOLLOW_SECONDS = 0.2


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    show_default=True,
    help="Port; 0 takes a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where jobs are kept. Default: qtower's data directory.",
)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The token of the one user; made if it does not exist.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=256),
    help="Jobs simulated at once. Default: one a processor, at most 4.",
)
@click.option("--idle-seconds", type=click.FloatRange(min=1), hidden=True)
def serve(
    host: str,
    port: int,
    data_dir: Path | None,
    token_file: Path | None,
    workers: int | None,
    idle_seconds: float | None,
) -> None:
    """Run a service with the API of the IBM Quantum Experience, simulating with Aer.

    Its first line says where it listens. Ctrl+C ends it; unfinished jobs run again at the next
    start.
    """
    _refuse_other_hosts(host)
    from qtower.service.engine import default_workers
    from qtower.service.server import Options, run

    options = Options(
        host=host,
        port=port,
        data_dir=(data_dir or paths.data_dir()).absolute(),
        token_file=token_file.absolute() if token_file else None,
        workers=workers or default_workers(),
        idle_seconds=idle_seconds,
    )
    sys.exit(run(options))


@click.group()
def service() -> None:
    """Look after the service that qtower starts for you."""


@service.command()
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object.")
def status(as_json: bool) -> None:
    """Say whether it runs, and where. Exit code 1 if it does not."""
    found = local.status()
    if as_json:
        document = {"running": found is not None, "log": str(local.log_file())}
        if found is not None:
            document |= {"url": found.url, "pid": found.pid, "since": found.since}
        click.echo(json.dumps(document))
    elif found is None and (pid := local.silent_process()) is not None:
        click.echo(f"The local service (process {pid}) is starting, or does not answer.")
    elif found is None:
        click.echo("The local service is not running.")
    else:
        since = datetime.fromtimestamp(found.since).astimezone()
        click.echo(
            f"The local service is running at {found.url} "
            f"(process {found.pid}, since {since:%Y-%m-%d %H:%M:%S})."
        )
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


def _refuse_other_hosts(host: str) -> None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise click.BadParameter(
            "The service listens on loopback only (127.0.0.1, ::1, localhost), because it has "
            "neither TLS nor named users yet.",
            param_hint="--host",
        )
