"""Jobs for an engine, and all that it says about them."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from qiskit import QuantumCircuit, assemble

from qtower.service import payloads
from qtower.service.engines import Engine
from qtower.service.orders import Outcome
from qtower.service.payloads import Payloads

SIMULATOR = "ibmq_qasm_simulator"
PATIENCE = 30.0  # seconds: a machine may be slow, and no test depends on how slow


def bell() -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure([0, 1], [0, 1])
    return circuit


def endless() -> QuantumCircuit:
    """Runs for minutes: every shot of it is simulated by itself, because of the early reset."""
    circuit = QuantumCircuit(20, 1)
    for _ in range(40):
        for qubit in range(19):
            circuit.rx(0.3, qubit)
            circuit.cx(qubit, qubit + 1)
        circuit.measure(19, 0)
        circuit.reset(19)
    return circuit


def large() -> QuantumCircuit:
    """Takes 1 GB, all of which is written to."""
    circuit = QuantumCircuit(26, 26)
    circuit.h(range(26))
    circuit.t(range(26))
    circuit.h(range(26))
    circuit.measure(range(26), range(26))
    return circuit


def bad() -> QuantumCircuit:
    circuit = QuantumCircuit(1, 1)
    circuit.t(0)
    circuit.measure(0, 0)
    return circuit


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.02)


class Job:
    """A job given to an engine, and all that it said about it."""

    def __init__(self, job_id: str, result_file: Path) -> None:
        self.job_id = job_id
        self.result_file = result_file
        self.running = threading.Event()
        self.outcomes: queue.Queue[Outcome] = queue.Queue()

    def outcome(self) -> Outcome:
        outcome = self.outcomes.get(timeout=PATIENCE)
        assert self.result_file.exists() == outcome.has_result
        return outcome


class Desk:
    """An engine, and the payloads of the jobs that it is given."""

    def __init__(self, engine: Engine, store: Payloads) -> None:
        self.engine = engine
        self._store = store
        self._numbers = itertools.count(1)

    def start(self, circuit: QuantumCircuit, shots: int = 100, **options: object) -> Job:
        job_id = f"{next(self._numbers):024x}"
        qobj = assemble(circuit, shots=shots, **options).to_dict()
        payloads.write(self._store.qobj_file(job_id), json.dumps(qobj).encode())
        job = Job(job_id, self._store.result_file(job_id))
        self.engine.start(
            job_id,
            SIMULATOR,
            self._store.qobj_file(job_id),
            job.result_file,
            on_running=lambda at: job.running.set(),
            on_outcome=job.outcomes.put,
        )
        return job

    def start_endless(self) -> Job:
        job = self.start(endless(), shots=100_000)
        assert job.running.wait(PATIENCE)
        return job
