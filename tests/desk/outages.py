"""Journals whose file cannot be written for a while, and what is in it afterwards."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from qtower.desk.intents import PartState
from qtower.desk.journal import Journal
from qtower.model import JobRow, Status
from tests.desk.conftest import wait_until
from tests.desk.test_journal import a_part, a_row

GONE, BACK = "Journal not written", "Journal written again"


def only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are tried again when a test asks for it, and others are not waited for."""
    monkeypatch.setattr("qtower.desk.journal_store._FIRST_PAUSE_SECONDS", 3600.0)
    monkeypatch.setattr("qtower.desk.journal_store._LONGEST_PAUSE_SECONDS", 7200.0)
    monkeypatch.setattr("qtower.desk.journal_store._PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr("qtower.desk.journal_file._BUSY_SECONDS", 0.05)


def nothing_is_wrong(title: str, text: str) -> None:
    pytest.fail(f"{title}: {text}")


def left_by_another(file: Path, *rows: JobRow) -> None:
    """A qtower that is gone has written rows."""
    journal = Journal("lab", file.parent, nothing_is_wrong)
    save(journal, *rows)
    journal._store._connection.close()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Another program has the file locked."""
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def lose(journal: Journal, file: Path) -> None:
    """The file cannot be written for a moment, and the journal notices."""
    with locked(file):
        save(journal, a_row("trouble"))
    assert journal.unwritten is not None


def save(journal: Journal, *rows: JobRow, gone: tuple[str, ...] = ()) -> None:
    journal.save(rows, gone)
    assert journal.flush(10)


def come_back(journal: Journal) -> None:
    journal.try_now()
    wait_until(lambda: journal.unwritten is None, 20)


def rows_in(file: Path) -> dict[str, JobRow]:
    """As the next qtower will read them."""
    journal = Journal("lab", file.parent, nothing_is_wrong)
    return {row.key: row for row in journal.rows()}


def states_in(file: Path, set_id: str) -> list[PartState]:
    intents = Journal("lab", file.parent, nothing_is_wrong).intents
    return [part.state for part in intents.parts(set_id)]


def record(journal: Journal, set_id: str, parts: int = 3) -> None:
    """A set is about to be sent."""
    qobjs = [b"{}"] * parts
    journal.intents.record(set_id, set_id, "sim", [a_part(index) for index in range(parts)], qobjs)


def remove(file: Path) -> None:
    """Somebody removes the file, and what SQLite keeps beside it."""
    for each in file.parent.glob(f"{file.name}*"):
        each.unlink()


def read_at(key: str, status: Status, confirmed: float, **more: object) -> JobRow:
    """A row as the endpoint told it at `confirmed`."""
    return replace(a_row(key, status, confirmed), confirmed=confirmed, **more)
