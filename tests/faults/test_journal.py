"""The journal cannot be written or read: told, and the screen goes on from memory until it can."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from qtower.desk.journal import Journal
from qtower.errors import StorageError
from qtower.model import JobRow
from tests.desk.conftest import wait_until
from tests.desk.test_journal import a_part
from tests.faults.conftest import Tower

pytestmark = pytest.mark.xdist_group("faults")

FROM_MEMORY = "Journal not written"
IN_ITS_FILE = "Journal written again"
NOTHING_KEPT = "nothing kept since"
RESULT = b'{"results": []}'


@pytest.fixture
def journal(tower: Tower) -> Path:
    """The journal's file, in which the agent of now writes."""
    (file,) = (tower.home / "state" / "qtower").glob("journal-*.db")
    if not any(opened.path == str(file) for opened in tower.agent.open_files()):
        restart(tower)
    tower.terminal.wait_for(lambda text: "Journal " not in text, 40, "no notice of before")
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
    tower.until(lambda: (NOTHING_KEPT in tower.header) is (title == FROM_MEMORY))


def written(journal: Path) -> dict[str, str]:
    """The jobs in the file, by name, and their statuses."""
    with closing(sqlite3.connect(journal)) as reader:
        found = [json.loads(row) for (row,) in reader.execute("SELECT row FROM jobs")]
    return {row["name"]: row.get("status", "UNKNOWN") for row in found}


def goes_back(tower: Tower, journal: Path, *learned: str) -> None:
    """Without a key: it is told, and what was learned meanwhile is in the file."""
    tells(tower, IN_ITS_FILE, "with all that was learned")
    assert {written(journal)[name] for name in learned} == {"DONE"}
    tower.recovers()
    restart(tower)
    tower.stands()


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


def test_a_journal_that_is_locked_and_then_free(tower: Tower, journal: Path) -> None:
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        tower.submit("learned under a lock")
        tells(tower, FROM_MEMORY, "another program has it locked")
        tower.stands()
        tower.recovers()
        assert "learned under a lock" not in written(journal)
    goes_back(tower, journal, "learned under a lock")


def test_a_journal_that_is_locked_at_the_start(tower: Tower, journal: Path) -> None:
    """What can be read of it is read."""
    with closing(sqlite3.connect(journal, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        restart(tower)
        tower.submit("learned at a locked start")
        tells(tower, FROM_MEMORY, "another program has it locked")
        tower.recovers()
        tower.stands()
    goes_back(tower, journal, "learned at a locked start")


def test_a_disk_that_is_full_and_has_room_again(tower: Tower, journal: Path) -> None:
    """For the agent: no file of it may grow beyond a byte."""
    tower.agent.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))
    tower.submit("learned on a full disk")
    tells(tower, FROM_MEMORY, "the disk does not take it")
    tower.stands()
    tower.recovers()
    assert "learned on a full disk" not in written(journal)
    tower.agent.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    goes_back(tower, journal, "learned on a full disk")


def test_a_disk_without_room_that_grows(tmp_path: Path) -> None:
    """A small one of its own: SQLite, results and qobjs meet the error of a real one."""
    options = ("-t", "tmpfs", "-o", "size=256k,mode=700", "tmpfs")
    if subprocess.run(["mount", *options, str(tmp_path)], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        told: list[tuple[str, str]] = []
        journal = Journal("lab", tmp_path, lambda *notice: told.append(notice))
        rows = [JobRow(key=f"{number}", name="n" * 5000) for number in range(200)]
        journal.save(rows[:1])
        assert journal.flush(10)
        journal.save(rows)
        assert journal.flush(10)
        assert len(journal.rows()) == len(rows)
        (tmp_path / "all the rest").write_bytes(b"\0" * free(tmp_path))
        obtained = journal.results.obtain("1", lambda: [RESULT])
        assert (obtained.raw, obtained.kept) == (RESULT, False)
        assert "No space left" in str(obtained.problem)
        with pytest.raises(StorageError, match="Nothing was sent"):
            journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
        journal.try_now()
        assert journal.flush(10) and journal.unwritten is not None
        assert [title for title, _ in told] == [FROM_MEMORY] and "disk is full" in told[0][1]
        subprocess.run(["mount", "-o", "remount,size=16m", str(tmp_path)], check=True)
        journal.try_now()
        wait_until(lambda: journal.unwritten is None)
        assert [title for title, _ in told] == [FROM_MEMORY, IN_ITS_FILE]
        journal.intents.record("s1", "sweep", "sim", [a_part(0)], [b"{}"])
        assert journal.results.obtain("1", lambda: [RESULT]).problem is None
        after = Journal("lab", tmp_path, lambda title, text: pytest.fail(text))
        assert len(after.rows()) == len(rows) and len(after.intents.unfinished()) == 1
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


def free(place: Path) -> int:
    """Bytes that can be written there."""
    return psutil.disk_usage(str(place)).free


def test_a_directory_that_is_read_only(tower: Tower, journal: Path) -> None:
    with read_only(journal.parent):
        restart(tower)
        tower.submit("learned beside a closed door")
        tells(tower, FROM_MEMORY, "Permission denied")
        tower.recovers()
        tower.stands()
    goes_back(tower, journal, "learned beside a closed door")


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
