"""`--read-only`: an option of the program and of its commands, heeded where accounts are opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_KEY = "qtower.read_only"

_Command = TypeVar("_Command", bound=Callable[..., Any])


def read_only_option(command: _Command) -> _Command:
    """Adds the option to a command; `read_only_asked` says whether it was given."""
    return click.option(
        "--read-only",
        is_flag=True,
        expose_value=False,
        callback=_note,
        help="Only look: refuse to submit, send or cancel anything.",
    )(command)


def read_only_asked() -> bool:
    """Whether the program or its command was called with the option."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(context.meta.get(_KEY))


def _note(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    if given:
        context.meta[_KEY] = True
