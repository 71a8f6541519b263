"""The journal cannot be written or read: told, and the screen goes on from memory."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from qtower.desk.journal import Journal
from qtower.model import JobRow
from tests.faults.conftest import Tower

pytestmark = pytest.mark.xdist_group("faults")

FROM_MEMORY = "Journal not written"


@pytest.fixture
def journal(tower: Tower) -> Path:
    """The journal's file, in which the agent of now writes."""
    (file,) = (tower.home / "state" / "qtower").glob("journal-*.db")
    if not any(opened.path == str(file) for opened in tower.agent.open_files()):
        restart(tower)
    return file


def restart(tower: Tower) -> None:
    """Lets another agent open the journal as it is now."""
    killed = tower.agent
    killed.kill()
    tower.another_agent(killed)


def tells(tower: Tower, title: str, words: str) -> None:
    """Waits for a notice of that title which says `words`."""

    def told(text: str) -> bool:
        lines = text.splitlines()
        titles = [(row, line.index(title)) for row, line in enumerate(lines) if title in line]
        notices = (
            " ".join(line[column:].strip() for line in lines[row:]) for row, column in titles
        )
        return any(words in notice for notice in notices)

    tower.terminal.wait_for(told, 20, f"{title}: {words}")


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nobody may write in `directory`, nor into a file in it."""
    files = [file for file in directory.iterdir() if file.is_file()]
    for place in (*files, directory):
        place.chmod(0o500 if place is directory else 0o400)
    try:
        yield
    finally:
        for place in (directory, *files):
            place.chmod(0o700 if place is directory else 0o600)


def test_a_journal_that_is_locked(tower: Tower, journal: Path) -> None:
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        tower.submit("to be written")
        tells(tower, FROM_MEMORY, "another program has it locked")
        tower.stands()
        tower.recovers()
        restart(tower)  # what can be read of it is read
        tower.recovers()
        tower.stands()


def test_a_disk_that_is_full(tower: Tower, journal: Path) -> None:
    """For the agent: no file of it may grow beyond a byte."""
    tower.agent.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))
    tower.submit("to be written")
    tells(tower, FROM_MEMORY, "the disk does not take it")
    tower.stands()
    tower.recovers()


def test_a_disk_without_room(tmp_path: Path) -> None:
    """A small one of its own: SQLite and the results meet the error of a real one."""
    options = ("-t", "tmpfs", "-o", "size=256k", "tmpfs")
    if subprocess.run(["mount", *options, str(tmp_path)], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        told: list[str] = []
        journal = Journal("lab", tmp_path, lambda title, text: told.append(text))
        rows = [JobRow(key=f"{number}", name="n" * 5000) for number in range(200)]
        journal.save(rows[:1])
        assert journal.flush(10)
        journal.save(rows)
        assert journal.flush(10)
        assert len(journal.rows()) == len(rows)
        (tmp_path / "all the rest").write_bytes(b"\0" * free(tmp_path))
        obtained = journal.results.obtain("1", lambda: [b"{}"])
        assert (obtained.raw, obtained.kept) == (b"{}", False)
        assert "No space left" in str(obtained.problem)
        assert ["the disk is full" in text for text in told] == [True]
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def free(place: Path) -> int:
    """Bytes that can be written there."""
    return psutil.disk_usage(str(place)).free


def test_a_directory_that_is_read_only(tower: Tower, journal: Path) -> None:
    with read_only(journal.parent):
        restart(tower)
        tells(tower, FROM_MEMORY, "Permission denied")
        tower.recovers()
        tower.stands()


def test_a_journal_that_is_corrupt(tower: Tower, journal: Path) -> None:
    content = b"no database at all " * 999
    tower.agent.suspend()
    for file in journal.parent.glob(f"{journal.name}*"):
        file.unlink()
    journal.write_bytes(content)
    restart(tower)
    tells(tower, "Journal damaged", "It was kept as")
    tower.recovers()
    tower.stands()
    (aside,) = journal.parent.glob("*.damaged-*")
    assert aside.read_bytes() == content


def test_a_file_of_another_program(tmp_path: Path) -> None:
    """Tables that are not a journal's are kept aside as well, and a new journal is begun."""
    with closing(sqlite3.connect(tmp_path / "journal-lab.db")) as foreign:
        foreign.execute("CREATE TABLE jobs (title TEXT, salary INTEGER)")
    told: list[str] = []
    for key in ("1", "2"):
        journal = Journal("lab", tmp_path, lambda title, text: told.append(title))
        journal.save([JobRow(key=key)])
        assert journal.flush(10)
    assert sorted(row.key for row in journal.rows()) == ["1", "2"]
    assert told == ["Journal damaged"]
    (aside,) = (file for file in tmp_path.glob("*.damaged-*") if file.name[-1].isdigit())
    with closing(sqlite3.connect(aside)) as foreign:
        assert foreign.execute("SELECT title, salary FROM jobs").fetchall() == []


def test_a_journal_of_a_newer_qtower(tower: Tower, journal: Path) -> None:
    with closing(sqlite3.connect(journal, isolation_level=None)) as newer:
        (version,) = newer.execute("PRAGMA user_version").fetchone()
        newer.execute("PRAGMA user_version = 99")
        restart(tower)
        tells(tower, FROM_MEMORY, "newer qtower")
        tower.recovers()
        tower.stands()
        assert newer.execute("PRAGMA user_version").fetchone() == (99,)
        newer.execute(f"PRAGMA user_version = {version}")
