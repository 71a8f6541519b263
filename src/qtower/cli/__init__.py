"""The command line: `qtower` opens the monitor, every other command is a script's way in.

Exit codes: 0 did what was asked, 1 failed, 2 wrong usage, 3 (`submit --wait`) a job was cancelled,
130 ended by Ctrl+C.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

import click

from qtower import __version__
from qtower.cli.read_only import read_only_option
from qtower.desk.scrubbing import guard_tracebacks, scrub
from qtower.errors import QtowerError

# Modules are loaded when their command is called: `qtower --version` imports neither Textual nor
# Qiskit, and the monitor starts its agent before it imports Textual.
COMMANDS = {
    "monitor": "qtower.cli.monitor:monitor",
    "submit": "qtower.cli.jobs:submit",
    "unsent": "qtower.cli.unsent:unsent",
    "list": "qtower.cli.jobs:list_jobs",
    "cancel": "qtower.cli.jobs:cancel",
    "result": "qtower.cli.results:result",
    "error": "qtower.cli.results:error",
    "account": "qtower.cli.accounts:account",
    "agent": "qtower.cli.agent:agent",
    "serve": "qtower.cli.serve:serve",
    "service": "qtower.cli.service:service",
}

INTERRUPTED_EXIT = 130


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, name = target.split(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        with _ended_by_ctrl_c():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: click.Context) -> object:
        with _ended_by_ctrl_c():
            return super().invoke(ctx)


@contextlib.contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Click would end with 1, as if something had failed."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("", err=True)  # the terminal has written ^C
        raise SystemExit(INTERRUPTED_EXIT) from None


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@read_only_option
@click.version_option(__version__, prog_name="qtower", message="%(prog)s %(version)s")
@click.pass_context
def commands(context: click.Context) -> None:
    """A control tower for quantum jobs. Without a command it opens the monitor."""
    if context.invoked_subcommand is None:
        command = commands.get_command(context, "monitor")
        assert command is not None
        context.invoke(command)


def main() -> None:
    """Entry point of the `qtower` program."""
    from qtower.cli.standard import make_inert

    make_inert()
    guard_tracebacks()
    try:
        commands(standalone_mode=True)
    except QtowerError as error:
        click.echo(scrub(f"qtower: {error}"), err=True)
        raise SystemExit(1) from None
    except SystemExit as ended:
        if ended.code == INTERRUPTED_EXIT:
            _leave_at_once()
        raise


def _leave_at_once() -> NoReturn:
    """Ends with what is on its way to whom, and waits for nothing else.

    A thread may be in the midst of loading the provider. An interpreter that is taken down under
    compiled code crashes now and then.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(INTERRUPTED_EXIT)
