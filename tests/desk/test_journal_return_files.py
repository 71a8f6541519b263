"""Files that were damaged, removed or taken over while the journal was in memory."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from qtower.desk import journal_store
from qtower.desk.intents import PartState
from qtower.desk.journal import Journal
from qtower.desk.journal_file import open_file
from qtower.desk.journal_store import JournalStore
from qtower.model import Status
from tests.desk.conftest import wait_until
from tests.desk.outages import (
    BACK,
    GONE,
    come_back,
    lose,
    nothing_is_wrong,
    only_when_asked,
    read_at,
    record,
    remove,
    rows_in,
    save,
    states_in,
)
from tests.desk.test_journal import Told, a_row

pytestmark = pytest.mark.usefixtures("when_asked")


def test_a_file_that_is_damaged_meanwhile_is_put_aside(tmp_path: Path, lab_file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("known before"))
    record(journal, "s1")
    lose(journal, lab_file)
    remove(lab_file)
    lab_file.write_bytes(b"ruined" * 1000)
    come_back(journal)
    assert sorted(rows_in(lab_file)) == ["known before", "trouble"]
    assert states_in(lab_file, "s1") == [PartState.OPEN] * 3
    assert [title for title, _ in told] == [GONE, "Journal damaged", BACK]
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == b"ruined" * 1000


def test_damage_within_a_file_is_found_before_it_is_trusted_again(
    tmp_path: Path, lab_file: Path
) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    rows = [a_row(f"{number:05}") for number in range(3000)]
    save(journal, *rows)
    journal._store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with lab_file.open("r+b") as damaged:  # two pages in the middle of it: most can be read
        damaged.seek(lab_file.stat().st_size // 8192 * 4096)
        damaged.write(b"\xff" * 8192)
    journal._store._connection.execute("PRAGMA shrink_memory")
    save(journal, *(replace(row, name="new") for row in rows))
    assert [title for title, _ in told] == [GONE]
    come_back(journal)
    assert [title for title, _ in told] == [GONE, "Journal damaged", BACK]
    assert {row.name for row in rows_in(lab_file).values()} == {"new"}
    assert len(rows_in(lab_file)) == 3000


def test_of_two_that_find_the_damage_one_puts_the_file_aside(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, others = Told(), Told()
    journal = Journal("lab", tmp_path, told)
    lose(journal, lab_file)
    remove(lab_file)
    lab_file.write_bytes(b"ruined" * 1000)
    another: list[Journal] = []

    def slowly(*values: Any, **names: Any) -> sqlite3.Connection:
        monkeypatch.undo()
        only_when_asked(monkeypatch)
        try:
            return open_file(*values, **names)
        finally:
            another.append(Journal("lab", tmp_path, others))
            save(another[0], a_row("1"))

    monkeypatch.setattr(journal_store, "open_file", slowly)
    journal.try_now()
    wait_until(lambda: another and another[0].rows())
    come_back(journal)
    assert [title for title, _ in told] == [GONE, BACK]
    assert [title for title, _ in others] == ["Journal damaged"]
    assert sorted(rows_in(lab_file)) == ["1", "trouble"]
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_file_that_was_made_anew_gets_all_that_is_known(tmp_path: Path, lab_file: Path) -> None:
    """Somebody has removed it, and another qtower has begun a new one."""
    journal = Journal("lab", tmp_path, Told())
    save(journal, read_at("known before", Status.DONE, 2.0), read_at("both", Status.DONE, 2.0))
    record(journal, "s1")
    lose(journal, lab_file)
    remove(lab_file)
    other = Journal("lab", tmp_path, Told())
    save(
        other, read_at("both", Status.DONE, 5.0, name="newer"), read_at("theirs", Status.DONE, 5.0)
    )
    come_back(journal)
    found = rows_in(lab_file)
    assert sorted(found) == ["both", "known before", "theirs", "trouble"]
    assert found["both"].name == "newer"
    assert states_in(lab_file, "s1") == [PartState.OPEN] * 3


def test_the_file_of_a_newer_qtower_is_not_tried_again(lab_file: Path) -> None:
    with sqlite3.connect(lab_file) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    told = Told()
    store = JournalStore(lab_file, told, nothing_is_wrong)
    store.try_now()
    assert store.tend() is None and store.unwritten is not None
    assert [title for title, _ in told] == [GONE]


def test_a_file_that_a_newer_qtower_took_over_is_left_alone(tmp_path: Path, lab_file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("1"))
    lose(journal, lab_file)
    with sqlite3.connect(lab_file) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    journal.try_now()
    wait_until(lambda: len(told) == 2, 20)
    assert "newer qtower" in told[1][1] and "next start" in told[1][1]
    journal.try_now()
    save(journal, a_row("2"))
    assert sorted(row.key for row in journal.rows()) == ["1", "2", "trouble"]
    with closing(sqlite3.connect(lab_file)) as newer:
        assert newer.execute("SELECT key FROM jobs").fetchall() == [("1",)]
    assert len(told) == 2
