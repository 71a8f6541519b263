"""The journal of an account, opened where it belongs, or in memory if there is no place for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from qtower import paths
from qtower.config import Keeping
from qtower.desk.account_session import AccountSession
from qtower.desk.bulletin import Bulletin
from qtower.desk.journal import Journal
from qtower.desk.journal_names import calls_file, journal_name
from qtower.errors import StorageError


class Place(NamedTuple):
    """Whose journal it is: of an account, as long as that is at `endpoint`."""

    account_name: str
    endpoint: str
    state_dir: Path | None  # None: where the platform has such things


def open_journal(
    place: Place,
    session: AccountSession,
    bulletin: Bulletin,
    keeping: Keeping | None,
    clock: Callable[[], float],
) -> Journal:
    """The journal, of which session and bulletin know from now on; what is wrong is told."""
    directory = _directory(place.state_dir, bulletin)
    name = journal_name(place.account_name, place.endpoint, directory)
    session.calls_file = calls_file(name, directory)
    journal = Journal(
        name,
        directory,
        bulletin.warn,
        inform=bulletin.inform,
        keeping=keeping,
        clock=clock,
    )
    session.kept = journal.results
    bulletin.journal = journal
    return journal


def _directory(state_dir: Path | None, bulletin: Bulletin) -> Path | None:
    try:
        return paths.private_dir(state_dir) if state_dir else paths.state_dir()
    except StorageError as error:
        words = "Work goes on, but nothing is kept until qtower is started again."
        bulletin.warn("Journal not written", f"{error} {words}")
        return None
