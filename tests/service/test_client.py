"""The real client, unmodified, against the real service."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from qiskit import transpile
from qiskit.providers.ibmq.api.exceptions import RequestsApiError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.job.exceptions import (
    IBMQJobApiError,
    IBMQJobFailureError,
    IBMQJobInvalidStateError,
)
from qiskit.providers.ibmq.managed import IBMQJobManager
from qiskit.providers.jobstatus import JobStatus
from qiskit.qobj import QasmQobj

from tests.conftest import Endpoint
from tests.service.raw import Api, failing_qobj, long_qobj

pytestmark = pytest.mark.filterwarnings("ignore")


def run(backend: Any, qobj: dict[str, Any], **options: Any) -> Any:
    return backend.run(QasmQobj.from_dict(json.loads(json.dumps(qobj))), **options)


def test_a_wrong_token_is_refused(service: Endpoint) -> None:
    with pytest.raises(RequestsApiError) as refused:
        IBMQFactory().enable_account("not-the-token", service.url)
    assert str(refused.value).endswith("the API token is not valid, Error code: 3446.'")


def test_a_place_can_be_named(service: Endpoint) -> None:
    factory = IBMQFactory()
    named = factory.enable_account(
        service.token, service.url, hub="ibm-q", group="open", project="main"
    )
    assert named.credentials.hub == "ibm-q"
    assert len(factory.providers()) == 1


def test_bell_on_the_simulator(simulator: Any, bell: Any) -> None:
    job = simulator.run(bell, shots=1000, job_name="bell job", job_tags=["one", "two"])
    result = job.result()
    counts = result.get_counts()
    assert set(counts) == {"00", "11"}
    assert sum(counts.values()) == 1000
    assert result.job_id == job.job_id()
    assert result.results[0].header.name == "bell"
    assert job.status() is JobStatus.DONE
    assert job.error_message() is None
    assert (job.name(), sorted(job.tags())) == ("bell job", ["one", "two"])
    assert list(job.time_per_step()) == [
        *("CREATING", "CREATED", "VALIDATING", "VALIDATED", "QUEUED", "RUNNING", "COMPLETED")
    ]
    assert job.scheduling_mode() == "fairshare"
    assert job.client_version["qiskit"]
    assert job.properties() is None
    assert job.cancel() is False
    assert job.queue_info() is None
    assert abs(job.creation_date().timestamp() - datetime.now().timestamp()) < 60


def test_a_retrieved_job_has_everything(provider: Any, simulator: Any, bell: Any) -> None:
    job = simulator.run(bell, shots=10, experiment_id="an experiment")
    job.wait_for_final_state()
    again = provider.backend.retrieve_job(job.job_id())
    assert again.circuits()[0].name == "bell"
    assert again.backend_options()["shots"] == 10
    assert again.experiment_id == "an experiment"
    assert again.result().get_counts() == job.result().get_counts()
    with pytest.raises(Exception, match="Job not found, Error code: 3250"):
        provider.backend.retrieve_job("0" * 24)


def test_a_callback_hears_of_the_changes(simulator: Any) -> None:
    heard: list[JobStatus] = []
    job = run(simulator, long_qobj())

    def hear(job_id: str, status: JobStatus, told: Any, queue_info: Any = None) -> None:
        heard.append(status)
        if status is JobStatus.RUNNING:
            told.cancel()

    job.wait_for_final_state(timeout=60, callback=hear)
    assert heard[-1] is JobStatus.RUNNING
    assert job.status() is JobStatus.CANCELLED
    with pytest.raises(IBMQJobInvalidStateError):
        job.result()


def test_queue_info_while_others_run(simulator: Any, api: Api, bell: Any) -> None:
    running = [run(simulator, long_qobj()) for _ in range(2)]
    for job in running:
        api.wait(job.job_id(), "RUNNING")
    waiting = simulator.run(bell)
    api.wait_in_line(waiting.job_id())
    info = waiting.queue_info()
    assert info.position == 1
    assert info.hub_priority == info.group_priority == info.project_priority == 1
    assert info.estimated_start_time <= info.estimated_complete_time
    assert waiting.queue_position(refresh=True) == 1
    assert simulator.status().pending_jobs == 1
    assert simulator.job_limit().maximum_jobs is None
    assert waiting.job_id() in [job.job_id() for job in simulator.active_jobs()]
    for job in [waiting, *running]:
        assert job.cancel() is True


def test_failures_tell_why(simulator: Any, provider: Any) -> None:
    failed = run(simulator, failing_qobj())
    assert "The following experiments failed" in failed.error_message()
    with pytest.raises(IBMQJobFailureError):
        failed.result()
    too_many = failing_qobj()
    too_many["config"]["shots"] = 10**9
    refused = run(simulator, too_many)
    assert refused.error_message().endswith(". Error code: 1103.")
    assert ".." not in refused.error_message()
    again = provider.backend.retrieve_job(refused.job_id())
    assert again.error_message() == refused.error_message()


def test_every_filter_of_jobs(provider: Any, simulator: Any, bell: Any) -> None:
    jobs = provider.backend.jobs
    made = simulator.run(bell, job_name="filters-1", job_tags=["f1", "f2"], experiment_id="f")
    other = simulator.run(bell, job_name="filters-2", job_tags=["f2"])
    for job in (made, other):
        job.wait_for_final_state()

    def names(**filters: Any) -> list[str]:
        return [job.name() for job in jobs(limit=5, **filters)]

    assert names(job_name="^filters-") == ["filters-2", "filters-1"]
    assert names(job_name="^filters-", descending=False) == ["filters-1", "filters-2"]
    assert names(job_name="^filters-", skip=1) == ["filters-1"]
    assert names(job_tags=["f1"]) == ["filters-1"]
    assert names(job_tags=["f1", "f2"], job_tags_operator="AND") == ["filters-1"]
    assert names(job_tags=["f1", "f2"]) == ["filters-2", "filters-1"]
    assert names(job_tags=["f1"], status="DONE") == ["filters-1"]
    assert names(job_tags=["f1"], status=[JobStatus.ERROR, JobStatus.RUNNING]) == []
    assert names(job_tags=["f1"], status=["DONE", "ERROR"]) == ["filters-1"]
    assert names(job_tags=["f1"], backend_name="ibmq_lima") == []
    assert names(experiment_id="f") == ["filters-1"]
    hour = timedelta(hours=1)
    assert names(job_tags=["f1"], start_datetime=datetime.now() - hour) == ["filters-1"]
    assert names(job_tags=["f1"], end_datetime=datetime.now() - hour) == []
    assert names(
        job_tags=["f1"],
        start_datetime=datetime.now() - hour,
        end_datetime=datetime.now() + hour,
        db_filter={"hubInfo.hub.name": "ibm-q", "shots": {"gt": 1}},
    ) == ["filters-1"]
    ids = provider.backend.job_ids(limit=5, job_tags=["f2"])
    assert [found["id"] for found in ids] == [other.job_id(), made.job_id()]


def test_jobs_are_paged_without_doubles(provider: Any, api: Api) -> None:
    made = {api.create(tags=["many"])["id"] for _ in range(75)}
    found = [job.job_id() for job in provider.backend.jobs(limit=1000, job_tags=["many"])]
    assert len(found) == 75
    assert set(found) == made
    unlimited = provider.backend.jobs(limit=None, job_tags=["many"], descending=False)
    assert [job.job_id() for job in unlimited] == found[::-1]


def test_names_and_tags_are_changed(simulator: Any, provider: Any, bell: Any) -> None:
    job = simulator.run(bell, job_name="old", job_tags=["a"])
    assert job.update_name("new [/b]") == "new [/b]"
    assert sorted(job.update_tags(additional_tags=["b"])) == ["a", "b"]
    assert job.update_tags(replacement_tags=[]) == []
    again = provider.backend.retrieve_job(job.job_id())
    assert (again.name(), again.tags()) == ("new [/b]", [])


def test_a_deleted_job_is_gone(simulator: Any, provider: Any, bell: Any) -> None:
    job = simulator.run(bell)
    job.wait_for_final_state()
    provider._api_client.job_delete(job.job_id())
    with pytest.raises(IBMQJobApiError):
        job.refresh()


def test_a_job_set_on_a_device(provider: Any, bell: Any) -> None:
    device = provider.get_backend("ibmq_lima")
    circuits = transpile([bell] * 5, device)
    job_set = IBMQJobManager().run(
        circuits, backend=device, name="a set", max_experiments_per_job=2, job_tags=["s"], shots=200
    )
    results = job_set.results()
    assert results.success
    assert sum(results.get_counts(4).values()) == 200
    assert job_set.statuses() == [JobStatus.DONE] * 3
    assert job_set.error_messages() is None
    again = IBMQJobManager().retrieve_job_set(job_set.job_set_id(), provider)
    assert [job.job_id() for job in again.jobs()] == [job.job_id() for job in job_set.jobs()]
    assert (again.name(), again.tags()) == ("a set", ["s"])
    assert job_set.jobs()[0].properties().backend_name == "ibmq_lima"
    assert device.properties().qubits
    assert device.properties(datetime=datetime(1990, 1, 1)) is None
    assert device.reservations() == []
    assert provider.backend.my_reservations() == []


def test_a_job_set_that_fails_says_which_experiments(provider: Any, bell: Any) -> None:
    device = provider.get_backend("ibmq_lima")
    job_set = IBMQJobManager().run([bell], backend=device)  # h is not a gate of the device
    messages = job_set.error_messages()
    assert messages.startswith("Experiments 0-0, job index=0")
    assert "Error code: " in messages
    assert job_set.statuses() == [JobStatus.ERROR]


def test_every_backend_is_understood(provider: Any) -> None:
    backends = provider.backends()
    assert len(backends) >= 4
    assert all(backend.status().operational for backend in backends)
    for backend in backends:
        assert backend.configuration().n_qubits >= 1
        if backend.configuration().open_pulse:
            assert backend.defaults().qubit_freq_est
