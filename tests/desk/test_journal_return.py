"""A journal whose file could not be written for a while goes back to it, and nothing gets lost."""

from __future__ import annotations

import random
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from qtower.desk import journal_store
from qtower.desk.intents import PartState
from qtower.desk.journal import Journal
from qtower.desk.journal_file import open_file
from qtower.desk.journal_store import JournalStore
from qtower.model import JobRow, Status, Step
from tests.desk.conftest import wait_until
from tests.desk.outages import (
    BACK,
    GONE,
    come_back,
    left_by_another,
    locked,
    lose,
    only_when_asked,
    record,
    rows_in,
    save,
    states_in,
)
from tests.desk.test_journal import Told, a_part, a_row


@pytest.fixture(autouse=True)
def when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    only_when_asked(monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal-lab.db"


# -- it goes back -------------------------------------------------------------------------------


def test_what_was_learned_meanwhile_is_in_the_file(tmp_path: Path, file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("1"), a_row("2"), a_row("3"))
    with locked(file):
        save(journal, a_row("1", Status.RUNNING, 5.0), a_row("4"), gone=("2",))
        save(journal, a_row("1", Status.DONE, 9.0))
    come_back(journal)
    steps = [("QUEUED", 1.0), ("RUNNING", 5.0), ("DONE", 9.0)]
    assert journal.transitions("1") == [Step(name=name, at=at) for name, at in steps]
    save(journal, a_row("5"))
    found = rows_in(file)
    assert sorted(found) == ["1", "3", "4", "5"] and found["1"].status is Status.DONE
    assert [title for title, _ in told] == [GONE, BACK]


def test_a_file_that_was_locked_at_the_start_is_gone_back_to(tmp_path: Path, file: Path) -> None:
    left_by_another(file, a_row("1"), a_row("2"))
    told = Told()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("UPDATE jobs SET final = 0")  # nobody else can even read it
        journal = Journal("lab", tmp_path, told)
        assert journal.unwritten is not None
        save(journal, a_row("3"), a_row("2", Status.DONE, 7.0))
    come_back(journal)
    assert {key: row.status for key, row in rows_in(file).items()} == {
        "1": Status.QUEUED,
        "2": Status.DONE,
        "3": Status.QUEUED,
    }
    assert [title for title, _ in told] == [GONE, BACK]


def test_it_goes_back_by_itself(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 0.05)
    moved: list[float | None] = []
    journal = Journal("lab", tmp_path, Told())
    journal.watch(lambda: moved.append(journal.unwritten))
    lose(journal, file)
    wait_until(lambda: len(moved) == 2, 20)
    assert moved[0] is not None and moved[1] is None
    assert "trouble" in rows_in(file)


def test_it_is_tried_less_and_less_often_and_never_in_a_busy_loop(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr(journal_store, "_LONGEST_PAUSE_SECONDS", 60.0)
    now, tried = [0.0], []

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        tried.append(now[0])
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(journal_store, "open_file", refuse)
    told = Told()
    store = JournalStore(file, told, told, ticks=lambda: now[0])
    assert store.tend() == store.tend() == 2.0
    while now[0] < 300.0:
        now[0] += store.tend() or 0.0
    assert tried == [0.0, 2.0, 6.0, 14.0, 30.0, 62.0, 122.0, 182.0, 242.0]
    assert len(told) == 1, "it is said once"


def test_a_file_that_comes_and_goes_is_not_gone_back_to_every_moment(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr(journal_store, "_LONGEST_PAUSE_SECONDS", 60.0)
    now, pauses = [0.0], []
    store = JournalStore(file, Told(), Told(), ticks=lambda: now[0])
    for steady in (0.0, 0.0, 0.0, 601.0):
        now[0] += steady
        with locked(file):
            store.write([("DELETE FROM jobs", [()])], False)
        pauses.append(store.tend())
        now[0] += pauses[-1] or 0.0
        assert store.tend() is None and store.unwritten is None
    assert pauses == [2.0, 4.0, 8.0, 2.0]


def test_nobody_waits_while_it_is_tried(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal("lab", tmp_path, Told())
    lose(journal, file)
    begun, go_on = threading.Event(), threading.Event()

    def slowly(*values: object, **names: object) -> sqlite3.Connection:
        begun.set()
        assert go_on.wait(20)
        return open_file(*values, **names)  # type: ignore[arg-type]

    monkeypatch.setattr(journal_store, "open_file", slowly)
    journal.try_now()
    assert begun.wait(20)
    journal.save([a_row("1")])
    journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
    assert [row.key for row in journal.rows()] == ["trouble"], "read while it is tried"
    go_on.set()
    wait_until(lambda: journal.unwritten is None, 20)
    assert journal.flush(10)
    assert sorted(rows_in(file)) == ["1", "trouble"]
    assert states_in(file, "s1") == [PartState.OPEN]


def test_a_failure_on_the_way_back_is_no_loss(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal("lab", tmp_path, Told())
    lose(journal, file)
    rows = [a_row(f"{number:04}") for number in range(1500)]
    save(journal, *rows)
    failed = threading.Event()

    def fail(*_: object) -> None:
        failed.set()
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(journal_store, "bring_sets", fail)
        journal.try_now()
        assert failed.wait(20)
        save(journal, a_row("0007", Status.DONE, 9.0), gone=("0008",))
    assert journal.unwritten is not None
    come_back(journal)
    found = rows_in(file)
    assert len(found) == 1500 and "0008" not in found
    assert found["0007"].status is Status.DONE


# -- beside others ------------------------------------------------------------------------------


def read_at(key: str, status: Status, confirmed: float, **more: object) -> JobRow:
    return replace(a_row(key, status, confirmed), confirmed=confirmed, **more)


def test_the_newer_of_what_two_have_read_stands(tmp_path: Path, file: Path) -> None:
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    keys = ("ours is newer", "theirs is newer", "ended", "untouched", "gone", "gone and seen")
    save(journal, *(read_at(key, Status.QUEUED, 1.0) for key in keys))
    lose(journal, file)
    save(
        journal,
        read_at("ours is newer", Status.RUNNING, 5.0),
        read_at("theirs is newer", Status.RUNNING, 3.0, label="bell", saved=True),
        read_at("ended", Status.RUNNING, 9.0),
        gone=("gone", "gone and seen"),
    )
    save(
        other,
        read_at("ours is newer", Status.QUEUED, 4.0),
        read_at("theirs is newer", Status.DONE, 4.0, run_seconds=1.5),
        read_at("ended", Status.DONE, 8.0),
        read_at("untouched", Status.DONE, 4.0),
        read_at("gone and seen", Status.DONE, 4.0),
        read_at("only theirs", Status.DONE, 4.0),
    )
    come_back(journal)
    found = rows_in(file)
    assert {key: row.status.value for key, row in found.items() if key != "trouble"} == {
        "ours is newer": "RUNNING",
        "theirs is newer": "DONE",
        "ended": "DONE",
        "untouched": "DONE",
        "gone and seen": "DONE",
        "only theirs": "DONE",
    }
    row = found["theirs is newer"]
    assert (row.label, row.run_seconds, row.since) == ("bell", 1.5, 4.0)
    steps = [step.name for step in journal.transitions("theirs is newer")]
    assert steps == ["QUEUED", "RUNNING", "DONE"]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_newest_of_every_job_is_kept(
    tmp_path: Path, file: Path, seed: int
) -> None:
    """Two qtowers read the same jobs, and lose the file and find it again as it comes."""
    chance = random.Random(seed)
    journals = [Journal("lab", tmp_path, Told()) for _ in range(2)]
    newest: dict[str, JobRow] = {}
    for now in range(1, 200):
        journal = chance.choice(journals)
        if chance.random() < 0.1:
            if journal.unwritten is None:
                with locked(file):
                    save(journal, read_at("trouble", Status.RUNNING, float(now)))
            else:
                come_back(journal)
        row = read_at(f"{chance.randrange(20)}", Status.RUNNING, float(now), name=f"{now}")
        newest[row.key] = row
        save(journal, row)
    for journal in journals:
        come_back(journal)
    found = rows_in(file)
    assert {key: found[key].name for key in newest} == {
        key: row.name for key, row in newest.items()
    }


# -- files that cannot be gone back to ----------------------------------------------------------


def test_a_file_that_is_damaged_meanwhile_is_put_aside(tmp_path: Path, file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("known before"))
    record(journal, "s1")
    lose(journal, file)
    for each in tmp_path.glob("journal-lab.db*"):
        each.unlink()
    file.write_bytes(b"ruined" * 1000)
    come_back(journal)
    assert sorted(rows_in(file)) == ["known before", "trouble"]
    assert states_in(file, "s1") == [PartState.OPEN] * 3
    assert [title for title, _ in told] == [GONE, "Journal damaged", BACK]
    (aside,) = tmp_path.glob("*.damaged-*")
    assert aside.read_bytes() == b"ruined" * 1000


def test_damage_within_a_file_is_found_before_it_is_trusted_again(
    tmp_path: Path, file: Path
) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    rows = [a_row(f"{number:05}") for number in range(3000)]
    save(journal, *rows)
    journal._store._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = file.stat().st_size
    with file.open("r+b") as damaged:  # all but its first pages, among them the newest rows
        damaged.seek(size // 2)
        damaged.write(b"\xff" * (size // 2))
    journal._store._connection.execute("PRAGMA shrink_memory")
    save(journal, *(replace(row, name="new") for row in rows))
    assert [title for title, _ in told] == [GONE]
    come_back(journal)
    assert [title for title, _ in told] == [GONE, "Journal damaged", BACK]
    assert {row.name for row in rows_in(file).values()} == {"new"}
    assert len(rows_in(file)) == 3000


def test_a_file_that_was_made_anew_gets_all_that_is_known(tmp_path: Path, file: Path) -> None:
    """Somebody has removed it, and another qtower has begun a new one."""
    journal = Journal("lab", tmp_path, Told())
    save(journal, read_at("known before", Status.DONE, 2.0), read_at("both", Status.DONE, 2.0))
    record(journal, "s1")
    lose(journal, file)
    for each in tmp_path.glob("journal-lab.db*"):
        each.unlink()
    other = Journal("lab", tmp_path, Told())
    save(
        other, read_at("both", Status.DONE, 5.0, name="newer"), read_at("theirs", Status.DONE, 5.0)
    )
    come_back(journal)
    found = rows_in(file)
    assert sorted(found) == ["both", "known before", "theirs", "trouble"]
    assert found["both"].name == "newer"
    assert states_in(file, "s1") == [PartState.OPEN] * 3


def test_a_file_that_a_newer_qtower_took_over_is_left_alone(tmp_path: Path, file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("1"))
    lose(journal, file)
    with sqlite3.connect(file) as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    journal.try_now()
    wait_until(lambda: len(told) == 2, 20)
    assert "newer qtower" in told[1][1] and "next start" in told[1][1]
    journal.try_now()
    save(journal, a_row("2"))
    assert sorted(row.key for row in journal.rows()) == ["1", "2", "trouble"]
    with closing(sqlite3.connect(file)) as newer:
        assert newer.execute("SELECT key FROM jobs").fetchall() == [("1",)]
    assert len(told) == 2
