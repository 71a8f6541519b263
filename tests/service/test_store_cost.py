"""What a page costs: as much in a store of 100,000 jobs as in one of 1,000, on both databases.

Counted in steps of SQLite's own machine and in pages that PostgreSQL looks at, which are the same
on every computer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, text

from qtower.service import statuses
from qtower.service.fields import FilterError
from qtower.service.filters import Listing, parse_listing
from qtower.service.records import NewJob, Owner
from qtower.service.schema import jobs
from qtower.service.store import Store
from tests.service.postgres import Server

OWNER = Owner("owner", "ibm-q", "open", "main")
NEW = NewJob(OWNER, "ibmq_lima", name="job", tags=("common",))
FEW, MANY = 1_000, 100_000

# The stores are made once, so all who look at them are of one process.
pytestmark = pytest.mark.xdist_group("store cost")

ACTIVE = '{"inq": ["CREATING", "CREATED", "VALIDATING", "VALIDATED", "QUEUED", "RUNNING"]}'


@dataclass(frozen=True)
class Stores:
    """A small store and a large one, in one kind of database."""

    few: Store
    many: Store


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stores]:
    opened = []
    for count in (FEW, MANY):
        place: Path | str = tmp_path_factory.mktemp("cost") / "jobs.sqlite"
        if request.param == "postgresql":
            server: Server = request.getfixturevalue("postgres")
            place = server.url(server.new_database())
        store = Store(place)
        opened.append(store)
        _fill(store, place, count)
    yield Stores(*opened)
    for store in opened:
        store.close()


@pytest.mark.parametrize(
    "where",
    [
        "{}",
        f'{{"status": {ACTIVE}}}',
        f'{{"or": [{{"status": {ACTIVE}}}, {{"status": "RUNNING"}}]}}',
        '{"updatedDate": {"gt": "2999-01-01T00:00:00Z"}}',
        '{"creationDate": {"lte": "2000-01-01T00:00:00Z"}}',
        f'{{"status": {ACTIVE}, "creationDate": {{"lte": "2999-01-01T00:00:00Z"}}}}',
        '{"status": {"regexp": "^ERROR"}}',
        '{"status": "RUNNING", "creationDate": {"lte": "2999-01-01T00:00:00Z"}}',
        '{"status": {"inq": ["CANCELLED", "ERROR_RUNNING_JOB"]}}',
        f'{{"and": [{{"or": [{{"status": {ACTIVE}}}]}}, {{"backend.name": "ibmq_lima"}}]}}',
        '{"name": {"regexp": "^job"}}',
        '{"tags": "rare"}',
        '{"tags": {"inq": ["rare"]}, "id": {"nin": ["x"]}}',
        '{"and": [{"tags": "rare"}, {"tags": "common"}]}',
        '{"id": {"inq": ["0123456789abcdef01234567"]}}',
    ],
)
def test_a_page_costs_the_same_however_many_jobs_are_stored(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    listing = parse_listing(f'{{"where": {where}, "order": "creationDate DESC"}}')
    few, many = (_cost(store, listing, monkeypatch) for store in (stores.few, stores.many))
    assert few > 0
    assert many < 1.5 * few + (500 if _on_sqlite(stores.few) else 100)


def test_a_page_of_live_jobs_costs_the_same_however_many_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = parse_listing(f'{{"where": {{"status": {ACTIVE}}}}}')
    costs = []
    for count in (100, 5_000):
        place = tmp_path / f"{count}.sqlite"
        store = Store(place)
        template = store.create(NEW)
        assert template is not None
        _copy(place, template.id, count).dispose()
        costs.append(_cost(store, listing, monkeypatch))
        assert len(store.jobs(OWNER, listing)) == 50
        store.close()
    assert costs[1] < 1.1 * costs[0]


def test_a_listing_that_takes_too_long_is_broken_off_in_a_sentence(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = parse_listing('{"where": {"name": {"regexp": "^(j|jo|job)*x"}}}')
    with monkeypatch.context() as hurried:
        hurried.setattr("qtower.service.database.QUERY_SECONDS", 0.0)
        with pytest.raises(FilterError, match="too long"):
            stores.many.jobs(OWNER, listing)
    assert stores.few.jobs(OWNER, listing) == []


def _on_sqlite(store: Store) -> bool:
    return store._database.reading.dialect.name == "sqlite"


def _cost(store: Store, listing: Listing, monkeypatch: pytest.MonkeyPatch) -> int:
    if not _on_sqlite(store):
        return _pages_looked_at(store, listing)
    clock = LookedAt()
    with monkeypatch.context() as patched:
        patched.setattr("qtower.service.sqlite._QUERY_STEPS", 1)
        patched.setattr("qtower.service.sqlite.time", clock)
        store.jobs(OWNER, listing)
    return clock.looks


class LookedAt:
    """A clock that counts how often a query looks at it: once a step."""

    def __init__(self) -> None:
        self.looks = 0

    def monotonic(self) -> float:
        self.looks += 1
        return 0.0


def _pages_looked_at(store: Store, listing: Listing) -> int:
    asked: list[tuple[str, Any]] = []

    def note(_c: Connection, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
        asked.append((statement, values))

    reading = store._database.reading
    event.listen(reading, "before_cursor_execute", note)
    try:
        store.jobs(OWNER, listing)
    finally:
        event.remove(reading, "before_cursor_execute", note)
    ((statement, values),) = [question for question in asked if "FROM jobs" in question[0]]
    with reading.connect() as connection:
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
        ((report,),) = connection.exec_driver_sql(explain, values)
    plan = report[0]["Plan"]
    return int(plan["Shared Hit Blocks"]) + int(plan["Shared Read Blocks"])


def _fill(store: Store, place: Path | str, count: int) -> None:
    """Some unfinished jobs among `count` that are done."""
    unfinished = [store.create(NEW) for _ in range(5)]
    template = store.create(NEW)
    assert template is not None
    store.move(template.id, statuses.COMPLETED, statuses.UNFINISHED)
    for job in unfinished[:3]:
        assert job is not None
        store.retag(job.id, ["rare"])
    engine = _copy(place, template.id, count)
    with engine.begin() as connection:
        copies = (
            f"SELECT 'common', id FROM jobs WHERE status = 'COMPLETED' AND id <> '{template.id}'"
        )
        connection.execute(text(f"INSERT INTO job_tags (tag, job_id) {copies}"))
    if not isinstance(place, Path):  # the server does this by itself, some time after such a change
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    engine.dispose()


def _copy(place: Path | str, job_id: str, count: int) -> Engine:
    """Puts so many like a job into a store, each created after the other."""
    own = ("id", "created", "updated", "name")
    others = ", ".join(f'"{column.name}"' for column in jobs.c if column.name not in own)
    sqlite = isinstance(place, Path)
    new_id = "lower(hex(randomblob(12)))" if sqlite else "substr(md5(n::text), 1, 24)"
    engine = create_engine(f"sqlite:///{place}" if sqlite else str(place))
    with engine.begin() as connection:
        connection.execute(
            text(
                f"INSERT INTO jobs (id, created, updated, name, {others}) "
                f"WITH RECURSIVE numbers(n) AS "
                f"(SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) "
                f"SELECT {new_id}, created + n, updated + n, 'job ' || n, {others} "
                f"FROM jobs, numbers WHERE id = '{job_id}'"
            )
        )
    return engine
