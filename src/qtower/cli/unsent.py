"""`qtower unsent`: jobs that are not on the server yet, and what is to become of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import click

from qtower.cli.jobs import account_option
from qtower.cli.session import Session, age, open_session
from qtower.cli.standard import print_json
from qtower.errors import JobStateError, NetworkError, NotFoundError
from qtower.fitting import cut
from qtower.model import GetUnsent, Steer, SteerSet, UnsentSet
from qtower.text import inert

_TAKE_OVER_SECONDS = 180.0
_OFFLINE_SECONDS = 3600.0
"""So long a process that nobody waits for looks for the endpoint; then the set is offered."""
_LOOK_SECONDS = 0.3

_Command = TypeVar("_Command", bound=Callable[..., object])


def _options(command: _Command) -> _Command:
    command = account_option(command)
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@click.group(invoke_without_command=True)
@_options
@click.pass_context
def unsent(context: click.Context, account: str | None, as_json: bool) -> None:
    """List sets of jobs that are not wholly sent. They stay listed until you decide."""
    if context.invoked_subcommand is None:
        with open_session(account, need_live=False) as session:
            _print(session.desk.unsent(GetUnsent()).sets, as_json)


@unsent.command()
@click.argument("names", nargs=-1, metavar="[SET]...")
@_options
@click.option("--always", is_flag=True, help="Go on by itself when qtower is started again.")
@click.option("--background", is_flag=True, help="Return at once; a process of its own sends.")
@click.option("--take-over", is_flag=True, hidden=True, help="Wait for the process that sends now.")
def send(
    names: tuple[str, ...],
    account: str | None,
    as_json: bool,
    always: bool,
    background: bool,
    take_over: bool,
) -> None:
    """Send what is missing of sets; without a name, of all that wait.

    Returns when all of it has reached the endpoint. Nothing is sent twice: the endpoint is asked
    first what it has.
    """
    steer = Steer.BACKGROUND if background else Steer.ALWAYS if always else Steer.SEND
    # Nobody waits for who takes over: without the endpoint he waits for it himself.
    with open_session(account, need_live=not take_over, change=SteerSet) as session:
        sets = session.desk.unsent(GetUnsent()).sets
        if names:
            chosen = [_find(sets, name) for name in names]
        else:
            chosen = [each for each in sets if each.state == "offered"]
        ids = [each.set_id for each in chosen]
        for set_id in ids:
            _begin(session, set_id, steer, take_over=take_over)
        left = [] if background else _wait(session, ids)
    _print(left, as_json)
    raise SystemExit(1 if left else 0)


@unsent.command()
@click.argument("names", nargs=-1, required=True, metavar="SET...")
@_options
def leave(names: tuple[str, ...], account: str | None, as_json: bool) -> None:
    """Give up what was not sent of sets. What was sent goes on."""
    _steer_all(names, account, as_json, Steer.LEAVE)


@unsent.command()
@click.argument("names", nargs=-1, required=True, metavar="SET...")
@_options
def pause(names: tuple[str, ...], account: str | None, as_json: bool) -> None:
    """Pause the sending of sets, by whatever process; `send` goes on."""
    _steer_all(names, account, as_json, Steer.PAUSE)


@unsent.command()
@click.argument("names", nargs=-1, required=True, metavar="SET...")
@_options
def stop(names: tuple[str, ...], account: str | None, as_json: bool) -> None:
    """Stop the sending of sets, and keep the rest for later."""
    _steer_all(names, account, as_json, Steer.STOP)


def _steer_all(names: tuple[str, ...], account: str | None, as_json: bool, steer: Steer) -> None:
    with open_session(account, need_live=False, change=SteerSet) as session:
        sets = session.desk.unsent(GetUnsent()).sets
        for name in names:
            found = _find(sets, name)
            session.desk.steer(SteerSet(set_id=found.set_id, steer=steer))
        _print(session.desk.unsent(GetUnsent()).sets, as_json)


def _begin(session: Session, set_id: str, steer: Steer, *, take_over: bool) -> None:
    """Makes a set being sent by this process, or as `steer` says."""
    began = time.monotonic()
    while found := _known(session, set_id):
        waited = time.monotonic() - began
        if found.state == "offered" or not take_over:
            try:
                session.desk.steer(SteerSet(set_id=set_id, steer=steer))
                return
            except NetworkError:  # the desk goes on to look for the endpoint
                if not take_over or waited > _OFFLINE_SECONDS:
                    raise
        elif waited > _TAKE_OVER_SECONDS:
            raise JobStateError("The process that sends this set does not let go of it.")
        time.sleep(_LOOK_SECONDS)


def _wait(session: Session, ids: list[str]) -> list[UnsentSet]:
    """Waits until nobody sends these sets any more; returns what is unsent of them by then."""
    said = ""
    while True:
        sets = [each for set_id in ids if (each := _known(session, set_id))]
        going = [each for each in sets if each.state != "offered"]
        if not going:
            return sets
        if (words := "; ".join(map(_progress, going))) != said:
            click.echo(f"qtower: {words}", err=True)
            said = words
        time.sleep(_LOOK_SECONDS)


def _known(session: Session, set_id: str) -> UnsentSet | None:
    sets = session.desk.unsent(GetUnsent()).sets
    return next((each for each in sets if each.set_id == set_id), None)


def _find(sets: list[UnsentSet], name: str) -> UnsentSet:
    found = [each for each in sets if name in (each.set_id, each.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFoundError(
            f'Several sets are named "{inert(name)}".', "Use an id of `qtower unsent`."
        )
    raise NotFoundError(
        f'No set "{inert(name)}" has unsent jobs.', "See `qtower unsent` for those that have."
    )


def _progress(unsent_set: UnsentSet) -> str:
    waits = unsent_set.waits_for or ("paused" if unsent_set.state == "paused" else "")
    return f"{cut(unsent_set.name, 40)}: {unsent_set.sent} of {unsent_set.jobs} sent" + (
        f", {inert(waits, 200)}" if waits else ""
    )


def _print(sets: list[UnsentSet], as_json: bool) -> None:
    if as_json:
        print_json(sets)
        return
    for each in sets:
        refused = f", {each.refused} refused" if each.refused else ""
        always = ", goes on by itself" if each.always else ""
        click.echo(
            f"{each.set_id}  {cut(each.name, 40)}  {cut(each.backend, 30)}  "
            f"{age(each.created)}: {each.offer}{refused}; {each.state}{always}"
        )
    if any(each.state == "offered" for each in sets):
        click.echo("Send the rest: qtower unsent send SET    Give it up: qtower unsent leave SET")
