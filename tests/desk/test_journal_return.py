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
from qtower.desk.merging import newer_of
from qtower.model import JobRow, Status, Step
from tests.desk.conftest import wait_until
from tests.desk.outages import (
    BACK,
    GONE,
    come_back,
    left_by_another,
    locked,
    lose,
    read_at,
    record,
    rows_in,
    save,
    states_in,
)
from tests.desk.test_journal import Told, a_part, a_row

pytestmark = pytest.mark.usefixtures("when_asked")


# -- it goes back -------------------------------------------------------------------------------


def test_what_was_learned_meanwhile_is_in_the_file(tmp_path: Path, lab_file: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    save(journal, a_row("1"), a_row("2"), a_row("3"))
    with locked(lab_file):
        save(journal, a_row("1", Status.RUNNING, 5.0), a_row("4"), gone=("2",))
        save(journal, a_row("1", Status.DONE, 9.0))
    come_back(journal)
    steps = [("QUEUED", 1.0), ("RUNNING", 5.0), ("DONE", 9.0)]
    assert journal.transitions("1") == [Step(name=name, at=at) for name, at in steps]
    save(journal, a_row("5"))
    found = rows_in(lab_file)
    assert sorted(found) == ["1", "3", "4", "5"] and found["1"].status is Status.DONE
    assert [title for title, _ in told] == [GONE, BACK]


def test_a_file_that_was_locked_at_the_start_is_gone_back_to(
    tmp_path: Path, lab_file: Path
) -> None:
    left_by_another(lab_file, a_row("1"), a_row("2"))
    told = Told()
    with closing(sqlite3.connect(lab_file, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("UPDATE jobs SET final = 0")  # nobody else can even read it
        journal = Journal("lab", tmp_path, told)
        assert journal.unwritten is not None
        save(journal, a_row("3"), a_row("2", Status.DONE, 7.0))
    come_back(journal)
    assert {key: row.status for key, row in rows_in(lab_file).items()} == {
        "1": Status.QUEUED,
        "2": Status.DONE,
        "3": Status.QUEUED,
    }
    assert [title for title, _ in told] == [GONE, BACK]


@pytest.mark.parametrize("found_by", ["the one who writes rows", "one who submits"])
def test_it_goes_back_by_itself(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch, found_by: str
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 0.05)
    moved: list[float | None] = []
    journal = Journal("lab", tmp_path, Told())
    journal.watch(lambda: moved.append(journal.unwritten))
    if found_by == "one who submits":
        with locked(lab_file):
            record(journal, "s1", 1)
    else:
        lose(journal, lab_file)
    wait_until(lambda: len(moved) == 2, 20)
    assert moved[0] is not None and moved[1] is None
    assert "trouble" in rows_in(lab_file) or states_in(lab_file, "s1") == [PartState.OPEN]


def test_it_is_tried_less_and_less_often_and_never_in_a_busy_loop(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr(journal_store, "_LONGEST_PAUSE_SECONDS", 60.0)
    now, tried = [0.0], []

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        tried.append(now[0])
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(journal_store, "open_file", refuse)
    told = Told()
    store = JournalStore(lab_file, told, told, ticks=lambda: now[0])
    assert store.tend() == store.tend() == 2.0
    while now[0] < 300.0:
        now[0] += store.tend() or 0.0
    assert tried == [0.0, 2.0, 6.0, 14.0, 30.0, 62.0, 122.0, 182.0, 242.0]
    assert len(told) == 1, "it is said once"


def test_a_file_that_comes_and_goes_is_not_gone_back_to_every_moment(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_store, "_FIRST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr(journal_store, "_LONGEST_PAUSE_SECONDS", 60.0)
    now, pauses = [0.0], []
    store = JournalStore(lab_file, Told(), Told(), ticks=lambda: now[0])
    for steady in (0.0, 0.0, 0.0, 601.0):
        now[0] += steady
        with locked(lab_file):
            store.write([("DELETE FROM jobs", [()])], False)
        pauses.append(store.tend())
        now[0] += pauses[-1] or 0.0
        assert store.tend() is None and store.unwritten is None
    assert pauses == [2.0, 4.0, 8.0, 2.0]


def test_nobody_waits_while_it_is_tried(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal("lab", tmp_path, Told())
    lose(journal, lab_file)
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
    assert sorted(rows_in(lab_file)) == ["1", "trouble"]
    assert states_in(lab_file, "s1") == [PartState.OPEN]


def test_a_failure_on_the_way_back_is_no_loss(
    tmp_path: Path, lab_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal("lab", tmp_path, Told())
    lose(journal, lab_file)
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
    found = rows_in(lab_file)
    assert len(found) == 1500 and "0008" not in found
    assert found["0007"].status is Status.DONE


# -- beside others ------------------------------------------------------------------------------


def test_the_newer_of_what_two_have_read_stands(tmp_path: Path, lab_file: Path) -> None:
    journal, other = (Journal("lab", tmp_path, Told()) for _ in range(2))
    keys = ("ours is newer", "theirs is newer", "ended", "untouched", "gone", "gone and seen")
    save(journal, *(read_at(key, Status.QUEUED, 1.0) for key in keys))
    lose(journal, lab_file)
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
    found = rows_in(lab_file)
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


def test_a_result_that_one_of_two_has_kept_is_kept() -> None:
    older, newer = read_at("1", Status.DONE, 4.0), read_at("1", Status.DONE, 5.0, name="newer")
    for one in (older, newer):
        for other in (older, newer):
            if one is not other:
                row = newer_of(replace(one, saved=True), other)
                assert row.saved and row.name == "newer"


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_newest_of_every_job_is_kept(
    tmp_path: Path, lab_file: Path, seed: int
) -> None:
    """Two qtowers read the same jobs, and lose the file and find it again as it comes."""
    chance = random.Random(seed)
    journals = [Journal("lab", tmp_path, Told()) for _ in range(2)]
    newest: dict[str, JobRow] = {}
    for now in range(1, 200):
        journal = chance.choice(journals)
        if chance.random() < 0.1:
            if journal.unwritten is None:
                with locked(lab_file):
                    save(journal, read_at("trouble", Status.RUNNING, float(now)))
            else:
                come_back(journal)
        row = read_at(f"{chance.randrange(20)}", Status.RUNNING, float(now), name=f"{now}")
        newest[row.key] = row
        save(journal, row)
    for journal in journals:
        come_back(journal)
    found = rows_in(lab_file)
    assert {key: found[key].name for key in newest} == {
        key: row.name for key, row in newest.items()
    }
