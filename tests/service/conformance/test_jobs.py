"""IBMQJob: every method, at every stage of a job."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from qiskit import QuantumCircuit, transpile
from qiskit.exceptions import QiskitError
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.job.exceptions import (
    IBMQJobApiError,
    IBMQJobFailureError,
    IBMQJobInvalidStateError,
    IBMQJobTimeoutError,
)
from qiskit.providers.jobstatus import JobStatus

from tests.service.conformance.conftest import place
from tests.service.raw import Api, bell_qobj, long_qobj
from tests.service.test_client import run

pytestmark = pytest.mark.filterwarnings("ignore")


def test_what_a_run_asks_for_comes_back(simulator: Any, provider: Any, bell: Any) -> None:
    job = simulator.run(
        bell, shots=50, memory=True, header={"lab": "book 7"}, seed_simulator=3, job_name="asked"
    )
    result = job.result()
    assert len(result.get_memory()) == 50
    assert result.header.lab == "book 7"
    assert (result.backend_name, result.job_id) == (simulator.name(), job.job_id())
    assert result.date is not None
    assert job.header()["lab"] == "book 7"
    options = job.backend_options()
    assert (options["shots"], options["memory"], options["seed_simulator"]) == (50, True, 3)
    again = provider.backend.retrieve_job(job.job_id())
    assert again.header() == job.header()
    assert again.qobj().to_dict()["config"]["shots"] == 50
    assert again.result().get_memory() == result.get_memory()
    assert again.backend() is simulator
    assert simulator.run(bell, shots=50, memory=True, seed_simulator=3).result().get_memory() == (
        result.get_memory()
    )


def test_every_circuit_has_its_result(simulator: Any) -> None:
    circuits = []
    for n in range(5):
        circuit = QuantumCircuit(3, 3, name=f"number {n}")
        for qubit in range(3):
            if n >> qubit & 1:
                circuit.x(qubit)
        circuit.measure(range(3), range(3))
        circuit.metadata = {"n": n}
        circuits.append(circuit)
    job = simulator.run(circuits, shots=10)
    result = job.result()
    for n, circuit in enumerate(circuits):
        assert result.get_counts(n) == result.get_counts(circuit) == {f"{n:03b}": 10}
        assert result.results[n].header.metadata == {"n": n}
    assert [circuit.name for circuit in job.circuits()] == [c.name for c in circuits]


def test_steps_are_in_order_and_local(simulator: Any, bell: Any) -> None:
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    job = simulator.run(bell)
    job.wait_for_final_state()
    steps = job.time_per_step()
    times = list(steps.values())
    assert times == sorted(times)
    assert before < times[0] <= times[-1] < datetime.now(timezone.utc) + timedelta(seconds=1)
    assert abs(times[0] - job.creation_date()) < timedelta(seconds=1)


def test_what_the_service_adds_is_on_the_job(simulator: Any, bell: Any) -> None:
    job = simulator.run([bell, bell], shots=7)
    job.wait_for_final_state()
    summary = job.summary_data_
    assert summary["success"] is True
    assert summary["size"]["input"] > 100
    assert summary["summary"]["num_circuits"] == 2
    assert summary["summary"]["max_qubits_used"] == 2
    assert summary["summary"]["qobj_config"]["shots"] == 7
    assert job.hub_info_["project"]["name"] == "main"
    assert job._api_shots_ == 7
    assert datetime.fromisoformat(job.updated_date_.replace("Z", "+00:00"))


def test_a_client_is_known_by_its_name_and_version(simulator: Any, api: Api, bell: Any) -> None:
    job = simulator.run(bell)
    assert set(job.client_version) >= {"qiskit"}
    listed = next(j for j in simulator.jobs(limit=20) if j.job_id() == job.job_id())
    assert listed.client_version == job.client_version
    stranger = simulator.retrieve_job(api.create()["id"])
    assert stranger.client_version in ({}, None)
    stranger.cancel()


def test_a_job_in_the_making_tells_nothing_that_is_not_yet(simulator: Any, api: Api) -> None:
    job = simulator.retrieve_job(api.create(name="in the making")["id"])
    assert job.status() is JobStatus.INITIALIZING
    assert list(job.time_per_step()) == ["CREATING"]
    assert (job.queue_position(refresh=True), job.queue_info()) == (None, None)
    assert (job.running(), job.done(), job.in_final_state()) == (False, False, False)
    with pytest.raises(IBMQJobApiError, match="Error code: 3251"):
        job.circuits()
    assert job.cancel() is True
    assert job.status() is JobStatus.CANCELLED
    assert job.cancel() is True
    assert job.error_message() is None
    with pytest.raises(IBMQJobInvalidStateError):
        job.result()


def test_a_job_cannot_be_submitted_twice(simulator: Any, bell: Any) -> None:
    job = simulator.run(bell)
    with pytest.raises(NotImplementedError):
        job.submit()
    assert job.share_level() == "none"
    assert job.result().success


def test_tags_are_replaced_added_and_removed_in_this_order(simulator: Any, bell: Any) -> None:
    job = simulator.run(bell, job_tags=["a", "b"])
    assert sorted(job.update_tags(additional_tags=["c"], removal_tags=["a", "x"])) == ["b", "c"]
    assert job.update_tags(["d"], additional_tags=["e"], removal_tags=["e"]) == ["d"]
    again = simulator.retrieve_job(job.job_id())
    assert again.tags() == ["d"]
    for wrong in ({}, {"additional_tags": "text"}):
        with pytest.raises(IBMQJobInvalidStateError):
            job.update_tags(**wrong)
    with pytest.raises(IBMQJobInvalidStateError):
        job.update_name(5)
    with pytest.raises(IBMQJobApiError, match="Error code: 3200"):
        job.update_name("x" * 5_000)
    job.wait_for_final_state()


def test_a_good_experiment_beside_a_bad_one_is_a_partial_result(simulator: Any, bell: Any) -> None:
    bad = QuantumCircuit(2, 2, name="bad")
    bad.append(QuantumCircuit(1, name="no_such_gate").to_instruction(), [0])
    bad.measure([0, 1], [0, 1])
    job = simulator.run([bell, bad], shots=20)
    assert job.wait_for_final_state() is None
    assert job.status() is JobStatus.ERROR
    assert "The following experiments failed" in job.error_message()
    with pytest.raises(IBMQJobFailureError):
        job.result()
    result = job.result(partial=True)
    assert result.success is False
    assert sum(result.get_counts("bell").values()) == 20
    with pytest.raises(QiskitError, match="Invalid gate name"):
        result.get_counts("bad")


def faulty(fault: str, qobj: dict[str, Any]) -> dict[str, Any]:
    if fault == "shots":
        qobj["config"]["shots"] = 10**6
    elif fault == "no shots":
        qobj["config"]["shots"] = 0
    elif fault == "experiments":
        qobj["experiments"] *= 1000
    else:
        qobj["experiments"][0]["config"]["n_qubits"] = 60
    return qobj


@pytest.mark.parametrize(
    ("fault", "code"),
    [("shots", 1103), ("no shots", 6001), ("experiments", 1102), ("qubits", 1109)],
)
def test_a_refused_job_says_why_in_four_digits(device: Any, fault: str, code: int) -> None:
    job = run(device, faulty(fault, bell_qobj()))
    message = job.error_message()
    assert re.search(rf"[^.]\. Error code: {code}\.$", message)
    with pytest.raises(IBMQJobFailureError, match=str(code)):
        job.result()
    assert job.properties() is not None
    summary = job.summary_data_
    assert summary["success"] is False
    assert summary["summary"]["experiment_names"][:1] == ["bell"]
    assert list(job.time_per_step()) == [
        *("CREATING", "CREATED", "VALIDATING", "ERROR_VALIDATING_JOB")
    ]


def test_waiting_calls_back_with_the_queue(simulator: Any, bell: Any) -> None:
    heard: list[tuple[JobStatus, Any]] = []
    job = simulator.run(bell)

    def hear(job_id: str, status: JobStatus, told: Any, queue_info: Any = None) -> None:
        assert (job_id, told) == (job.job_id(), job)
        heard.append((status, queue_info))

    job.wait_for_final_state(timeout=60, wait=0.01, callback=hear)
    assert job.in_final_state()
    assert all(info is None for status, info in heard if status is not JobStatus.QUEUED)


def test_a_result_is_asked_for_again_only_if_wanted(simulator: Any, bell: Any) -> None:
    job = simulator.run(bell)
    result = job.result()
    assert job.result() is result
    assert job.result(refresh=True) is not result
    assert job.result().to_dict()["results"] == result.to_dict()["results"]


def test_a_running_job_is_cancelled(simulator: Any, api: Api) -> None:
    job = run(simulator, long_qobj())
    api.wait(job.job_id(), "RUNNING")
    assert job.running()
    assert job.scheduling_mode() == "fairshare"
    assert list(job.time_per_step())[-1] == "RUNNING"
    assert job.cancel() is True
    assert job.cancelled()
    assert list(job.time_per_step())[-2:] == ["RUNNING", "CANCELLED"]


def test_waiting_ends_when_its_time_is_up(simulator: Any) -> None:
    job = run(simulator, long_qobj())
    with pytest.raises(IBMQJobTimeoutError):
        job.wait_for_final_state(timeout=1)
    assert job.cancel() is True


def test_a_private_result_is_read_once(ada: IBMQFactory, bell: Any) -> None:
    provider = place(ada, "lab/physics/private")
    job = provider.get_backend("ibmq_qasm_simulator").run(bell, shots=30)
    result = job.result()
    assert sum(result.get_counts().values()) == 30
    assert job.result() is result
    with pytest.raises(IBMQJobApiError, match="Error code: 2801"):
        job.result(refresh=True)
    again = provider.backend.retrieve_job(job.job_id())
    assert again.status() is JobStatus.DONE
    with pytest.raises(IBMQJobApiError, match="Error code: 2801"):
        again.result()
    assert again.circuits()[0].name == "bell"


def test_the_properties_of_a_job_are_its_backends(device: Any, bell: Any) -> None:
    job = device.run(transpile(bell, device), shots=10)
    properties = job.properties()
    assert properties.backend_name == device.name()
    assert properties.last_update_date == device.properties().last_update_date
    assert job.result().success
