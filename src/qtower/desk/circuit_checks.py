"""Circuits and qobjs against a backend's configuration, before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.providers.ibmq import IBMQBackend
from qiskit.providers.ibmq.exceptions import IBMQError

from qtower.errors import SubmissionError

from .branches import control_flow
from .circuit_files import experiment_name, experiment_qubits
from .faults import words
from .qobj_files import Qobj

# Instructions that every backend takes and no configuration lists.
_ALWAYS = frozenset({"measure", "barrier", "reset", "delay", "bfunc"})
# Gates of older programs: no configuration lists them any more, and devices still took them.
_LEGACY = frozenset({"u1", "u2", "u3"})
_OBSERVING = ("measure", "save_", "snapshot")
_SETTING = ("set_",)
# What Aer takes beyond the gates of Qiskit's library.
_STANDARD = frozenset(get_standard_gate_name_mapping())
_SIMULATED = frozenset(
    (
        *("u0", "initialize", "unitary", "diagonal", "multiplexer", "pauli", "nop", "jump", "mark"),
        *("kraus", "superop", "roerror", "quantum_channel", "qerror_loc", "mcx", "mcx_gray", "mcy"),
        *("mcz", "mcsx", "mcswap", "mcu", "mcu1", "mcu2", "mcu3", "mcp", "mcphase", "mcr", "mcrx"),
        *("mcry", "mcrz"),
    )
)
# Drive, measurement and acquisition channels belong to a qubit; control channels to pairs.
_QUBIT_CHANNEL = re.compile(r"[dma]([0-9]{1,9})")


def fit_circuit(circuit: QuantumCircuit, backend: IBMQBackend, translate: bool) -> QuantumCircuit:
    """Returns the circuit as it would be sent: transpiled for `backend` if `translate`.

    Raises:
        SubmissionError: It cannot run there; the sentence names the circuit.
        IBMQError: The backend's properties could not be read.
    """
    _check_shape(circuit, backend.configuration())
    fitted = _transpiled(circuit, backend) if translate else circuit
    _check_instructions(fitted, backend.configuration(), translate)
    return fitted


def check_qobj_fits(qobj: Qobj, configuration: Any) -> None:
    """Checks a qobj, which is sent as it is, against the limits of a backend.

    Raises:
        SubmissionError: It cannot run there; the sentence names the field.
    """
    backend = configuration.backend_name
    if qobj.type == "PULSE" and not getattr(configuration, "open_pulse", False):
        raise SubmissionError(f"{backend} takes no pulse schedules: choose a backend that does.")
    limit = getattr(configuration, "max_experiments", None)
    if limit and len(qobj.experiments) > limit:
        raise SubmissionError(
            f"The qobj has {len(qobj.experiments)} experiments and {backend} takes {limit} in a "
            "job: split the file."
        )
    shots, most = getattr(qobj.config, "shots", None), getattr(configuration, "max_shots", None)
    if shots and most and shots > most:
        raise SubmissionError(f"config.shots is {shots} and {backend} takes at most {most}.")
    if getattr(qobj.config, "memory", False) and not configuration.memory:
        raise SubmissionError(f"config.memory is true, but {backend} keeps no memory.")
    for index, experiment in enumerate(qobj.experiments):
        _check_experiment(experiment, index, qobj.type, configuration)


def _check_experiment(experiment: Any, index: int, kind: str, configuration: Any) -> None:
    where = f'Experiment {index} ("{experiment_name(experiment)}")'
    qubits = max(experiment_qubits(experiment) or 0, _qubits_used(experiment))
    if qubits > configuration.n_qubits:
        raise SubmissionError(
            f"{where} has {qubits} qubits and {configuration.backend_name} has "
            f"{configuration.n_qubits}."
        )
    if kind == "QASM":
        names = {instruction.name for instruction in experiment.instructions}
        if configuration.simulator:  # it runs more than its configuration lists
            names = {
                name
                for name in names - _STANDARD - _SIMULATED
                if not name.startswith(_OBSERVING + _SETTING)
            }
        if unknown := sorted(names - _known_instructions(configuration) - _LEGACY):
            raise SubmissionError(
                f"{where} uses {', '.join(unknown)}, which {configuration.backend_name} does not "
                "know: a qobj must be written in the backend's basis gates."
            )


def _qubits_used(experiment: Any) -> int:
    """One more than the highest qubit that an instruction names, itself or by its channel."""
    highest = -1
    for instruction in experiment.instructions:
        highest = max([highest, *(getattr(instruction, "qubits", None) or ())])
        if channel := _QUBIT_CHANNEL.fullmatch(str(getattr(instruction, "ch", ""))):
            highest = max(highest, int(channel[1]))
    return highest + 1


def _check_shape(circuit: QuantumCircuit, configuration: Any) -> None:
    where = f'Circuit "{circuit.name}"'
    if circuit.num_qubits == 0 or not circuit.data:
        raise SubmissionError(f"{where} is empty.")
    if circuit.num_qubits > configuration.n_qubits:
        raise SubmissionError(
            f"{where} has {circuit.num_qubits} qubits and {configuration.backend_name} has "
            f"{configuration.n_qubits}: choose a larger backend."
        )
    if circuit.parameters:
        names = ", ".join(parameter.name for parameter in list(circuit.parameters)[:5])
        raise SubmissionError(f"{where} has unbound parameters ({names}): bind them to numbers.")
    if flow := control_flow(circuit):
        raise SubmissionError(
            f"{where} uses {', '.join(flow)}: a qobj carries only conditions on gates, "
            "which are made of an if without else."
        )
    operations = {item.operation.name for item in circuit.data}
    if not any(name.startswith(_OBSERVING) for name in operations):
        raise SubmissionError(f"{where} measures nothing: add a measurement.")


def _transpiled(circuit: QuantumCircuit, backend: IBMQBackend) -> QuantumCircuit:
    try:
        return transpile(circuit, backend=backend)
    except IBMQError:
        raise
    except (QiskitError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise SubmissionError(
            f'Circuit "{circuit.name}" cannot be transpiled for {backend.name()}: {words(error)}'
        ) from error


def _check_instructions(circuit: QuantumCircuit, configuration: Any, translated: bool) -> None:
    where = f'Circuit "{circuit.name}"'
    calibrated = set(circuit.calibrations)
    names = {item.operation.name for item in circuit.data}
    unknown = sorted(
        name
        for name in names - _known_instructions(configuration) - calibrated
        if not (configuration.simulator and name.startswith(_OBSERVING))
    )
    if unknown:
        advice = "it has no equivalent there" if translated else "turn transpile on"
        raise SubmissionError(
            f"{where} uses {', '.join(unknown)}, which {configuration.backend_name} does not "
            f"know: {advice}."
        )
    if not getattr(configuration, "conditional", False) and any(
        getattr(item.operation, "condition", None) is not None for item in circuit.data
    ):
        raise SubmissionError(
            f"{where} has gates conditioned on results, which {configuration.backend_name} "
            "does not support: choose a simulator."
        )
    for first, second, name in _uncoupled(circuit, configuration):
        raise SubmissionError(
            f"{where} has {name} on qubits {first} and {second}, which are not coupled on "
            f"{configuration.backend_name}: turn transpile on."
        )


def _known_instructions(configuration: Any) -> frozenset[str]:
    lists = ("basis_gates", "custom_instructions", "supported_instructions")
    return _ALWAYS.union(*(getattr(configuration, name, None) or () for name in lists))


def _uncoupled(circuit: QuantumCircuit, configuration: Any) -> Iterator[tuple[int, int, str]]:
    if not configuration.coupling_map:
        return
    edges = {tuple(edge) for edge in configuration.coupling_map}
    place = {qubit: index for index, qubit in enumerate(circuit.qubits)}
    for item in circuit.data:
        if item.operation.name != "barrier" and len(item.qubits) == 2:
            pair = (place[item.qubits[0]], place[item.qubits[1]])
            if pair not in edges:
                yield (*pair, item.operation.name)
