"""The sample set: circuits known to the field, a job that fails and one to be cancelled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from qiskit.providers.ibmq import IBMQBackend

from qtower.desk.circuit_checks import fit_circuit
from qtower.desk.circuit_files import load
from qtower.desk.planning import Part, PreparedPlan, circuits_part, new_plan_id, qobj_part
from qtower.errors import SubmissionError
from qtower.model import Plan

SET_NAME = "samples"
_SIMULATOR = "ibmq_qasm_simulator"
_SHOTS = 1024


@dataclass(frozen=True)
class Sample:
    """A sample: its name, its file, and shots (of circuits; a qobj has its own)."""

    name: str
    file: str
    shots: int = _SHOTS


SAMPLES = (
    Sample("Bell", "bell.qasm"),
    Sample("GHZ-5", "ghz-5.qasm"),
    Sample("QFT-4", "qft-4.qasm"),
    Sample("Grover-3", "grover-3.qasm"),
    Sample("Bernstein-Vazirani", "bernstein-vazirani.qasm"),
    Sample("Deutsch-Jozsa", "deutsch-jozsa.qasm"),
    Sample("W state", "w-state.qasm"),
    Sample("Phase estimation", "phase-estimation.qasm"),
    Sample("Simon", "simon.qasm"),
    Sample("Superdense coding", "superdense-coding.qasm"),
    Sample("Teleportation", "teleportation.qasm"),
    Sample("Bit-flip code", "bit-flip-code.qasm"),
    Sample("CHSH", "chsh.json"),
    Sample("Ansatz sweep", "ansatz-sweep.qpy"),
    Sample("T gate (fails)", "stabilizer-fails.json"),
    Sample("Monitored (long)", "monitored-long.qasm", shots=100_000),
)
"""In the order in which they are sent: what takes long comes last."""


def choose_backend(backends: Iterable[IBMQBackend]) -> IBMQBackend:
    """Returns the simulator that the samples are made for, or else the first simulator.

    Raises:
        SubmissionError: There is no simulator.
    """
    simulators = [backend for backend in backends if backend.configuration().simulator]
    if not simulators:
        raise SubmissionError(
            "The account has no simulator, and the samples are made for one.",
            "Submit files of your own.",
        )
    named = (backend for backend in simulators if backend.name() == _SIMULATOR)
    return next(named, simulators[0])


def prepared(backend: IBMQBackend) -> PreparedPlan:
    """Returns the samples as a set for `backend`, a simulator: one job each, labelled by its name.

    Raises:
        SubmissionError: The backend is no simulator, or too small for a sample.
    """
    backend = choose_backend([backend])
    parts: list[Part] = []
    start = 0
    for sample in SAMPLES:
        part = _part(sample, start, backend)
        parts.append(part)
        start += part.experiments
    plan = Plan(
        backend=backend.name(),
        name=SET_NAME,
        experiments=start,
        jobs=len(parts),
        shots=None,
        plan_id=new_plan_id(),
    )
    return PreparedPlan(plan, parts)


def _part(sample: Sample, start: int, backend: IBMQBackend) -> Part:
    with resources.as_file(resources.files(__package__) / "data" / sample.file) as file:
        loaded = load(file)
    if loaded.qobj is not None:
        return qobj_part(loaded, start, label=sample.name)
    most = getattr(backend.configuration(), "max_shots", None) or sample.shots
    circuits = [fit_circuit(circuit, backend, translate=True) for circuit in loaded.circuits]
    return circuits_part(circuits, start, min(sample.shots, most), False, label=sample.name)
