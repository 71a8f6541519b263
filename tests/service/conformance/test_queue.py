"""QueueInfo, job_monitor, and the websocket client: what a waiting program is told."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from qiskit.providers.ibmq.api.clients.websocket import WebsocketClient
from qiskit.providers.ibmq.api.exceptions import WebsocketAuthenticationError, WebsocketError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.job.job_monitor import job_monitor
from qiskit.providers.ibmq.utils.utils import RefreshQueue
from qiskit.providers.jobstatus import JobStatus

from tests.service.conformance.conftest import Lab, place
from tests.service.raw import bell_qobj, failing_qobj, long_qobj, until
from tests.service.test_client import run

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def backend(ada: IBMQFactory) -> Any:
    return place(ada, "lab/physics/main").get_backend("ibmq_qasm_simulator")


@pytest.fixture
def waiting(backend: Any, bell: Any) -> Iterator[list[Any]]:
    """Jobs behind one that keeps the lab's only worker; the first of the list is that one."""
    backend.run(bell).wait_for_final_state()  # from now on it is known how long jobs usually run
    jobs = [run(backend, long_qobj())]
    until(jobs[0].running)
    for _ in range(3):
        jobs.append(run(backend, bell_qobj()))
        until(lambda: jobs[-1].status() is JobStatus.QUEUED)
    yield jobs
    for job in jobs[::-1]:
        job.cancel()


def test_a_queued_job_knows_its_place(waiting: list[Any]) -> None:
    assert [job.queue_position(refresh=True) for job in waiting] == [None, 1, 2, 3]
    now = datetime.now(timezone.utc)
    infos = [job.queue_info() for job in waiting[1:]]
    starts = [info.estimated_start_time for info in infos]
    assert starts == sorted(starts)
    for job, info in zip(waiting[1:], infos, strict=True):
        assert info.job_id == job.job_id()
        assert now - timedelta(seconds=5) < info.estimated_start_time < info.estimated_complete_time
        assert 0 < info.hub_priority <= 1
        assert 0 < info.group_priority <= 1
        assert 0 < info.project_priority <= 1
        assert "_status='QUEUED'" in repr(info)
        assert f"queue position: {info.position}" in info.format()
        assert "estimated start time: unknown" not in info.format()
    waiting[1].cancel()
    assert waiting[1].queue_info() is None
    assert [job.queue_position(refresh=True) for job in waiting[2:]] == [1, 2]
    backend = waiting[0].backend()
    assert backend.status().pending_jobs == 2
    assert backend.job_limit().active_jobs == 3


def test_a_monitor_tells_the_place_and_the_end(waiting: list[Any]) -> None:
    told = io.StringIO()
    watched = waiting[1]
    monitor = threading.Thread(
        target=job_monitor, args=(watched,), kwargs={"interval": 0.05, "output": told}
    )
    monitor.start()
    until(lambda: "(1) [Est. wait time:" in told.getvalue())
    waiting[0].cancel()
    monitor.join(60)
    assert told.getvalue().rstrip().endswith("Job Status: job has successfully run")


def test_a_monitor_tells_why_a_job_failed(backend: Any) -> None:
    told = io.StringIO()
    job = run(backend, failing_qobj())
    job_monitor(job, interval=0.05, output=told)
    assert "The following experiments failed" in told.getvalue()


def follow(backend: Any, job_id: str, heard: Any = None) -> dict[str, Any]:
    """What the websocket client hears last."""
    client = WebsocketClient(
        websocket_url=backend._api_client._credentials.websockets_url,
        credentials=backend._api_client._credentials,
        job_id=job_id,
        message_queue=heard,
    )
    last: dict[str, Any] = client.get_job_status(retries=0)
    return last


def test_a_websocket_is_followed_to_the_end(waiting: list[Any], backend: Any) -> None:
    heard: RefreshQueue = RefreshQueue(maxsize=1)
    first: list[dict[str, Any]] = []

    def hear() -> None:
        first.append(heard.get())
        waiting[0].cancel()

    hearer = threading.Thread(target=hear)
    hearer.start()
    last = follow(backend, waiting[1].job_id(), heard)
    hearer.join(60)
    assert first[0]["status"] == "QUEUED"
    assert first[0]["info_queue"]["position"] == 1
    assert (last["status"], last["id"]) == ("COMPLETED", waiting[1].job_id())
    assert "info_queue" not in last


def test_a_final_job_is_told_at_once(backend: Any, bell: Any) -> None:
    job = backend.run(bell)
    job.wait_for_final_state()
    assert follow(backend, job.job_id())["status"] == "COMPLETED"


def test_a_websocket_of_a_job_that_is_not_there(backend: Any, bob: IBMQFactory) -> None:
    with pytest.raises(WebsocketError, match="not found"):
        follow(backend, "0" * 24)


def test_a_websocket_with_a_wrong_token(backend: Any, lab: Lab, bell: Any) -> None:
    job = backend.run(bell)

    credentials = backend._api_client._credentials
    client = WebsocketClient(credentials.websockets_url, credentials, job.job_id())
    client._access_token = "wrong"
    with pytest.raises((WebsocketAuthenticationError, WebsocketError)):
        client.get_job_status(retries=0)
    job.wait_for_final_state()
