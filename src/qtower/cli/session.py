"""A desk for one command: logged in, its rows read, and gone when the command ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from qtower import paths
from qtower.agent import logs
from qtower.cli.connect import Way, way_to
from qtower.cli.read_only import read_only_asked
from qtower.cli.standard import warn_in_red
from qtower.desk.desk import Desk
from qtower.errors import AccountError, NotFoundError, QtowerError, ReadOnlyError
from qtower.model import (
    CHANGES,
    Connected,
    Connection,
    Event,
    JobRow,
    Link,
    Notice,
    Request,
    Rows,
    Sending,
    UnsentSet,
)
from qtower.text import inert

READY_SECONDS = 90.0
"""How long a command waits for the service to start, the login and the first reading."""


class Session:
    """The rows of an account as they are now, and the desk to act on them."""

    def __init__(self, way: Way) -> None:
        self.rows: dict[str, JobRow] = {}
        self.connection: Connection | None = None
        self.sending: list[UnsentSet] = []
        self._changed = threading.Condition()
        self.desk = Desk(
            way.name,
            way.connect,
            self._hear,
            endpoint=way.endpoint,
            read_only=way.read_only,
            insecure=way.insecure,
        )

    def _hear(self, event: Event) -> None:
        with self._changed:
            if isinstance(event, Rows):
                self.rows.update((row.key, row) for row in event.rows)
                for key in event.gone:
                    self.rows.pop(key, None)
            elif isinstance(event, Connected):
                self.connection = event.connection
            elif isinstance(event, Sending):
                self.sending = event.sets
            elif isinstance(event, Notice) and event.level != "info":
                click.echo(f"qtower: {event.title}: {inert(event.text)}", err=True)
            self._changed.notify_all()

    def wait_for(self, keys: Iterable[str], reached: Callable[[JobRow], bool]) -> list[JobRow]:
        """Waits until every job of `keys` has reached a state, and returns their rows.

        An endpoint that does not answer is said on standard error, once, and waited for.

        Raises:
            NotFoundError: A job was there and is not any more.
            AccountError: The endpoint refuses the login.
        """
        wanted = list(keys)
        known: set[str] = set()
        offline, progress = False, ""
        with self._changed:
            while True:
                rows = [self.rows[key] for key in wanted if key in self.rows]
                if len(rows) == len(wanted) and all(map(reached, rows)):
                    return rows
                if lost := sorted(known - self.rows.keys()):
                    raise NotFoundError(
                        f"The job {lost[0]} was deleted while it was waited for.",
                        "See `qtower list` for what is there.",
                    )
                known |= {row.key for row in rows}
                offline = self._look_at_link(offline)
                progress = self._tell_progress(wanted, progress)
                # Woken by every event; the time-out only lets Ctrl+C through.
                self._changed.wait(1.0)

    def _tell_progress(self, keys: list[str], said: str) -> str:
        """Says what the sending of these jobs waits for, if that is news; returns what it said."""
        sets = {key.rpartition("/")[0] for key in keys}
        waits = [
            f"{inert(each.name, 40)}: {each.sent} of {each.jobs} sent, {inert(each.waits_for, 200)}"
            for each in self.sending
            if each.set_id in sets and each.waits_for
        ]
        words = "; ".join(waits)
        if words and words != said:
            click.echo(f"qtower: {words}", err=True)
        return words or said

    def _look_at_link(self, was_offline: bool) -> bool:
        """Whether the endpoint does not answer; says so if it did before."""
        connection = self.connection
        if connection is None:
            return was_offline
        if connection.link is Link.REFUSED:
            raise AccountError(inert(connection.detail))
        offline = connection.link is Link.OFFLINE
        if offline and not was_offline:
            words = "It is waited for; Ctrl+C ends the waiting, and not the jobs."
            click.echo(f"qtower: {inert(connection.detail)} {words}", err=True)
        return offline

    def find(self, name: str) -> list[JobRow]:
        """The jobs that `name` means: a job id, a key, a set id or a name that is unique.

        Raises:
            NotFoundError: It means none, or a name means several jobs of different sets.
        """
        rows = list(self.rows.values())
        for field in ("job_id", "key", "set_id"):
            found = [row for row in rows if getattr(row, field) == name and name]
            if found:
                return sorted(found, key=lambda row: row.index or 0)
        found = [row for row in rows if name and name in (row.name, row.set_name, row.label)]
        if not found:
            raise NotFoundError(
                f'There is no job "{name}" on this account.', "See `qtower list` for job ids."
            )
        if len({row.set_id or row.key for row in found}) > 1:
            ids = ", ".join(sorted({row.set_id or row.job_id for row in found})[:5])
            raise NotFoundError(f'Several jobs are named "{name}".', f"Use an id: {ids}.")
        return sorted(found, key=lambda row: row.index or 0)

    def find_one(self, name: str) -> JobRow:
        """As `find`, for a command that takes a single job.

        Raises:
            NotFoundError: It means none, or several.
        """
        rows = self.find(name)
        if len(rows) > 1:
            ids = ", ".join(row.job_id or row.key for row in rows[:5])
            raise NotFoundError(f'"{name}" has {len(rows)} jobs.', f"Name one of them: {ids}.")
        return rows[0]


@contextmanager
def open_session(
    account_name: str | None,
    *,
    need_live: bool = True,
    change: type[Request] | None = None,
) -> Iterator[Session]:
    """Opens the account's desk and waits until its rows are current.

    With `need_live` false an endpoint that does not answer is no error: the rows are then the
    journal's, and `session.connection` says so.

    Raises:
        ReadOnlyError: The command is for a `change`, and the account is read-only.
    """
    logs.leave_stdout(paths.state_dir() / "commands.log")
    way = way_to(account_name, read_only=read_only_asked())
    if way.read_only and change is not None:
        raise ReadOnlyError.at(way.name, CHANGES[change])
    if way.insecure:
        _warn_of_tls(way)
    session = Session(way)
    session.desk.open()
    try:
        try:
            session.connection = session.desk.wait_ready(READY_SECONDS)
        except QtowerError as error:
            if need_live:
                raise
            click.echo(f"qtower: {error}", err=True)
        yield session
    finally:
        session.desk.close()


def _warn_of_tls(way: Way) -> None:
    host = inert(urlsplit(way.endpoint).netloc)
    warn_in_red(
        f'qtower: the certificate of {host} is not checked (verify = false of "{way.name}"): '
        "anybody on the way can read your token."
    )


def age(since: float | None) -> str:
    """How long ago `since` was, in the largest unit that fits: "12s", "3m", "5h", "2d"."""
    if since is None:
        return "-"
    seconds = max(0.0, time.time() - since)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"
