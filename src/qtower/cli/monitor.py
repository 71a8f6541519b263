"""`qtower monitor`: the screen, with an agent of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

import click

from qtower import paths
from qtower.agent.link import AgentLink, LinkState
from qtower.cli.leaving import Leaving, this_terminal
from qtower.cli.read_only import read_only_asked, read_only_option
from qtower.config import find_account
from qtower.desk.scrubbing import ScrubbingFormatter, scrub
from qtower.errors import QtowerError, StorageError
from qtower.loading import quick_imports
from qtower.model import Event
from qtower.processes import this_program

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp

_LOG_BYTES = 500_000


@click.command()
@click.option("--account", "account_name", metavar="NAME", help="An account of config.toml.")
@read_only_option
def monitor(account_name: str | None = None) -> None:
    """Watch the jobs of an account. This is what `qtower` alone does."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise QtowerError(
            "The monitor needs a terminal for input and output.", "In a script use: qtower list"
        )
    account = find_account(account_name)
    read_only = read_only_asked() or account.read_only
    command = this_program("agent", "--account", account.name)
    command += ["--read-only"] if read_only else []
    terminal = this_terminal()
    process = AgentLink.launch(command)
    # What a shell once exported is older than what the terminal says of itself.
    for stale in ("COLUMNS", "LINES"):
        os.environ.pop(stale, None)
    # The agent works already while Textual is imported.
    with quick_imports():
        from qtower.ui.app import TowerApp

    links: list[AgentLink] = []

    def connect(
        on_event: Callable[[Event], None], on_state: Callable[[LinkState], None]
    ) -> AgentLink:
        links.append(AgentLink(command, on_event, on_state, process=process))
        return links[-1]

    app = TowerApp(connect, account.name, read_only=read_only)
    _log_to_file()

    def kill_agents() -> None:
        for link in links:
            link.kill()

    leaving = Leaving(terminal, kill_agents)
    asyncio.run(_run(app, leaving))
    if app.crash is not None:
        raise QtowerError(*_explain(app.crash))
    if leaving.signal:
        raise SystemExit(128 + leaving.signal)


async def _run(app: TowerApp, leaving: Leaving) -> None:
    loop = asyncio.get_running_loop()

    def leave() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(app.exit)

    leaving.watch(leave)
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
    handler.setFormatter(ScrubbingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)


def _explain(error: Exception) -> tuple[str, str]:
    """Keeps the traceback in a file, without local variables; returns what to say and do."""
    what = f"The screen ended by an error of its own ({type(error).__name__})."
    try:
        file = paths.state_dir() / "monitor-error.txt"
        text = scrub("".join(traceback.format_exception(error)))
        paths.write_private(file, text.encode(errors="backslashreplace"))
    except (StorageError, OSError):
        return what, "Start it again; the jobs are safe."
    return what, f"Start it again; the jobs are safe. Details are in {file}."
