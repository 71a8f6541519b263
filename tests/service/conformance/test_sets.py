"""IBMQJobManager, ManagedJobSet, ManagedJob and ManagedResults."""

from __future__ import annotations

from typing import Any

import pytest
from qiskit import QuantumCircuit, pulse
from qiskit.providers.ibmq.ibmqfactory import IBMQFactory
from qiskit.providers.ibmq.managed import IBMQJobManager
from qiskit.providers.ibmq.managed.exceptions import (
    IBMQJobManagerInvalidStateError,
    IBMQJobManagerJobNotFound,
    IBMQJobManagerUnknownJobSet,
    IBMQManagedResultDataNotAvailable,
)
from qiskit.providers.jobstatus import JobStatus
from qiskit_aer.library import SaveStatevector, SaveUnitary

from tests.service.conformance.conftest import place
from tests.service.raw import until

pytestmark = pytest.mark.filterwarnings("ignore")


def number(n: int) -> QuantumCircuit:
    """A circuit that always measures `n`."""
    circuit = QuantumCircuit(3, 3, name=f"number {n}")
    for qubit in range(3):
        if n >> qubit & 1:
            circuit.x(qubit)
    circuit.measure(range(3), range(3))
    return circuit


def endless() -> QuantumCircuit:
    """A circuit that runs for minutes."""
    circuit = QuantumCircuit(14, 14, name="endless")
    for _ in range(20):
        for qubit in range(14):
            circuit.h(qubit)
            circuit.t(qubit)
            circuit.reset(qubit)
    circuit.measure(range(14), range(14))
    return circuit


@pytest.fixture(scope="module")
def manager() -> IBMQJobManager:
    return IBMQJobManager()


@pytest.fixture(scope="module")
def numbers(manager: IBMQJobManager, simulator: Any) -> Any:
    """Seven circuits in three jobs, ended."""
    job_set = manager.run(
        [number(n) for n in range(7)],
        backend=simulator,
        name="numbers",
        max_experiments_per_job=3,
        job_tags=["sets"],
        shots=10,
        memory=True,
    )
    job_set.results()
    return job_set


def test_a_set_is_split_named_and_tagged(numbers: Any, simulator: Any) -> None:
    assert numbers.statuses() == [JobStatus.DONE] * 3
    assert [job.name() for job in numbers.jobs()] == [f"numbers_{n}_" for n in range(3)]
    assert all("sets" in job.tags() for job in numbers.jobs())
    assert [(m.start_index, m.end_index) for m in numbers.managed_jobs()] == [
        (0, 2),
        (3, 5),
        (6, 6),
    ]
    assert len(simulator.jobs(job_tags=["sets"], job_name="^numbers_")) == 3
    assert len(numbers.qobjs()) == 3
    assert [len(qobj.experiments) for qobj in numbers.qobjs()] == [3, 3, 1]


def test_results_are_found_by_index_name_and_circuit(numbers: Any) -> None:
    results = numbers.results()
    assert results.success
    for n in range(7):
        for experiment in (n, f"number {n}", number(n)):
            if experiment == n or n == 4:  # names are looked for in every qobj
                assert results.get_counts(experiment) == {f"{n:03b}": 10}
    assert results.get_memory(5) == ["101"] * 10
    assert results.data(6)["counts"] == {"0x6": 10}
    combined = results.combine_results()
    assert len(combined.results) == 7
    assert combined.get_counts(6) == {"110": 10}
    with pytest.raises(IBMQJobManagerJobNotFound):
        results.get_counts(7)
    with pytest.raises(IBMQJobManagerJobNotFound):
        results.get_counts("number 8")


def test_a_managed_job_is_a_job(numbers: Any) -> None:
    first = numbers.managed_jobs()[0]
    assert first.status() is JobStatus.DONE
    assert first.result().get_counts(1) == {"001": 10}
    assert first.error_message() is None
    assert len(first.qobj().experiments) == 3
    first.cancel()  # too late, and no error
    job, index = numbers.job(4)
    assert (job.job_id(), index) == (numbers.jobs()[1].job_id(), 1)


def test_reports_count_the_statuses(manager: IBMQJobManager, numbers: Any) -> None:
    for report in (numbers.report(), manager.report()):
        assert "Total jobs: 3" in report or "Successful jobs: 3" in report
    assert numbers.jobs()[0].job_id() in numbers.report()
    assert numbers.jobs()[0].job_id() not in numbers.report(detailed=False)
    assert manager.job_sets(name="numbers") == [numbers]
    assert manager.job_sets(name="other") == []


def test_a_set_is_retrieved_renamed_and_retagged(
    manager: IBMQJobManager, numbers: Any, provider: Any
) -> None:
    assert manager.retrieve_job_set(numbers.job_set_id(), provider) is numbers
    other = IBMQJobManager()
    again = other.retrieve_job_set(numbers.job_set_id(), provider)
    assert again.results().get_counts(5) == {"101": 10}
    assert again.update_name("renamed") == "renamed"
    assert sorted(again.update_tags(additional_tags=["more"])) == ["more", "sets"]
    refreshed = other.retrieve_job_set(numbers.job_set_id(), provider, refresh=True)
    assert (refreshed.name(), sorted(refreshed.tags())) == ("renamed", ["more", "sets"])
    assert [job.name() for job in refreshed.jobs()] == [f"renamed_{n}_" for n in range(3)]
    assert numbers.update_name("numbers") == "numbers"
    assert numbers.update_tags(replacement_tags=["sets"]) == ["sets"]
    with pytest.raises(IBMQJobManagerInvalidStateError):
        numbers.update_tags()
    with pytest.raises(IBMQJobManagerUnknownJobSet):
        other.retrieve_job_set("no-such-set", provider)


def test_a_set_that_was_cancelled(simulator: Any, provider: Any) -> None:
    job_set = IBMQJobManager().run(
        [endless() for _ in range(3)], backend=simulator, max_experiments_per_job=1, shots=100_000
    )
    until(lambda: all(job_set.statuses()))
    job_set.cancel()
    assert job_set.statuses() == [JobStatus.CANCELLED] * 3
    results = job_set.results()
    assert not results.success
    with pytest.raises(IBMQManagedResultDataNotAvailable):
        results.get_counts(0)
    with pytest.raises(IBMQManagedResultDataNotAvailable):
        results.combine_results()


def test_a_set_with_a_bad_circuit_gives_the_good_ones(simulator: Any) -> None:
    bad = QuantumCircuit(2, 2, name="bad")
    bad.append(QuantumCircuit(1, name="no_such_gate").to_instruction(), [0])
    bad.measure([0, 1], [0, 1])
    job_set = IBMQJobManager().run(
        [number(1), bad, number(2)], backend=simulator, max_experiments_per_job=2, shots=10
    )
    results = job_set.results(partial=True)
    assert not results.success
    assert results.get_counts(2) == {"010": 10}
    assert job_set.managed_jobs()[0].result(partial=True).get_counts(0) == {"001": 10}
    messages = job_set.error_messages()
    assert messages.startswith("Experiments 0-1, job index=0, job ID=")
    assert "Experiments 2-2" not in messages
    assert job_set.statuses() == [JobStatus.ERROR, JobStatus.DONE]


def test_states_and_unitaries_come_back(simulator: Any) -> None:
    circuit = QuantumCircuit(2, name="state")
    circuit.h(0)
    circuit.cx(0, 1)
    job_set = IBMQJobManager().run([circuit], backend=simulator, method="statevector", shots=1)
    assert job_set.results().success
    saved = circuit.copy()
    saved.append(SaveStatevector(2), range(2))
    states = IBMQJobManager().run([saved], backend=simulator, shots=1).results()
    assert abs(states.get_statevector(0)[3]) == pytest.approx(0.5**0.5)
    saved = circuit.copy()
    saved.append(SaveUnitary(2), range(2))
    unitaries = IBMQJobManager().run([saved], backend=simulator, method="unitary", shots=1)
    assert len(unitaries.results().get_unitary(0)) == 4


def test_a_manager_waits_at_the_limit(ada: IBMQFactory) -> None:
    backend = place(ada, "lab/physics/small").get_backend("ibmq_qasm_simulator")
    job_set = IBMQJobManager().run(
        [number(n) for n in range(5)], backend=backend, max_experiments_per_job=1, shots=5
    )
    results = job_set.results()
    assert job_set.statuses() == [JobStatus.DONE] * 5
    assert [results.get_counts(n) for n in range(5)] == [{f"{n:03b}": 5} for n in range(5)]


def test_a_set_takes_only_what_it_may(simulator: Any) -> None:
    with pytest.raises(IBMQJobManagerInvalidStateError):
        IBMQJobManager().run([pulse.Schedule(name="s")], backend=simulator)
    with pytest.raises(IBMQJobManagerInvalidStateError):
        IBMQJobManager().run([number(1)], backend=simulator, job_tags="text")
