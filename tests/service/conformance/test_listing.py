"""`jobs` and `job_ids`: every filter, and pages that neither lose nor double a job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psutil
import pytest
from qiskit.providers.ibmq.exceptions import IBMQBackendValueError
from qiskit.providers.jobstatus import JobStatus

from tests.conftest import Endpoint
from tests.service.raw import Api, bell_qobj, long_qobj

pytestmark = pytest.mark.filterwarnings("ignore")

TAG = "of-each-status"


@pytest.fixture(scope="module")
def user(service: Endpoint) -> Iterator[Api]:
    user = Api(service.url, service.token)
    yield user
    user.close()


@pytest.fixture(scope="module")
def by_status(service: Endpoint, user: Api) -> Iterator[dict[str, str]]:
    """A job in each status that lasts, by the client's name for it."""
    tags = {"tags": [TAG]}
    jobs = {
        "DONE": user.submit(bell_qobj(), **tags),
        "ERROR": user.submit(b"no qobj", **tags),
        "CANCELLED": user.create(**tags)["id"],
        "INITIALIZING": user.create(**tags)["id"],
    }
    user.wait(jobs["DONE"])
    user.wait(jobs["ERROR"])
    user.cancel(jobs["CANCELLED"])
    running = [user.submit(long_qobj(), **tags) for _ in range(2)]
    for job_id in running:
        user.wait(job_id, "RUNNING")
    # They run for as long as all tests of this module, and need no processor for that.
    for worker in psutil.Process(service.process.pid).children():
        worker.suspend()
    jobs["RUNNING"] = running[0]
    jobs["QUEUED"] = user.submit(bell_qobj(), **tags)
    user.wait_in_line(jobs["QUEUED"])
    yield {**jobs, "RUNNING too": running[1]}
    for job_id in (jobs["QUEUED"], *running, jobs["INITIALIZING"]):
        user.cancel(job_id)


@pytest.fixture(scope="module")
def many(user: Api) -> list[dict[str, Any]]:
    """More jobs than the service gives in one page, the oldest first."""
    return [user.create(name=f"many {n}", tags=["listed", f"n{n % 3}"]) for n in range(70)]


def ids(jobs: list[Any]) -> list[str]:
    return [job.job_id() for job in jobs]


def local(job: dict[str, Any]) -> datetime:
    """When a job was created, as the client takes dates: local, without an offset."""
    date = datetime.fromisoformat(job["creationDate"].replace("Z", "+00:00"))
    return date.astimezone().replace(tzinfo=None)


def test_each_status_finds_its_jobs(provider: Any, by_status: dict[str, str]) -> None:
    def found(status: Any) -> set[str]:
        listed = set(ids(provider.backend.jobs(status=status, job_tags=[TAG], limit=20)))
        named = provider.backend.job_ids(status=status, job_tags=[TAG], limit=20)
        assert {job["id"] for job in named} == listed
        return listed

    for name in ("DONE", "ERROR", "CANCELLED", "INITIALIZING", "QUEUED"):
        assert found(JobStatus[name]) == found(name.lower()) == {by_status[name]}
    assert found("RUNNING") == {by_status["RUNNING"], by_status["RUNNING too"]}
    assert found("VALIDATING") == set()
    assert found(["DONE", JobStatus.ERROR]) == {by_status["DONE"], by_status["ERROR"]}
    assert len(found(list(JobStatus))) == len(by_status)
    with pytest.raises(IBMQBackendValueError):
        found("FINISHED")


def test_a_listed_job_knows_its_status_and_place(provider: Any, by_status: dict[str, str]) -> None:
    listed = {job.job_id(): job for job in provider.backend.jobs(job_tags=[TAG], limit=20)}
    for name, job_id in by_status.items():
        job = listed[job_id]
        assert job._status is JobStatus[name.split()[0]]
        assert (job.queue_position() is None) == (name != "QUEUED")
        assert job.tags() == [TAG]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("limit", [None, 1000, 50, 51, 69])
def test_pages_join_in_either_order(
    provider: Any, many: list[dict[str, Any]], descending: bool, limit: int | None
) -> None:
    wanted = [job["id"] for job in (many[::-1] if descending else many)][:limit]
    filters = {"job_tags": ["listed"], "descending": descending, "limit": limit}
    assert ids(provider.backend.jobs(**filters)) == wanted
    assert [job["id"] for job in provider.backend.job_ids(**filters)] == wanted


@pytest.mark.parametrize("descending", [True, False])
def test_dates_hold_on_every_page(
    provider: Any, many: list[dict[str, Any]], descending: bool
) -> None:
    first, last = many[2], many[-3]
    options: dict[str, Any] = {"job_tags": ["listed"], "descending": descending, "limit": 1000}

    def found(**dates: datetime) -> list[str]:
        listed = ids(provider.backend.jobs(**options, **dates))
        named = [job["id"] for job in provider.backend.job_ids(**options, **dates)]
        assert named == listed
        return listed if not descending else listed[::-1]

    expected = [job["id"] for job in many]
    assert found(start_datetime=local(first)) == expected[2:]
    assert found(end_datetime=local(last)) == expected[:-2]
    assert found(start_datetime=local(first), end_datetime=local(last)) == expected[2:-2]
    assert found(start_datetime=local(many[-1]) + timedelta(microseconds=1)) == []
    assert found(end_datetime=local(many[0]) - timedelta(microseconds=1)) == []
    aware = datetime.now(timezone.utc) + timedelta(hours=1)
    assert found(end_datetime=aware) == expected


def test_skip_and_limit(provider: Any, many: list[dict[str, Any]]) -> None:
    newest = [job["id"] for job in many[::-1]]
    jobs = provider.backend.jobs
    assert ids(jobs(job_tags=["listed"])) == newest[:10]
    assert ids(jobs(job_tags=["listed"], skip=60, limit=20)) == newest[60:]
    assert ids(jobs(job_tags=["listed"], skip=5, limit=60)) == newest[5:65]
    assert ids(jobs(job_tags=["listed"], skip=70)) == []


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        *(("many", 70), ("^many", 70), ("any 6\\d$", 10), ("many (1|2)$", 2), ("MANY", 0)),
        *(("^any", 0), ("[ ]3", 11), ("many \\d{1,1}$", 10), ("6[^0-5]", 4)),
    ],
)
def test_names_are_matched_by_part_and_by_pattern(
    provider: Any, many: list[dict[str, Any]], pattern: str, count: int
) -> None:
    options = {"job_name": pattern, "job_tags": ["listed"], "limit": 100}
    assert len(provider.backend.jobs(**options)) == count
    assert len(provider.backend.job_ids(**options)) == count


def test_tags_by_any_and_by_all(provider: Any, many: list[dict[str, Any]]) -> None:
    def count(*tags: str, **options: Any) -> int:
        return len(provider.backend.jobs(job_tags=list(tags), limit=100, **options))

    assert count("n0", "n1") == count("n0", "n1", job_tags_operator="or") == 24 + 23
    assert count("n0", "listed", job_tags_operator="AND") == 24
    assert count("n0", "n1", job_tags_operator="AND") == 0
    assert count("N0") == 0
    assert count("n0", "listed", job_tags_operator="and", job_name="many [0-5]$") == 2
    with pytest.raises(IBMQBackendValueError):
        count("n0", job_tags_operator="XOR")


def test_jobs_of_a_backend_and_of_an_experiment(provider: Any, user: Api) -> None:
    fields = {"tags": ["of-a-backend"], "experimentTag": "experiment 7"}
    here = user.create(**fields)["id"]
    there = user.create(**fields, backend={"name": "ibmq_lima"})["id"]
    options: dict[str, Any] = {"job_tags": ["of-a-backend"]}
    assert ids(provider.backend.jobs(**options)) == [there, here]
    assert ids(provider.backend.jobs(**options, backend_name="ibmq_lima")) == [there]
    assert ids(provider.get_backend("ibmq_qasm_simulator").jobs(**options)) == [here]
    assert ids(provider.backend.jobs(**options, backend_name="nowhere")) == []
    assert ids(provider.backend.jobs(experiment_id="experiment 7")) == [there, here]
    assert ids(provider.get_backend("ibmq_lima").jobs(experiment_id="experiment 7")) == [there]
    assert ids(provider.backend.jobs(experiment_id="experiment")) == []
    named = provider.backend.job_ids(**options, backend_name="ibmq_lima")
    assert [job["id"] for job in named] == [there]
    for job_id in (here, there):
        user.cancel(job_id)


@pytest.mark.parametrize(
    ("db_filter", "count"),
    [
        ({"hubInfo.hub.name": "ibm-q"}, 70),
        ({"hubInfo.project.name": "other"}, 0),
        ({"name": "many 7"}, 1),
        ({"name": {"neq": "many 7"}}, 69),
        ({"name": {"inq": ["many 7", "many 8", "x"]}}, 2),
        ({"name": {"nin": ["many 7", "many 8", "x"]}}, 68),
        ({"or": [{"name": "many 7"}, {"name": "many 8"}]}, 2),
        ({"and": [{"tags": "n0"}, {"name": {"regexp": "[05]$"}}]}, 5),
        ({"or": [{"name": "many 7"}, {"and": [{"tags": "n0"}, {"name": "many 9"}]}]}, 2),
        ({"and": [{"or": [{"tags": "n0"}, {"tags": "n1"}]}, {"or": [{"name": "many 1"}]}]}, 1),
        ({"status": {"nin": ["COMPLETED", "CREATING"]}}, 0),
        ({"updatedDate": {"gt": "2020-01-01T00:00:00Z"}}, 70),
        ({"updatedDate": {"between": ["2020-01-01", "2020-01-02"]}}, 0),
        ({"runMode": "fairshare"}, 70),
        ({"no.such.field": 5}, 0),
    ],
)
def test_a_filter_of_the_database_is_added(
    provider: Any, many: list[dict[str, Any]], db_filter: dict[str, Any], count: int
) -> None:
    found = provider.backend.jobs(limit=100, job_tags=["listed"], db_filter=db_filter)
    assert len(found) == count


def test_a_filter_of_the_database_gives_way_to_arguments(
    provider: Any, many: list[dict[str, Any]]
) -> None:
    found = provider.backend.jobs(
        job_tags=["listed"], job_name="many 7$", db_filter={"name": "many 8", "tags": "n9"}
    )
    assert [job.name() for job in found] == ["many 7"]


def test_ids_among_a_list_are_paged_too(provider: Any, many: list[dict[str, Any]]) -> None:
    wanted = [job["id"] for job in many[:60]]
    found = provider.backend.jobs(limit=None, db_filter={"id": {"inq": wanted}})
    assert ids(found) == wanted[::-1]
