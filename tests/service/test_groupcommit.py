"""Writers who share a commit: each sees its own fate, and nobody another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError, OperationalError, TimeoutError

from qtower.service.groupcommit import GroupCommit

WRITERS = 12


class Numbers:
    """A file of numbers, and how often it was committed."""

    def __init__(self, file: Path) -> None:
        self.engine = create_engine(f"sqlite:///{file}")
        self.commits = 0
        self.full = False
        with self.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE numbers (number INTEGER PRIMARY KEY)")

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        with self.engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            self.commits += 1
            if self.full:
                raise OperationalError("COMMIT", {}, Exception("disk is full"))

    def stored(self) -> list[int]:
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT number FROM numbers ORDER BY number")
            return [row[0] for row in rows]


@pytest.fixture
def numbers(tmp_path: Path) -> Numbers:
    return Numbers(tmp_path / "numbers.sqlite")


def insert(connection: Connection, number: int) -> None:
    connection.exec_driver_sql(f"INSERT INTO numbers VALUES ({number})")


def all_at_once(commits: GroupCommit, values: list[int]) -> list[BaseException | None]:
    """Has each number written by a thread of its own while the first writer keeps its turn."""
    errors: list[BaseException | None] = [None] * len(values)

    def write(index: int) -> None:
        try:
            with commits.writing() as connection:
                insert(connection, values[index])
        except (IntegrityError, OperationalError) as error:
            errors[index] = error

    threads = [threading.Thread(target=write, args=(index,)) for index in range(len(values))]
    with commits.writing() as connection:
        insert(connection, -1)
        for thread in threads:
            thread.start()
        while commits.waiting < len(values):
            threading.Event().wait(0.001)
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    return errors


def test_those_who_wait_share_a_commit(numbers: Numbers) -> None:
    errors = all_at_once(GroupCommit(numbers.begin), list(range(WRITERS)))
    assert errors == [None] * WRITERS
    assert numbers.stored() == [-1, *range(WRITERS)]
    assert numbers.commits == 1


def test_what_one_writer_cannot_do_is_its_own_affair(numbers: Numbers) -> None:
    errors = all_at_once(GroupCommit(numbers.begin), [1, 2, 2, 3])
    assert sorted(type(error).__name__ for error in errors) == [
        *("IntegrityError", "NoneType", "NoneType", "NoneType")
    ]
    assert numbers.stored() == [-1, 1, 2, 3]


def test_a_writer_who_fails_takes_back_all_that_it_wrote(numbers: Numbers) -> None:
    commits = GroupCommit(numbers.begin)
    with pytest.raises(KeyError), commits.writing() as connection:
        insert(connection, 1)
        raise KeyError
    with commits.writing() as connection:
        insert(connection, 2)
    assert numbers.stored() == [2]


def test_when_the_disk_is_full_everybody_learns_it(numbers: Numbers) -> None:
    commits = GroupCommit(numbers.begin)
    numbers.full = True
    with pytest.raises(OperationalError):
        all_at_once(commits, [1, 2, 3])
    assert numbers.stored() == []
    numbers.full = False
    with commits.writing() as connection:
        insert(connection, 4)
    assert numbers.stored() == [4]


def test_a_transaction_that_is_lost_is_lost_for_all_in_it(numbers: Numbers) -> None:
    commits = GroupCommit(numbers.begin)
    with pytest.raises(OperationalError), commits.writing() as connection:
        insert(connection, 1)
        driver = connection.connection.driver_connection
        assert driver is not None
        driver.rollback()  # as SQLite does by itself when the disk is full
        raise OperationalError("INSERT", {}, Exception("disk is full"))
    assert numbers.stored() == []
    with commits.writing() as connection:
        insert(connection, 2)
    assert numbers.stored() == [2]


def test_a_database_that_does_not_open_keeps_nobody_waiting(numbers: Numbers) -> None:
    def closed() -> AbstractContextManager[Connection]:
        raise OperationalError("BEGIN", {}, Exception("no server"))

    commits = GroupCommit(closed)
    for _ in range(3):
        with pytest.raises(OperationalError), commits.writing():
            pass


def test_a_database_that_is_long_in_opening_keeps_nobody_waiting_for_ever(numbers: Numbers) -> None:
    opening, goes_on = threading.Event(), threading.Event()

    @contextmanager
    def slow() -> Iterator[Connection]:
        opening.set()
        assert goes_on.wait(30)
        with numbers.begin() as connection:
            yield connection

    commits = GroupCommit(slow, patience=0.05)
    first = threading.Thread(target=lambda: all_at_once(commits, []))
    first.start()
    assert opening.wait(30)
    with pytest.raises(TimeoutError, match="busy"), commits.writing():
        pass
    goes_on.set()
    first.join(30)
    with commits.writing() as connection:
        insert(connection, 5)
    assert numbers.stored() == [-1, 5]


def test_nothing_is_seen_before_it_is_on_disk(numbers: Numbers) -> None:
    commits = GroupCommit(numbers.begin)
    with commits.writing() as connection:
        insert(connection, 1)
        assert numbers.stored() == []
    assert numbers.stored() == [1]
