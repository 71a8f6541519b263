"""`qtower serve`: the service in the foreground."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from qtower import paths

_FILE = click.Path(dir_okay=False, path_type=Path)
_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/\-]*)?", re.ASCII)


def _public_url(_context: Any, _parameter: Any, url: str | None) -> str | None:
    if url is None:
        return None
    if not _PUBLIC_URL.fullmatch(url):
        raise click.BadParameter("It is no address like https://quantum.example.org/api.")
    return url.rstrip("/")


@click.command()
@click.option("--config", type=_FILE, help="A service.toml; see docs/service.md.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
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
    "--token-file", type=_FILE, help="The token of the one user; made if it does not exist."
)
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=256),
    help="Jobs simulated at once. Default: one a processor, at most 4.",
)
@click.option(
    "--job-limit",
    type=click.IntRange(min=1),
    help="Unfinished jobs that a user may have on a backend. Default: as configured.",
)
@click.option("--database", metavar="URL", help="postgresql+psycopg://... Default: SQLite.")
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Simulate on a Dask cluster.")
@click.option("--tls-cert", type=_FILE, help="Certificate (PEM, with its chain): speak https.")
@click.option("--tls-key", type=_FILE, help="The certificate's key (PEM, without a password).")
@click.option(
    "--public-url",
    metavar="URL",
    callback=_public_url,
    help="The API as clients reach it through a proxy: https://HOST/api.",
)
@click.option(
    "--insecure", is_flag=True, help="Listen beyond loopback even without TLS or named users."
)
@click.option("--metrics-token-file", type=_FILE, help="The token that opens /metrics.")
@click.option("--log-requests", is_flag=True, help="Log a line a request, without its query.")
@click.option("--check", is_flag=True, help="Only check the configuration, and start nothing.")
@click.option("--idle-seconds", type=click.FloatRange(min=1), hidden=True)
def serve(
    config: Path | None,
    host: str,
    port: int,
    data_dir: Path | None,
    token_file: Path | None,
    workers: int | None,
    job_limit: int | None,
    database: str | None,
    scheduler: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    public_url: str | None,
    insecure: bool,
    metrics_token_file: Path | None,
    log_requests: bool,
    check: bool,
    idle_seconds: float | None,
) -> None:
    """Run a service with the API of the IBM Quantum Experience, on Aer.

    Its first line says where it listens. Ctrl+C ends it; unfinished jobs run again at the next
    start.
    """
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together.")
    from qtower.service.engine import default_workers
    from qtower.service.server import Options, run
    from qtower.service.settings import ServiceSettings
    from qtower.service.settings_file import load
    from qtower.service.tls import ExposureError

    settings = load(config) if config else ServiceSettings()
    for option, section, field, value in (
        ("--job-limit", "limits", "jobs", job_limit),
        ("--database", "database", "url", database),
        ("--scheduler", "scheduler", "address", scheduler),
    ):
        settings = _with(settings, option, section, field, value)
    if check:
        click.echo(_in_order(settings))
        return
    options = Options(
        host=host,
        port=port,
        data_dir=(data_dir or paths.data_dir()).absolute(),
        token_file=token_file.absolute() if token_file else None,
        workers=workers or default_workers(),
        idle_seconds=idle_seconds,
        settings=settings,
        tls_cert=tls_cert,
        tls_key=tls_key,
        public_url=public_url,
        insecure=insecure,
        metrics_token_file=metrics_token_file,
        log_requests=log_requests,
    )
    try:
        sys.exit(run(options))
    except ExposureError as error:
        raise click.BadParameter(str(error), param_hint="--host") from None


def _in_order(settings: Any) -> str:
    counts = {
        "user": len(settings.users),
        "backend": len(settings.backends),
        "reservation": len(settings.reservations),
    }
    words = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items()]
    return f"The configuration is in order: {', '.join(words)}."


def _with(settings: Any, option: str, section: str, field: str, value: Any) -> Any:
    """The settings with what the command line says instead of the file."""
    if value is None:
        return settings
    table = getattr(settings, section)
    changed = msgspec.structs.replace(table, **{field: value})
    try:
        # Checked as in the file. The value itself is not told: an address may hold a password.
        msgspec.convert(msgspec.to_builtins(changed), type(table))
    except msgspec.ValidationError:
        words = "It is not of the form that --help shows."
        raise click.BadParameter(words, param_hint=f"'{option}'") from None
    return msgspec.structs.replace(settings, **{section: changed})
