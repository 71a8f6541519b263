"""Databases themselves: upgrades, who may use one, servers that go away, regular expressions."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import DBAPIError, OperationalError

from qtower.errors import StorageError
from qtower.service import statuses
from qtower.service.databases import place_of
from qtower.service.filters import parse_listing
from qtower.service.records import NewJob, Owner
from qtower.service.regexp_sql import translate
from qtower.service.regexps import RegexpError, compile_regexp
from qtower.service.settings import DatabaseSettings
from qtower.service.store import Store
from tests.conftest import home_environment
from tests.service.postgres import Server, running_server
from tests.service.raw import until

OWNER = Owner("owner", "ibm-q", "open", "main")
NEW = NewJob(OWNER, "ibmq_lima", name="job", tags=("a", "b"))

VERSION_1 = (Path(__file__).parent / "schema_1.sql").read_text()


# -- upgrades ------------------------------------------------------------------------------------


def test_an_upgrade_from_the_first_version_keeps_all_jobs(tmp_path: Path) -> None:
    file = tmp_path / "jobs.sqlite"
    _make_version_1(file)
    for _ in range(2):
        store = Store(file)
        first, second = store.jobs(OWNER, parse_listing('{"order": "creationDate ASC"}'))
        assert (first.name, first.tags, first.status) == ("bell", ("x", "y"), "COMPLETED")
        assert first.summary == {"partial": False}
        assert [job.id for job in store.unfinished()] == [second.id]
        assert store.jobs(OWNER, parse_listing('{"where": {"tags": "y"}}'))[0].id == first.id
        assert store.access_token("0" * 64) == ("owner", "1" * 64, 2_000_000_000_000_000)
        store.close()
    store = Store(file)
    new = store.create(NEW)
    assert new is not None
    assert new.created > 1_700_000_000_000_000
    store.close()


def test_an_upgraded_store_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old.sqlite", tmp_path / "new.sqlite"
    _make_version_1(old)
    for file in (old, new):
        Store(file).close()
    assert _tables(old) == _tables(new)


def test_an_upgrade_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "jobs.sqlite"
    _make_version_1(file)
    before = _tables(file)

    def fail(connection: Any) -> None:
        connection.exec_driver_sql("ALTER TABLE jobs ADD COLUMN half_done BIGINT")
        raise RuntimeError("no power")

    with monkeypatch.context() as patched:
        patched.setattr("qtower.service.migrations._STEPS", (fail,))
        with pytest.raises(RuntimeError):
            Store(file)
    assert _tables(file) == before
    Store(file).close()


def test_a_postgresql_store_of_an_earlier_version_is_upgraded(postgres: Server) -> None:
    name = postgres.new_database()
    with postgres.connect(name) as connection:
        connection.execute(VERSION_1.replace("PRAGMA user_version = 1;", "").encode())
        connection.execute("CREATE TABLE schema_version (version integer NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (1)")
    fresh = postgres.new_database()
    columns = []
    for database in (name, fresh):
        store = Store(postgres.url(database))
        assert store.create(NEW) is not None
        store.close()
        with postgres.connect(database) as connection:
            found = connection.execute(
                "SELECT table_name, column_name, data_type, is_nullable"
                " FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
        columns.append(sorted(map(str, found)))
    assert columns[0] == columns[1]


def _make_version_1(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.executescript(VERSION_1)
    place = "'owner', 'ibm-q', 'open', 'main', 'ibmq_lima'"
    columns = 'id, "user", hub, group_name, project, backend, name, tags, live_data_enabled'
    columns += ", status, created, updated, steps, attempts, has_result, summary"
    for number, (name, status) in enumerate((("bell", "COMPLETED"), ("ghz", "QUEUED"))):
        stamp = 1_600_000_000_000_000 + number
        connection.execute(
            f"INSERT INTO jobs ({columns}) VALUES ('{number:024x}', {place}, '{name}',"
            f" '[\"x\",\"y\"]', 0, '{status}', {stamp}, {stamp}, 'CREATING {stamp}\n', 1, 1,"
            " '{\"partial\": false}')"
        )
    connection.execute(f"INSERT INTO job_tags VALUES ('x', '{0:024x}'), ('y', '{0:024x}')")
    connection.execute(
        "INSERT INTO access_tokens VALUES (?, 'owner', ?, 2000000000000000)", ("0" * 64, "1" * 64)
    )
    connection.commit()
    connection.close()


def _tables(file: Path) -> dict[str, Any]:
    engine = create_engine(f"sqlite:///{file}")
    look = inspect(engine)
    tables: dict[str, Any] = {
        table: sorted((c["name"], str(c["type"]), c["nullable"]) for c in look.get_columns(table))
        for table in look.get_table_names()
    }
    with engine.connect() as connection:
        indexes = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'index'")
        texts = [sql.replace(chr(34), "") for (sql,) in indexes if sql]
        tables["indexes"] = sorted(" ".join(text.split()) for text in texts)
    engine.dispose()
    return tables


# -- who may use a database ----------------------------------------------------------------------


def test_a_newer_database_is_refused_in_a_sentence(postgres: Server) -> None:
    name = postgres.new_database()
    Store(postgres.url(name)).close()
    with postgres.connect(name) as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(StorageError, match=f"The database {name} was written by a newer qtower"):
        Store(postgres.url(name))


def test_a_database_has_one_service_at_a_time(postgres: Server) -> None:
    url = postgres.url(postgres.new_database())
    first = Store(url)
    with pytest.raises(StorageError, match="Another qtower service is using the database"):
        Store(url)
    other = Store(postgres.url(postgres.new_database()))
    other.close()
    assert first.create(NEW) is not None
    first.close()
    Store(url).close()


def test_a_database_in_another_encoding_is_refused_in_a_sentence(postgres: Server) -> None:
    with pytest.raises(StorageError, match="keeps text in LATIN1"):
        Store(postgres.url(postgres.new_database("LATIN1")))


def test_a_missing_extra_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "qtower.service.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StorageError, match=r"extra that is not installed.*qtower\[postgres\]"):
        Store("postgresql+psycopg://u@h/d")


@pytest.mark.parametrize(
    "url",
    ["", "postgresql+psycopg://", "mysql://x/y", "sqlite:///x", "postgresql://u:word@h:x/y", "x"],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(StorageError, match=r"address of the database is not understood") as refused:
        Store(url)
    assert "word" not in str(refused.value)


def test_a_server_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(StorageError, match=r"cannot be used: .*refused") as refused:
        Store("postgresql+psycopg://u:secret-word@127.0.0.1:1/lab")
    assert "secret-word" not in str(refused.value)


def test_the_address_with_its_password_comes_from_a_private_file(tmp_path: Path) -> None:
    file, sqlite = tmp_path / "url", tmp_path / "jobs.sqlite"
    given = DatabaseSettings(url_file=str(file))
    with pytest.raises(StorageError, match="cannot be read"):
        place_of(given, sqlite)
    file.write_text("postgresql+psycopg://u:word@h/d\n")
    file.chmod(0o644)
    with pytest.raises(StorageError, match="Others can read"):
        place_of(given, sqlite)
    file.chmod(0o600)
    assert place_of(given, sqlite) == "postgresql+psycopg://u:word@h/d"
    assert place_of(DatabaseSettings(), sqlite) == sqlite
    for url in ("postgresql+psycopg://u:word@h/d", "postgresql+psycopg://u@h/d?password=word"):
        with pytest.raises(StorageError, match="holds a password"):
            place_of(DatabaseSettings(url=url), sqlite)


def test_a_password_on_the_command_line_is_refused_in_a_sentence(tmp_path: Path) -> None:
    refused = subprocess.run(
        [
            *(sys.executable, "-m", "qtower", "serve", "--data-dir", str(tmp_path / "data")),
            *("--database", "postgresql+psycopg://u:secret-word@127.0.0.1/lab"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=home_environment(tmp_path / "home"),
        check=False,
    )
    assert refused.returncode == 1
    assert "holds a password" in refused.stderr
    assert "secret-word" not in refused.stderr
    assert "Traceback" not in refused.stderr


# -- servers that go away ------------------------------------------------------------------------


def test_a_store_goes_on_after_its_server_was_restarted() -> None:
    with running_server() as server:
        store = Store(server.url(server.new_database()))
        before = store.create(NEW)
        assert before is not None
        server.stop()
        with pytest.raises(DBAPIError):
            store.create(NEW)
        with pytest.raises(DBAPIError):
            store.job(before.id)
        server.start()
        after = store.create(NEW)
        assert after is not None
        assert after.created > before.created
        assert store.job(before.id) == before
        assert store.move(before.id, statuses.CANCELLED, statuses.UNFINISHED)
        store.close()


def test_a_server_that_goes_away_in_the_middle_is_told_as_such_to_all_writers(
    postgres: Server,
) -> None:
    name = postgres.new_database()
    store = Store(postgres.url(name))
    job = store.create(NEW)
    assert job is not None
    told: list[Exception] = []

    def write() -> None:
        try:
            store.move(job.id, statuses.CANCELLED, statuses.UNFINISHED)
        except (DBAPIError, psycopg.Error) as error:
            told.append(error)

    with postgres.connect(name) as connection, connection.transaction():
        connection.execute("SELECT * FROM jobs FOR UPDATE")  # they wait for us, and are cut off
        writers = [threading.Thread(target=write) for _ in range(3)]
        for writer in writers:
            writer.start()
        until(lambda: connection.execute(_CUT_OFF_WAITERS, (name,)).fetchall(), seconds=10)
    for writer in writers:
        writer.join(20)
    assert told
    assert all(isinstance(error, OperationalError) for error in told)
    assert store.rename(job.id, "another")
    store.close()


_CUT_OFF_WAITERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = %s AND wait_event_type = 'Lock'"
)


@pytest.mark.parametrize("kept", [True, False])
def test_a_commit_whose_answer_was_lost_is_told_truly(
    postgres: Server, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    store = Store(postgres.url(postgres.new_database()))
    job = store.create(NEW)
    assert job is not None
    database: Any = store._database
    dialect = database._writer.dialect
    commit = dialect.do_commit

    def lose(connection: Any) -> None:
        monkeypatch.undo()
        if kept:
            commit(connection)
        connection.driver_connection.close()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(dialect, "do_commit", lose)
    if kept:
        assert store.move(job.id, statuses.CANCELLED, statuses.UNFINISHED) is not None
    else:
        with pytest.raises(OperationalError):
            store.move(job.id, statuses.CANCELLED, statuses.UNFINISHED)
    found = store.job(job.id)
    assert found is not None
    assert found.status == ("CANCELLED" if kept else "CREATING")
    assert database._was_committed("1000000000") is False  # the server forgot it in a crash
    assert store.rename(job.id, "another")
    store.close()


def test_a_store_that_lost_its_database_to_another_one_writes_no_more(postgres: Server) -> None:
    name = postgres.new_database()
    first = Store(postgres.url(name))
    with postgres.connect(name) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND pid <> pg_backend_pid()",
            (name,),
        )
        connection.execute("SELECT pg_advisory_lock(%s)", (0x71746F776572,))
        with pytest.raises(OperationalError, match="another qtower service"):
            first.create(NEW)
        assert first.jobs(OWNER, parse_listing(None)) == []
    until(lambda: _creates(first))
    first.close()


def _creates(store: Store) -> bool:
    try:
        return store.create(NEW) is not None
    except OperationalError:
        return False


def test_dates_increase_and_are_unique_whoever_writes(place: Path | str) -> None:
    store = Store(place)
    stamps: list[int] = []

    def write() -> None:
        for _ in range(10):
            job = store.create(NEW)
            assert job is not None
            change = store.move(job.id, statuses.CANCELLED, statuses.UNFINISHED)
            assert change is not None
            stamps.extend((job.created, change.updated))

    writers = [threading.Thread(target=write) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(stamps)) == len(stamps) == 80
    found = store.jobs(OWNER, parse_listing('{"order": "updatedDate ASC"}'))
    assert [job.updated for job in found] == sorted({job.updated for job in found})
    store.close()


# -- regular expressions -------------------------------------------------------------------------

PATTERNS = [
    *("a", "^a", "a$", "^$", "", "a|b", "(a|)b", "a*", "(a*)*b", "(?:a+)+$", "x{0}", "a{2,3}b"),
    *(r"\d+", r"\w+$", r"\W", r"\s", r"\S\s\S", r"\bab\b", r"\Bb", r"[^\s\S]", r"[\s\S]"),
    *("/AB/i", "(?i)É", "/[a-z]/i", "/[^A]/i", "[Z-a]", "[]x]", "[a-]", r"[\]\\]", ".", r"\."),
    *(r"\u0041", r"\x41", "a{2}?", "^*a", r"(\b)+a", "{", "a{,2}", "ı", "/K/i", "/ß/i", "[а-я]"),
    *("a{300}", "[^a-c]", "ж", "/[A-Z]/i"),
]
TEXTS = [
    *("", "a", "b", "A", "ab", "aab", "x ab y", "aaab", "É", "é", "K", "k", "ı", "İ", "ß", "ẞ"),
    *("\n", "a\nb", " ", "\u3000", "٣", "3", "_", "-", "a-b", "]", "\\", "ab" * 600, "Я", "я"),
    *("\U0001d7d8", "\U0001f600", "é\u0301", "{", "a{,2}", "ﬀ", "Σας", "ǅ", "a" * 1000 + "b"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_regexp_finds_the_same_in_both_databases(postgres: Server, pattern: str) -> None:
    ours = compile_regexp(pattern)
    assert _found_by_server(postgres, pattern, TEXTS) == [ours.search(text) for text in TEXTS]


@settings(deadline=None, max_examples=200)
@given(
    st.text("abAB01_ -^$.|()[]{}*+?\\wdsbWDSBéÉ,/i\n", max_size=12),
    st.lists(st.text("abAB01_ -éÉ\nжЖ", max_size=8), min_size=1, max_size=8),
)
def test_any_regexp_finds_the_same_in_both_databases(
    postgres: Server, pattern: str, texts: list[str]
) -> None:
    try:
        ours = compile_regexp(pattern)
    except RegexpError:
        return
    assert _found_by_server(postgres, pattern, texts) == [ours.search(text) for text in texts]


_connections: dict[int, Any] = {}


def _found_by_server(server: Server, pattern: str, texts: list[str]) -> list[bool]:
    if server.port not in _connections:
        _connections[server.port] = server.connect()
    query = 'SELECT left(t, 1000) COLLATE "C" ~ %s FROM unnest(%s::text[]) WITH ORDINALITY o(t, n)'
    rows = _connections[server.port].execute(query + " ORDER BY n", (translate(pattern), texts))
    return [found for (found,) in rows]
