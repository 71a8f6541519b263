"""`qtower monitor`: the screen, with an agent of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

import click

from qtower import paths
from qtower.agent.link import AgentLink
from qtower.config import resolve_account
from qtower.errors import QtowerError, StorageError

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp

_LAST_SECONDS = 2.0
"""So long the app has for an orderly end once the terminal has gone or a signal has come."""

_LOG_BYTES = 500_000


@click.command()
@click.option("--account", "account_name", metavar="NAME", help="An account of config.toml.")
def monitor(account_name: str | None = None) -> None:
    """Watch the jobs of an account. This is what `qtower` alone does."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise QtowerError(
            "The monitor needs a terminal for input and output.", "In a script use: qtower list"
        )
    account = resolve_account(account_name)
    command = [sys.executable, "-m", "qtower", "agent", "--account", account.name]
    process = AgentLink.launch(command)
    # What a shell once exported is older than what the terminal says of itself.
    for stale in ("COLUMNS", "LINES"):
        os.environ.pop(stale, None)
    # The agent works already while Textual is imported.
    app = _make_app(command, process, account.name)
    _log_to_file()
    signals: list[int] = []
    asyncio.run(_run(app, signals))
    if app.crash is not None:
        raise QtowerError(*_explain(app.crash))
    if signals:
        raise SystemExit(128 + signals[0])


def _make_app(command: list[str], process: subprocess.Popen[bytes], account: str) -> TowerApp:
    from qtower.ui.app import TowerApp

    return TowerApp(
        lambda on_event, on_state: AgentLink(command, on_event, on_state, process=process), account
    )


async def _run(app: TowerApp, signals: list[int]) -> None:
    loop = asyncio.get_running_loop()

    def leave(number: int) -> None:
        signals.append(number)
        # Writing to a terminal that has gone may block for ever.
        end = threading.Timer(_LAST_SECONDS, os._exit, [128 + number])
        end.daemon = True
        end.start()
        app.exit()

    for number in (signal.SIGHUP, signal.SIGTERM):
        loop.add_signal_handler(number, leave, number)
    await app.run_async()


def _log_to_file() -> None:
    """Logs of the screen's process never reach the screen."""
    handler: logging.Handler
    try:
        handler = RotatingFileHandler(
            paths.state_dir() / "monitor.log", maxBytes=_LOG_BYTES, backupCount=1, delay=True
        )
    except StorageError:
        handler = logging.NullHandler()  # the agent tells what is wrong with the directory
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _explain(error: Exception) -> tuple[str, str]:
    """Keeps the traceback in a file, without local variables; returns what to say and do."""
    what = f"The screen ended by an error of its own ({type(error).__name__})."
    try:
        file = paths.state_dir() / "monitor-error.txt"
        paths.write_private(file, "".join(traceback.format_exception(error)).encode())
    except (StorageError, OSError):
        return what, "Start it again; the jobs are safe."
    return what, f"Start it again; the jobs are safe. Details are in {file}."
