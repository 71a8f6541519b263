"""What the poller asks for, and how little, on real services, with and without `updatedDate`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from qtower import model
from qtower.desk import poller as poller_module
from qtower.desk.pages import JobPages
from qtower.desk.rows import Document
from qtower.errors import JobStateError
from qtower.model import Link, Status
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, bells, open_desk, provider_of


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

            job_get = provider._api_client.job_get
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
    monkeypatch.setattr("qtower.desk.pages.PAGE", 2)
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
