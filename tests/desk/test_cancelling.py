"""Cancelling goes through ManagedJob.cancel(), and says what became of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower import model
from qtower.desk.cancelling import cancel_job
from qtower.desk.circuit_files import load
from qtower.errors import NetworkError
from qtower.model import JobRow, Status
from tests.conftest import Endpoint
from tests.desk.accounts import account_of, bells, open_desk, provider_of
from tests.desk.conftest import CIRCUITS
from tests.desk.submitting import submit

ROW = JobRow(key="key", job_id="id", status=Status.RUNNING)


@pytest.fixture
def running(service: Endpoint) -> Iterator[ManagedJob]:
    """A long job, of a login of its own."""
    simulator = provider_of(service).get_backend("ibmq_qasm_simulator")
    job = submit(load(CIRCUITS / "long.json").qobj, simulator)
    session = simulator._api_client._session
    address = session.base_url
    yield job
    session.base_url = address
    job.cancel()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The job ids for which ManagedJob.cancel() was called."""
    made: list[str] = []
    real = ManagedJob.cancel

    def cancel(managed_job: ManagedJob) -> None:
        made.append(managed_job.job.job_id())
        real(managed_job)

    monkeypatch.setattr(ManagedJob, "cancel", cancel)
    return made


def test_the_screen_s_cancel_is_the_managed_job_s(
    service: Endpoint, tmp_path: Path, running: ManagedJob, calls: list[str]
) -> None:
    job_id = running.job.job_id()
    with open_desk(lambda: account_of(service, local=False), tmp_path) as (desk, ear):
        desk.wait_ready(60)
        # The log-in that was good for the list is not any more: it is renewed, not reported.
        desk._session.provider()._api_client._session.access_token = "expired"
        outcome = desk.answer(model.Cancel(key=job_id))
        assert outcome.outcome == "cancelled"
        assert set(calls) == {job_id}
        ear.until(lambda: ear.rows[job_id].status is Status.CANCELLED)


def test_too_late(service: Endpoint, calls: list[str]) -> None:
    job = provider_of(service).get_backend("ibmq_qasm_simulator").run(bells())
    job.result()
    outcome = cancel_job(ROW, ManagedJob(0, 1, job=job))
    assert (outcome.outcome, outcome.status) == ("too_late", Status.DONE)
    assert calls == [job.job_id()]


def test_a_refusal_says_what_the_job_does(
    running: ManagedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = running.job._api_client
    monkeypatch.setattr(client, "job_cancel", lambda job_id: {"cancelled": False})
    outcome = cancel_job(ROW, running)
    assert outcome.outcome == "refused"
    assert outcome.status.value in outcome.message and not outcome.status.final


def test_silence_is_not_taken_for_a_refusal(running: ManagedJob) -> None:
    session = running.job._api_client._session
    session._initialize_retry(0, 0, 0.0)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        session.base_url = f"http://127.0.0.1:{nobody.getsockname()[1]}/api"
        with pytest.raises(NetworkError, match=r"Cancel was sent, but .* refused the connection"):
            cancel_job(ROW, running)
