"""Real jobs for tests: sent through the provider, and waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.providers.ibmq.managed.managedjob import ManagedJob

from qtower.desk.intents import Part, PartState
from qtower.desk.journal import Journal
from qtower.desk.registry import Registry
from qtower.desk.submission import SerialExecutor
from tests.desk.conftest import wait_for_end


def run(content: Any, backend: Any, **run_config: Any) -> ManagedJob:
    """Submits circuits or a qobj as one real managed job, and waits for its end."""
    managed_job = submit(content, backend, **run_config)
    wait_for_end([managed_job])
    return managed_job


def submit(content: Any, backend: Any, **run_config: Any) -> ManagedJob:
    """Submits circuits or a qobj as one real managed job, and waits until it has an id."""
    count = len(content) if isinstance(content, list) else len(content.experiments)
    managed_job = ManagedJob(0, count)
    executor = SerialExecutor("test submission")
    managed_job.submit(
        content,
        job_name="test",
        backend=backend,
        executor=executor,
        submit_lock=threading.Lock(),
        **run_config,
    )
    executor.close()
    managed_job.future.result(30)
    return managed_job


def open_parts(journal: Journal) -> list[Part]:
    """The parts of all sets of which no end is known."""
    ends = (PartState.OPEN, PartState.BEGUN)
    return [
        part
        for sending in journal.intents.unfinished()
        for part in journal.intents.parts(sending.intent.set_id)
        if part.state in ends
    ]


class AdoptingRegistry(Registry):
    """A registry whose submitted sets can still be looked at when they have ended."""

    def __init__(self, retrieve: Callable[[str], Any]) -> None:
        super().__init__(retrieve)
        self.adopted: dict[str, Any] = {}

    def adopt(self, managed_job_set: Any) -> None:
        self.adopted[managed_job_set.job_set_id()] = managed_job_set
        super().adopt(managed_job_set)


def two_registers(name: str = "two registers") -> QuantumCircuit:
    """A circuit that always gives "10 1": the second register first, as Qiskit writes them."""
    qubits = QuantumRegister(3, "q")
    first, second = ClassicalRegister(1, "first"), ClassicalRegister(2, "second")
    circuit = QuantumCircuit(qubits, first, second, name=name)
    circuit.x([0, 2])
    circuit.measure(qubits[0], first[0])
    circuit.measure(qubits[1], second[0])
    circuit.measure(qubits[2], second[1])
    return circuit
