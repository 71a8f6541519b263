"""What a round asks for, and how little, of endpoints of every kind that answer from memory."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from qtower.desk.cadence import REMOTE, Schedule, UsualTimes
from qtower.desk.intake import Intake
from qtower.desk.pages import JobPages
from qtower.desk.registry import Changes, Registry
from qtower.desk.rows import FINAL_API_STATUSES
from qtower.desk.sweep import Sweep
from qtower.model import Link, Status

CADENCE = replace(REMOTE, soon=5.0, screen=5.0, seldom=120.0)
Document = dict[str, Any]


class Client:
    """A client of an endpoint with jobs, which gives at most `page` at a time."""

    def __init__(self, live: int, page: int, *, updates: bool) -> None:
        self.page = page
        self.updates = updates
        self.requests = 0
        self._time = 0
        self.jobs: dict[str, Document] = {}
        for _ in range(live):
            self.add()

    def add(self, status: str = "QUEUED") -> str:
        job_id = f"{len(self.jobs):024x}"
        self.jobs[job_id] = {
            "job_id": job_id,
            "creation_date": self._now(),
            "status": status,
            "info_queue": {"position": len(self.jobs) + 1},
            "_backend_info": {"name": "b"},
        }
        self.change(job_id)
        return job_id

    def change(self, job_id: str, status: str = "QUEUED") -> None:
        self.jobs[job_id]["status"] = status
        if self.updates:
            self.jobs[job_id]["updated_date"] = self._now()

    def list_jobs_statuses(
        self, *, limit: int, extra_filter: dict[str, Any] | None
    ) -> list[Document]:
        self.requests += 1
        parts = (extra_filter or {}).get("and", [extra_filter or {}])
        found = [
            dict(job)
            for job in reversed(self.jobs.values())
            if all(_fits(job, part) for part in parts)
        ]
        return found[: min(limit, self.page)]

    def _now(self) -> str:
        self._time += 1
        minutes, seconds = divmod(self._time, 60)
        return f"2026-11-23T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.000Z"


def _fits(job: Document, where: dict[str, Any]) -> bool:
    names = {"updatedDate": "updated_date", "creationDate": "creation_date", "id": "job_id"}
    tests: dict[str, Callable[[Any, Any], bool]] = {
        "gt": lambda value, bound: value > bound,
        "lte": lambda value, bound: value <= bound,
        "inq": lambda value, bounds: value in bounds,
        "nin": lambda value, bounds: value not in bounds,
    }
    return all(
        tests[test](job.get(names.get(name, name), ""), bound)
        for name, condition in where.items()
        for test, bound in condition.items()
    )


class Watch:
    """Takes everything in."""

    def changed(self, take_in: Callable[[], Changes]) -> Changes:
        return take_in()

    def connected(self, link: Link, detail: str, confirmed: float | None, **_: Any) -> None: ...

    def counted(self) -> None: ...

    def caught_up(self) -> None: ...


class Desk:
    """A sweep with all that it needs, once every job was read."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.registry = Registry(lambda job_id: None)
        self.schedule = Schedule(CADENCE, UsualTimes())
        intake = Intake(self.registry, Watch(), lambda changes: None)
        pages = JobPages(SimpleNamespace(_api_client=client))
        self._sweep = Sweep(pages, intake, self.schedule, lambda: 1e9)
        self.now = 1000.0
        self.round(complete=False)

    def round(self, *, told: bool = False, everything: bool = False, complete: bool = True) -> int:
        """Goes through a round and returns its requests."""
        before = self.client.requests
        self._sweep.round(self.now, everything=everything, told=told, complete=complete)
        return self.client.requests - before

    def status(self, job_id: str) -> Status:
        return self.registry.row(job_id).status


def pages(jobs: int, page: int) -> int:
    return -(-jobs // page)


@pytest.mark.parametrize("updates", [True, False])
@pytest.mark.parametrize("page", [50, 200, 500])
@pytest.mark.parametrize("live", [1, 49, 50, 51, 1000])
@pytest.mark.parametrize("ended", [0, 1, 60])
def test_a_sweep_costs_a_page_of_each_kind_at_most(
    live: int, ended: int, page: int, updates: bool
) -> None:
    """And one request more for new jobs, and for an empty page where nothing else says so."""
    client = Client(live + ended, page, updates=updates)
    desk = Desk(client)
    going = list(client.jobs)[:ended]
    for job_id in going:
        client.change(job_id, "COMPLETED")
    cost = desk.round(everything=True)
    unsaid = ended > 50 and live % page == 0
    assert cost <= pages(live, page) + pages(ended, 50) + 1 + unsaid
    assert {desk.status(job_id) for job_id in going} <= {Status.DONE}
    assert sum(not row.status.final for row in desk.registry.rows()) == live


def test_where_changes_are_told_a_round_is_one_request() -> None:
    client = Client(1000, 500, updates=True)
    desk = Desk(client)
    changed = list(client.jobs)[300:310]
    for job_id in changed:
        client.change(job_id, "RUNNING")
    new = client.add()
    desk.now += 1.0
    assert desk.round() == 1
    assert {desk.status(job_id) for job_id in changed} == {Status.RUNNING}
    assert desk.status(new) is Status.QUEUED


def test_a_quiet_round_elsewhere_asks_for_what_is_due_alone() -> None:
    client = Client(1000, 50, updates=False)
    desk = Desk(client)
    desk.schedule.look([f"{number:024x}" for number in range(960, 1000)], "")
    desk.now += 1.0
    assert desk.round() == 0
    desk.now += 6.0
    assert desk.round() == pages(40, 50)
    desk.now += 120.0
    assert desk.round() == 1 + pages(1000, 50)


def test_jobs_that_have_ended_are_never_asked_for_again() -> None:
    client = Client(10, 50, updates=False)
    desk = Desk(client)
    for job_id in client.jobs:
        client.change(job_id, FINAL_API_STATUSES[0])
    desk.round(everything=True)
    desk.now += 3600.0
    assert desk.round() == 1  # for new jobs
    desk.now += 1.0
    assert desk.round() == 0


def test_a_job_that_is_gone_is_dropped() -> None:
    client = Client(60, 50, updates=False)
    desk = Desk(client)
    gone = list(client.jobs)[5]
    del client.jobs[gone]
    desk.round(everything=True)
    assert gone not in {row.key for row in desk.registry.rows()}
    assert len(desk.registry.rows()) == 59


class Garbling(Client):
    """What it says of one job is no job document."""

    garbled = ""

    def list_jobs_statuses(self, **options: Any) -> list[Document]:
        found = super().list_jobs_statuses(**options)
        return [{} if job["job_id"] == self.garbled else job for job in found]


def test_a_job_of_which_nonsense_is_said_stays() -> None:
    client = Garbling(60, 50, updates=False)
    desk = Desk(client)
    client.garbled = list(client.jobs)[5]
    client.change(client.garbled, "COMPLETED")
    for _ in range(3):
        desk.now += 600.0
        assert desk.round() <= 4
    assert len(desk.registry.rows()) == 60
    assert desk.status(client.garbled) is Status.QUEUED
    job_id, client.garbled = client.garbled, ""
    desk.round(everything=True)
    assert desk.status(job_id) is Status.DONE


def test_a_job_stays_that_an_endpoint_gives_no_place_in_a_short_page() -> None:
    client = Client(60, 50, updates=False)
    desk = Desk(client)
    client.page = 20
    gone = list(client.jobs)[5]
    del client.jobs[gone]
    desk.round(everything=True)
    assert {row.key for row in desk.registry.rows()} == set(client.jobs)


def test_an_endpoint_that_knows_no_filter_for_ids_has_deleted_none() -> None:
    class Careless(Client):
        def list_jobs_statuses(self, *, extra_filter: Any, **options: Any) -> list[Document]:
            if "id" in (extra_filter or {}) and "inq" in extra_filter["id"]:
                extra_filter = None
            return super().list_jobs_statuses(extra_filter=extra_filter, **options)

    client = Careless(60, 50, updates=False)
    desk = Desk(client)
    client.change(list(client.jobs)[5], "COMPLETED")
    desk.now += 600.0
    desk.round(everything=True)
    assert len(desk.registry.rows()) == 60


def test_an_endpoint_that_refuses_long_pages_is_asked_for_short_ones() -> None:
    class Strict(Client):
        def list_jobs_statuses(self, **options: Any) -> list[Document]:
            if options["limit"] > 100:
                self.requests += 1
                raise refusal()
            return super().list_jobs_statuses(**options)

    client = Strict(120, 50, updates=True)
    desk = Desk(client)
    assert len(desk.registry.rows()) == 120
    desk.now += 1.0
    assert desk.round() == 1


def refusal() -> Exception:
    """What the provider's client raises when it is answered with 400."""
    import requests

    response = requests.Response()
    response.status_code = 400
    return requests.HTTPError("400", response=response)
