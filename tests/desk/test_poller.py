"""What the poller asks for, and how little, on real services, with and without `updatedDate`."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import requests

from qtower import model
from qtower.desk import poller as poller_module
from qtower.desk.following import Following
from qtower.desk.journal import Journal
from qtower.desk.pages import JobPages
from qtower.desk.rows import Document
from qtower.errors import JobStateError, NetworkError
from qtower.model import Link, Status
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, bells, open_desk, provider_of

pytestmark = pytest.mark.usefixtures("hasty")


class CountedPages(JobPages):
    """Pages that count the requests made for each purpose."""

    asked: ClassVar[Counter[str]] = Counter()

    def active(self) -> Iterator[list[Document]]:
        self.asked["active"] += 1
        return super().active()

    def changed_since(self, updated: str) -> Iterator[list[Document]]:
        self.asked["changed"] += 1
        return super().changed_since(updated)

    def created_since(self, created: str) -> Iterator[list[Document]]:
        self.asked["created"] += 1
        return super().created_since(created)

    def by_id(self, job_ids: Sequence[str]) -> Iterator[list[Document]]:
        self.asked["by id"] += 1
        return super().by_id(job_ids)

    def one(self, job_id: str) -> Document:
        self.asked["one"] += 1
        return super().one(job_id)


class PlainPages(CountedPages):
    """Pages of an endpoint that reports no `updatedDate`, as IBM's did not."""

    asked: ClassVar[Counter[str]] = Counter()

    def __init__(self, provider: Any) -> None:
        super().__init__(provider)
        listed = provider._api_client.list_jobs_statuses

        class Client:
            """The client of such an endpoint."""

            @staticmethod
            def job_get(job_id: str) -> dict[str, Any]:
                document: dict[str, Any] = provider._api_client.job_get(job_id)
                document.pop("updated_date", None)
                return document

            list_jobs_ids = provider._api_client.list_jobs_ids

            @staticmethod
            def list_jobs_statuses(**options: Any) -> list[dict[str, Any]]:
                page: list[dict[str, Any]] = listed(**options)
                for document in page:
                    document.pop("updated_date", None)
                return page

        self._client = Client()


class RefusingPages(CountedPages):
    """Pages of an endpoint that reports `updatedDate` but refuses it in a filter."""

    asked: ClassVar[Counter[str]] = Counter()

    def changed_since(self, updated: str) -> Iterator[list[Document]]:
        self.asked["changed"] += 1
        raise JobStateError("updatedDate cannot be filtered by.")


@pytest.mark.parametrize("kind", [CountedPages, PlainPages, RefusingPages])
def test_new_jobs_are_followed_to_their_end(
    kind: type[CountedPages], service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "JobPages", kind)
    kind.asked.clear()
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        jobs = [backend.run(bells(), job_name=f"n{number}").job_id() for number in range(3)]
        ear.until(lambda: all(job in ear.rows for job in jobs))
        ear.until(lambda: all(ear.rows[job].run_seconds is not None for job in jobs))
        assert {ear.rows[job].status for job in jobs} == {Status.DONE}
        assert ear.link is Link.LIVE
    assert bool(kind.asked["changed"]) == (kind is not PlainPages)
    assert kind.asked["changed"] <= 1 or kind is CountedPages


def test_a_quiet_account_costs_one_request_a_round(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poller_module, "JobPages", CountedPages)
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    job = backend.run(bells()).job_id()
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: all(row.status.final for row in ear.rows.values()))
        ear.until(lambda: ear.rows[job].run_seconds is not None)
        for _ in range(50):  # until the details of all that ended before were read
            CountedPages.asked.clear()
            desk.answer(model.Refresh())
            if not CountedPages.asked["one"]:
                break
        CountedPages.asked.clear()
        rounds = len(ear.links)
        ear.until(lambda: len(ear.links) >= rounds + 3)
        asked = dict(CountedPages.asked)
    assert set(asked) == {"changed"}, asked


def test_the_history_is_read_in_pages_whatever_their_size(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qtower.desk.pages.MOST", 2)
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    jobs = {backend.run(bells()).job_id() for _ in range(5)}
    with open_desk(lambda: account_of(service, local=False), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        assert jobs <= {row.job_id for row in ear.rows.values()}


def test_an_empty_account_notices_its_first_job(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Filters that leave nothing, until a job comes, make any account an empty one."""
    hidden: list[str] = []

    class Empty(PlainPages):
        def __init__(self, provider: Any) -> None:
            super().__init__(provider)
            listed = self._client.list_jobs_statuses

            def list_new(**options: Any) -> list[dict[str, Any]]:
                return [job for job in listed(**options) if job["job_id"] not in hidden]

            self._client.list_jobs_statuses = list_new

    provider = provider_of(service)
    hidden += [job["id"] for job in provider._api_client.list_jobs_ids(limit=1000)]
    monkeypatch.setattr(poller_module, "JobPages", Empty)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        assert ear.rows == {}
        job = provider.get_backend("ibmq_qasm_simulator").run(bells())
        ear.until(lambda: job.job_id() in ear.rows)
        ear.until(lambda: ear.rows[job.job_id()].status is Status.DONE)


def test_a_job_whose_details_fail_holds_up_nobody(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad: list[str] = []

    class Failing(CountedPages):
        asked: ClassVar[Counter[str]] = Counter()

        def one(self, job_id: str) -> Document:
            self.asked[job_id] += 1
            if job_id in bad:
                raise ValueError("this is no JSON")
            return super().one(job_id)

    monkeypatch.setattr(poller_module, "JobPages", Failing)
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        bad.append(backend.run(bells()).job_id())
        ear.until(lambda: bad[0] in ear.rows and ear.rows[bad[0]].status.final)
        good = [backend.run(bells()).job_id() for _ in range(2)]
        ear.until(lambda: all(job in ear.rows for job in good))
        ear.until(lambda: all(ear.rows[job].run_seconds is not None for job in good))
        ear.until(lambda: Failing.asked[bad[0]] == 3)
        rounds = len(ear.links)
        ear.until(lambda: len(ear.links) >= rounds + 2)
        assert Failing.asked[bad[0]] == 3, "enough is enough"
        assert ear.rows[bad[0]].status is Status.DONE
        assert {connection.link for connection in ear.links} == {Link.STARTING, Link.LIVE}


def test_a_change_between_two_pages_is_seen(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    between: list[tuple[str, str]] = []  # names that jobs get after the first page was read

    provider = provider_of(service)
    client = provider._api_client

    class Watched(CountedPages):
        def changed_since(self, updated: str) -> Iterator[list[Document]]:
            if not go.is_set():
                return
            for page in super().changed_since(updated):
                yield page
                while between:
                    client.job_update_attribute(between[0][0], "name", between.pop(0)[1])

    monkeypatch.setattr("qtower.desk.pages.MOST", 2)
    backend = provider.get_backend("ibmq_qasm_simulator")
    jobs = [backend.run(bells()) for _ in range(3)]
    for job in jobs:
        job.result()
    first, second, third = (job.job_id() for job in jobs)
    monkeypatch.setattr(poller_module, "JobPages", Watched)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: {first, second, third} <= set(ear.rows))
        ids = (first, second, third)  # whose details must not be what shows a change
        ear.until(lambda: all(ear.rows[job].run_seconds is not None for job in ids))
        client.job_update_attribute(second, "name", "early")
        client.job_update_attribute(third, "name", "early")
        # The newest job changes again, then the oldest, which is on the page that follows.
        between += [(third, "again"), (first, "late")]
        go.set()
        ear.until(lambda: ear.rows[first].name == "late")
        ear.until(lambda: ear.rows[third].name == "again", seconds=20)
        assert ear.rows[second].name == "early"


def test_an_access_token_that_expires_in_an_outage_is_renewed_silently(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outage = threading.Event()

    class Unplugged(CountedPages):
        def changed_since(self, updated: str) -> Iterator[list[Document]]:
            if outage.is_set():
                raise requests.ConnectionError("unplugged")
            return super().changed_since(updated)

    monkeypatch.setattr(poller_module, "JobPages", Unplugged)
    provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())  # there is a last change
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        outage.set()
        ear.until(lambda: ear.link is Link.OFFLINE)
        desk._session.provider()._api_client._session.access_token = "expired"
        outage.clear()
        assert desk.answer(model.Refresh()).link is Link.LIVE
        assert Link.REFUSED not in {connection.link for connection in ear.links}


def test_a_fault_at_the_end_of_a_round_is_told_and_the_next_one_comes(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qtower.desk.lost_parts import settle_lost_parts

    faults = [RuntimeError("ours")]

    def settle(*arguments: Any) -> Any:
        if faults:
            raise faults.pop()
        return settle_lost_parts(*arguments)

    monkeypatch.setattr("qtower.desk.offers.settle_lost_parts", settle)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        with pytest.raises(NetworkError, match="A fault of qtower"):
            desk.wait_ready(60)
        ear.until(lambda: ear.link is Link.LIVE)
        assert desk.wait_ready(60).link is Link.LIVE


def test_odd_names_silence_nobody(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client takes a lone surrogate from any endpoint; nothing that writes UTF-8 does."""

    class Odd(CountedPages):
        def __init__(self, provider: Any) -> None:
            super().__init__(provider)
            client = provider._api_client
            listed, got = client.list_jobs_statuses, client.job_get

            def odd(document: dict[str, Any]) -> dict[str, Any]:
                return {**document, "name": "caf\ud83d", "extra": {"\udfff": ["\ud83d"]}}

            client.list_jobs_statuses = lambda **options: [odd(each) for each in listed(**options)]
            client.job_get = lambda job_id: odd(got(job_id))

    monkeypatch.setattr(poller_module, "JobPages", Odd)
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: job.job_id() in ear.rows and ear.rows[job.job_id()].status.final)
        assert ear.rows[job.job_id()].name == "caf?"
        details = desk.answer(model.GetDetails(key=job.job_id()))
        assert ("Extra: ?", '["?"]') in {(field.label, field.value) for field in details.fields}
        for event in (*ear.events, model.Answer(id=1, body=details)):
            msgspec.json.encode(event)
    journal = Journal("test", tmp_path, lambda title, text: None)
    assert job.job_id() in {row.key for row in journal.rows()}


def test_details_of_jobs_that_ended_while_nobody_stayed_are_read_later(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class WithoutDetails(CountedPages):
        def one(self, job_id: str) -> Document:
            raise JobStateError("Not now.")

    monkeypatch.setattr(poller_module, "JobPages", WithoutDetails)
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells()).job_id()
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: job in ear.rows and ear.rows[job].status.final)
        assert ear.rows[job].run_seconds is None
    monkeypatch.setattr(poller_module, "JobPages", CountedPages)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        ear.until(lambda: job in ear.rows and ear.rows[job].run_seconds is not None)


@pytest.mark.parametrize("local", [True, False])
def test_a_deleted_job_is_missed_when_the_history_was_read(
    local: bool, service: Endpoint, tmp_path: Path
) -> None:
    provider = provider_of(service)
    jobs = [provider.get_backend("ibmq_qasm_simulator").run(bells()) for _ in range(2)]
    kept, deleted = (job.job_id() for job in jobs)
    for job in jobs:
        job.result()
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        assert {kept, deleted} <= set(ear.rows)
    provider._api_client.account_api.job(deleted).delete()
    with open_desk(lambda: account_of(service, local=local), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        assert kept in ear.rows and deleted not in ear.rows


def test_at_a_restart_no_job_that_has_ended_is_read_again(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though all are counted, and what changed meanwhile is read."""
    monkeypatch.setattr("qtower.desk.pages.MOST", 4)
    provider = provider_of(service)
    backend = provider.get_backend("ibmq_qasm_simulator")
    jobs = [backend.run(bells()) for _ in range(8)]
    for job in jobs:
        job.result()
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: {job.job_id() for job in jobs} <= set(ear.rows))
        known = set(ear.rows)
    new = backend.run(bells()).job_id()
    renamed = jobs[0].job_id()
    provider._api_client.job_update_attribute(renamed, "name", "renamed")
    read: list[str] = []

    class Watched(CountedPages):
        def __init__(self, provider: Any) -> None:
            super().__init__(provider)
            listed = self._client.list_jobs_statuses

            def note(**options: Any) -> list[dict[str, Any]]:
                page: list[dict[str, Any]] = listed(**options)
                read.extend(job["job_id"] for job in page)
                return page

            monkeypatch.setattr(self._client, "list_jobs_statuses", note)

    monkeypatch.setattr(poller_module, "JobPages", Watched)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        ear.until(lambda: new in ear.rows and ear.rows[new].status.final)
        ear.until(lambda: ear.rows[renamed].name == "renamed")
        assert set(ear.rows) == known | {new}
        assert len(set(read) - {new, renamed}) <= 4, "the first page shows where to read on"


def test_a_person_s_refresh_does_not_wait_for_the_budget(service: Endpoint, tmp_path: Path) -> None:
    backend = provider_of(service).get_backend("ibmq_qasm_simulator")
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        desk._session.budget.hold(600)
        job = backend.run(bells()).job_id()
        desk.answer(model.Refresh())
        assert job in ear.rows


def test_after_a_fault_between_two_rounds_the_next_one_comes(
    service: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tend, faults = Following.tend, [RuntimeError("ours"), RuntimeError("ours")]

    def at_times(*arguments: Any) -> None:
        if faults:
            raise faults.pop()
        tend(*arguments)

    monkeypatch.setattr(Following, "tend", at_times)
    with open_desk(lambda: account_of(service), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        key = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells()).job_id()
        ear.until(lambda: key in ear.rows)
        assert not faults
