"""What is written down is there at the next start, whatever happened in between."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from pathlib import Path

import pytest

from qtower.desk.journal import IntentPart, Journal
from qtower.errors import StorageError
from qtower.model import JobRow, Status, Step
from qtower.processes import process_lives, process_name


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
        one.record_intent(f"set-{number}", "s", "b", [a_part(0)])
        other.part_sent(f"set-{number}", 0, "id")
    assert one.flush(10) and other.flush(10)
    assert len(one.rows()) == len(other.rows()) == 100
    assert one.open_intents() == []
    assert told == []


def test_files_are_private_and_odd_account_names_are_told_apart(tmp_path: Path) -> None:
    for name in ("a/b", "a:b", "../../etc", "ä" * 300):
        Journal(name, tmp_path, Told()).save([a_row(name)])
    files = list(tmp_path.iterdir())
    assert len({file for file in files if file.suffix == ".db"}) == 4
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)


def test_an_intent_is_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told(), clock=lambda: 7.0)
    journal.record_intent("s1", "sweep", "sim", [a_part(0), a_part(1), a_part(2)])
    journal.part_sent("s1", 0, "job-0")
    journal.part_failed("s1", 1, "too many shots")
    (left,) = Journal("lab", tmp_path, Told()).open_intents()
    assert (left.set_id, left.set_name, left.backend, left.at) == ("s1", "sweep", "sim", 7.0)
    assert left.part == a_part(2)
    assert process_lives(left.owner)
    assert left.owner == process_name()
    number, _, began = process_name().partition(":")
    assert process_lives(f"{number}:{float(began) + 2:.2f}"), "the clock was set a little"
    assert not process_lives(f"{number}:{float(began) + 60:.2f}")
    assert not process_lives(f"{os.getpid()}:1.00")
    assert not process_lives(f"{number}:inf")
    assert not process_lives("nonsense")


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


def test_damage_that_is_found_later_leaves_the_work_in_memory(tmp_path: Path) -> None:
    told = Told()
    journal = Journal("lab", tmp_path, told)
    journal.record_intent("s1", "sweep", "sim", [a_part(0)])
    with sqlite3.connect(tmp_path / "journal-lab.db") as vandal:
        vandal.execute("DROP TABLE jobs")
    journal.save([a_row("1")])
    assert journal.flush(5)
    journal.save([a_row("2")])
    assert journal.flush(5)
    assert [title for title, _ in told] == ["Journal not written"]
    journal.record_intent("s2", "sweep", "sim", [a_part(0)])
    assert journal.open_intents()


def test_a_directory_that_cannot_be_written_leaves_the_work_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "journal-lab.db"
    blocked.mkdir()
    told = Told()
    journal = Journal("lab", tmp_path, told)
    journal.save([a_row("1")])
    assert journal.flush(5)
    assert journal.rows() == [a_row("1")]
    assert [title for title, _ in told] == ["Journal not written"]


def test_a_journal_of_a_newer_qtower_is_not_touched(tmp_path: Path) -> None:
    Journal("lab", tmp_path, Told()).flush(5)
    with sqlite3.connect(tmp_path / "journal-lab.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    told = Told()
    Journal("lab", tmp_path, told).save([a_row("1")])
    ((title, text),) = told
    assert title == "Journal not written" and "newer qtower" in text
    assert not list(tmp_path.glob("*.damaged-*"))


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


def test_kept_results_are_checked(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    assert journal.kept_result("job/../1") is None
    journal.keep_result("job/../1", b'{"results": []}')
    again = Journal("lab", tmp_path, Told())
    assert again.kept_result("job/../1") == b'{"results": []}'
    (file,) = (tmp_path / "results-lab").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_bytes(file.read_bytes()[:-3])
    assert again.kept_result("job/../1") is None
    assert file.with_name(f"{file.name}.damaged").exists()


def test_without_a_directory_results_cannot_be_kept() -> None:
    journal = Journal("lab", None, Told())
    journal.save([a_row("1")])
    assert journal.flush(5) and journal.rows() == [a_row("1")]
    with pytest.raises(StorageError):
        journal.keep_result("1", b"")


def test_a_row_that_cannot_be_written_keeps_only_itself_out(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.save([a_row("caf\ud83d"), a_row("1"), a_row("2")], gone=["2", "\ud83d"])
    assert journal.flush(5)
    journal.save([a_row("3")])
    assert journal.flush(5)
    assert sorted(row.key for row in Journal("lab", tmp_path, Told()).rows()) == ["1", "3"]
    assert journal.transitions("1") != []


def test_an_intent_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    journal = Journal("lab", tmp_path, Told())
    journal.record_intent("s1", "sweep", "sim", [a_part(0), a_part(1)])
    with sqlite3.connect(tmp_path / "journal-lab.db") as connection:
        connection.execute("UPDATE intents SET intent = '{}' WHERE part = 0")
    assert [intent.part.index for intent in journal.open_intents()] == [1]
