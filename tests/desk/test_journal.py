"""What is written down is there at the next start, whatever happened in between."""

from __future__ import annotations

import random
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from qtower.config import Keeping
from qtower.desk.intents import IntentPart, PartState
from qtower.desk.journal import Journal
from qtower.model import JobRow, Status, Step
from tests.desk.conftest import wait_until

DATA = Path(__file__).parent / "data"


class Told(list[tuple[str, str]]):
    """The notices of a journal."""

    def __call__(self, title: str, text: str) -> None:
        self.append((title, text))


def a_row(key: str, status: Status = Status.QUEUED, since: float = 1.0) -> JobRow:
    return JobRow(key=key, job_id=key, status=status, since=since, tags=("a", "ü"), confirmed=2.0)


def a_part(index: int) -> IntentPart:
    return IntentPart(
        index=index, start_index=index, experiments=1, shots=10, label="bell", tags=("x",)
    )


def test_rows_come_back(tmp_path: Path) -> None:
    told = Told()
    first = Journal("lab", tmp_path, told)
    first.save([a_row("1"), a_row("2"), a_row("3")])
    first.save([a_row("2", Status.DONE, 5.0)], gone=["3"])
    assert first.flush(5)
    second = Journal("lab", tmp_path, told)
    assert sorted(second.rows(), key=lambda row: row.key) == [
        a_row("1"),
        a_row("2", Status.DONE, 5.0),
    ]
    assert second.transitions("2") == [Step(name="QUEUED", at=1.0), Step(name="DONE", at=5.0)]
    assert second.transitions("3") == []
    assert told == []


def test_two_journals_write_to_one_file(tmp_path: Path) -> None:
    told = Told()
    one, other = Journal("lab", tmp_path, told), Journal("lab", tmp_path, told)
    for number in range(50):
        one.save([a_row(f"one-{number}")])
        other.save([a_row(f"other-{number}")])
        one.intents.record(f"set{number}", "s", "b", [a_part(0)], [b"{}"])
        other.intents.sent(f"set{number}", 0, "id")
    assert one.flush(10) and other.flush(10)
    assert len(one.rows()) == len(other.rows()) == 100
    assert one.intents.unfinished() == []
    assert told == []


def test_files_are_private_and_odd_account_names_are_told_apart(tmp_path: Path) -> None:
    for name in ("a/b", "a:b", "../../etc", "ä" * 300):
        Journal(name, tmp_path, Told()).save([a_row(name)])
    files = list(tmp_path.iterdir())
    assert len({file for file in files if file.suffix == ".db"}) == 4
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\x00" * 400])
def test_a_damaged_file_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "journal-lab.db"
    file.write_bytes(content)
    told = Told()
    journal = Journal("lab", tmp_path, told, clock=lambda: 1234.0)
    journal.save([a_row("1")])
    assert journal.flush(5)
    assert Journal("lab", tmp_path, told).rows() == [a_row("1")]
    assert (tmp_path / "journal-lab.db.damaged-1234").read_bytes() == content
    assert [title for title, _ in told] == ["Journal damaged"]


def test_damage_that_is_found_later_leaves_the_work_in_memory_until_there_is_a_new_file(
    tmp_path: Path,
) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
    with sqlite3.connect(tmp_path / "journal-lab.db") as vandal:
        vandal.execute("DROP TABLE jobs")
    journal.save([a_row("1")])
    assert journal.flush(5)
    journal.intents.record("s2", "sweep", "sim", [a_part(0)], [b"{}"])
    assert [row.key for row in journal.rows()] == ["1"]
    assert len(journal.intents.unfinished()) == 2
    journal.try_now()
    wait_until(lambda: journal.unwritten is None)
    titles = [title for title, _ in told]
    assert titles == ["Journal not written", "Journal damaged", "Journal written again"]
    later = Journal("lab", tmp_path, told)
    assert [row.key for row in later.rows()] == ["1"]
    assert len(later.intents.unfinished()) == 2


def test_a_directory_that_cannot_be_written_leaves_the_work_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "journal-lab.db"
    blocked.mkdir()
    told = Told()
    journal = Journal("lab", tmp_path, told)
    journal.save([a_row("1")])
    assert journal.flush(5)
    assert journal.rows() == [a_row("1")]
    assert [title for title, _ in told] == ["Journal not written"]


def test_a_journal_of_a_newer_qtower_is_read_and_not_touched(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.save([a_row("1")])
    assert journal.flush(5)
    with sqlite3.connect(tmp_path / "journal-lab.db") as connection:
        connection.execute("ALTER TABLE jobs ADD COLUMN mood TEXT")
        connection.execute("PRAGMA user_version = 99")
    told = Told()
    later = Journal("lab", tmp_path, told)
    later.save([a_row("2")])
    assert later.flush(5)
    assert sorted(row.key for row in later.rows()) == ["1", "2"]
    ((title, text),) = told
    assert title == "Journal not written" and "newer qtower" in text
    assert not list(tmp_path.glob("*.damaged-*"))
    assert [row.key for row in Journal("lab", tmp_path, Told()).rows()] == ["1"]


def test_a_journal_of_the_first_format_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "journal-lab.db"
    with sqlite3.connect(file) as connection:
        connection.executescript((DATA / "journal-1.sql").read_text())
    connection.close()
    told = Told()
    for _ in range(2):
        journal = Journal("lab", tmp_path, told)
        rows = {row.key: row for row in journal.rows()}
        assert list(rows) == ["s1/0", "5f00", "5e00"], "newest first"
        assert rows["5f00"].tags == ("a", "ü") and rows["5f00"].run_seconds == 2.5
        assert rows["5e00"].error == "it's bad; Error code: 1000."
        steps = [Step(name="QUEUED", at=1600000001.0), Step(name="DONE", at=1600000060.0)]
        assert journal.transitions("5f00") == steps
        (sending,) = journal.intents.unfinished()
        assert (sending.intent.set_name, sending.intent.tags, sending.owner) == (
            *("sweep", ("x",)),
            "1:1.00",
        )
        parts = journal.intents.parts("s1")
        assert [(part.state, part.job_id) for part in parts] == [
            (PartState.OPEN, ""),
            (PartState.SENT, "5f77"),
        ]
        assert (parts[1].intent.start_index, parts[1].intent.experiments) == (5, 5)
    assert told == []
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT row FROM jobs WHERE key = 'odd'").fetchone()
        assert connection.execute("PRAGMA auto_vacuum").fetchone() == (2,), "incremental"
    connection.close()


def test_the_newest_rows_come_first_and_all_of_them_come(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    rows = [replace(a_row(f"{number}"), created=number // 3 * 1.0) for number in range(1200)]
    rows += [a_row("undated")]
    random.Random(1).shuffle(rows)
    journal.save(rows)
    assert journal.flush(10)
    chunks = list(journal.chunks())
    dates = [row.created or 0.0 for row in chunks[0]]
    assert len(dates) == 500 and dates == sorted(dates, reverse=True) and dates[0] == 399.0
    assert {row.key for chunk in chunks for row in chunk} == {row.key for row in rows}


def test_old_jobs_that_ended_are_forgotten_and_the_file_shrinks(tmp_path: Path) -> None:
    day = 86_400.0
    rows = [
        replace(a_row(f"{age:05}", Status.DONE), created=1e9 - age * day / 100, name="n" * 500)
        for age in range(4000)
    ]
    rows.append(replace(a_row("old and live"), created=1.0))
    keeping = Keeping(jobs=1000)
    journal = Journal("lab", tmp_path, Told(), keeping=keeping, clock=lambda: 1e9)
    journal.save(rows)
    assert journal.flush(10)
    journal.keep_house()
    size = (tmp_path / "journal-lab.db").stat().st_size
    assert sorted(row.key for row in journal.rows()) == [row.key for row in rows[:1000]] + [
        "old and live"
    ]
    assert journal.transitions("00999") and not journal.transitions("01000")
    keeping = Keeping(jobs=1000, job_days=5)
    Journal("lab", tmp_path, Told(), keeping=keeping, clock=lambda: 1e9).keep_house()
    kept = Journal("lab", tmp_path, Told()).rows()
    assert len(kept) == 502 and min(row.created or 0.0 for row in kept) == 1.0
    assert (tmp_path / "journal-lab.db").stat().st_size < 0.7 * size
    assert (tmp_path / "journal-lab.db-wal").stat().st_size == 0


def test_a_row_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.save([a_row("1"), a_row("2")])
    assert journal.flush(5)
    with sqlite3.connect(tmp_path / "journal-lab.db") as connection:
        connection.execute("UPDATE jobs SET row = '{\"status\": \"NEW\"}' WHERE key = '1'")
    assert Journal("lab", tmp_path, Told()).rows() == [a_row("2")]


def test_ten_thousand_rows_load_faster_than_they_are_counted_in_python(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.save([a_row(f"{number:024x}") for number in range(10_000)])
    assert journal.flush(30)
    start = time.process_time()
    assert len(Journal("lab", tmp_path, Told()).rows()) == 10_000
    loading = time.process_time() - start
    start = time.process_time()
    for number in range(10_000):
        a_row(f"{number:024x}")
        _ = sum(range(1000))
    assert loading < 3 * (time.process_time() - start)


def test_without_a_directory_the_rows_are_kept_in_memory() -> None:
    journal = Journal("lab", None, Told())
    journal.save([a_row("1")])
    assert journal.flush(5) and journal.rows() == [a_row("1")]
    assert journal.results.obtain("1", lambda: [b'{"results": []}']).problem is not None


def test_what_was_sent_is_forgotten_with_its_jobs(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told(), keeping=Keeping())
    for set_id in ("gone", "here", "open"):
        journal.intents.record(set_id, "s", "b", [a_part(0), a_part(1)], [b"{}", b"{}"])
        journal.intents.sent(set_id, 0, "id")
    for set_id in ("gone", "here"):
        journal.intents.sent(set_id, 1, "id")
    journal.save([a_row("here/0"), a_row("here/1")])
    assert journal.flush(5)
    journal.keep_house()
    assert journal.intents.sending("gone") is None and journal.intents.parts("gone") == []
    assert len(journal.intents.parts("here")) == len(journal.intents.parts("open")) == 2
    assert [each.intent.set_id for each in journal.intents.unfinished()] == ["open"]


def test_a_row_that_cannot_be_written_keeps_only_itself_out(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.save([a_row("caf\ud83d"), a_row("1"), a_row("2")], gone=["2", "\ud83d"])
    assert journal.flush(5)
    journal.save([a_row("3")])
    assert journal.flush(5)
    assert sorted(row.key for row in Journal("lab", tmp_path, Told()).rows()) == ["1", "3"]
    assert journal.transitions("1") != []


def test_a_failure_is_told_when_the_journal_is_free_again(tmp_path: Path) -> None:
    """Who listens may wait for another thread that reads the journal."""
    read: list[object] = []

    def listen(title: str, text: str) -> None:
        other = threading.Thread(target=lambda: read.append(journal.intents.unfinished()))
        other.start()
        other.join(5)

    journal = Journal("test", tmp_path, listen)
    journal._store._connection.close()
    journal.intents.unfinished()
    assert read == [[]]
