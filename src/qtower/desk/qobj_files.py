"""Qobj JSON files: a job as programs of the years 2018 to 2023 wrote it.

The fields are those of the qobj schema 1.x as `qiskit.qobj` reads it.
"""

from __future__ import annotations

import json
import uuid
from typing import Any, TypeAlias

from qiskit.providers.ibmq.utils.qobj_utils import dict_to_qobj
from qiskit.qobj import PulseQobj, QasmQobj

from qtower.errors import SubmissionError

from .qasm_text import MAX_REGISTER

Qobj: TypeAlias = "QasmQobj | PulseQobj"
KINDS = ("QASM", "PULSE")


def load_qobj(content: bytes) -> Qobj:
    """Returns the qobj that JSON `content` holds.

    Raises:
        SubmissionError: It is not JSON, or not a qobj; the line or the field is named.
    """
    document = _parse(content)
    check_qobj(document)
    document.setdefault("qobj_id", str(uuid.uuid4()))
    document.setdefault("header", {})
    try:
        return dict_to_qobj(document)
    except Exception as error:
        # The fields that a qobj class requires are its own business; its words name them.
        raise SubmissionError(
            f"It looks like a qobj, but Qiskit cannot read it: {type(error).__name__}: {error}."
        ) from error


def check_qobj(document: Any) -> None:
    """Raises SubmissionError unless `document` has the shape of a qobj, naming the field."""
    if not isinstance(document, dict):
        raise SubmissionError("The JSON is not a qobj: it is not an object.")
    kind = document.get("type")
    if kind not in KINDS:
        raise SubmissionError(
            f'The JSON is not a qobj: its field "type" is {_short(kind)}, not "QASM" or "PULSE".'
        )
    _require(isinstance(document.get("schema_version"), str), "schema_version", "a text")
    _require(isinstance(document.get("header", {}), dict), "header", "an object")
    config: Any = document.get("config")
    _require(isinstance(config, dict), "config", "an object")
    _check_config(config, kind)
    experiments: Any = document.get("experiments")
    filled = isinstance(experiments, list) and bool(experiments)
    _require(filled, "experiments", "a list of at least one")
    for index, experiment in enumerate(experiments):
        _check_experiment(experiment, f"experiments[{index}]", kind)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise SubmissionError(
            f"The JSON is broken at line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except UnicodeDecodeError:
        raise SubmissionError("The JSON is not UTF-8 text.") from None
    except ValueError:  # of int(), for a number of thousands of digits
        raise SubmissionError("The JSON holds a number that is too long to be read.") from None
    except RecursionError:
        raise SubmissionError("The JSON nests too deeply to be a qobj.") from None


def _check_config(config: dict[str, Any], kind: str) -> None:
    if "shots" in config:
        shots = config["shots"]
        _require(_is_count(shots) and shots > 0, "config.shots", "a whole number above 0")
    if "memory" in config:
        _require(isinstance(config["memory"], bool), "config.memory", "true or false")
    if kind == "PULSE":
        library: Any = config.get("pulse_library")
        _require(isinstance(library, list), "config.pulse_library", "a list of pulses")
        for index, pulse in enumerate(library):
            field = f"config.pulse_library[{index}]"
            _require(isinstance(pulse, dict), field, "an object")
            samples = pulse.get("samples")
            valid = isinstance(samples, list) and all(map(_is_complex, samples))
            _require(valid, f"{field}.samples", "a list of complex numbers, each as [re, im]")


def _check_experiment(experiment: Any, field: str, kind: str) -> None:
    _require(isinstance(experiment, dict), field, "an object")
    header = experiment.get("header", {})
    _require(isinstance(header, dict), f"{field}.header", "an object")
    config = experiment.get("config", {})
    _require(isinstance(config, dict), f"{field}.config", "an object")
    n_qubits = header.get("n_qubits", config.get("n_qubits"))
    if n_qubits is not None:
        _require(
            _is_count(n_qubits) and n_qubits <= MAX_REGISTER,
            f"{field}.header.n_qubits",
            f"a whole number up to {MAX_REGISTER:,}",
        )
    instructions = experiment.get("instructions")
    _require(isinstance(instructions, list), f"{field}.instructions", "a list")
    for index, instruction in enumerate(instructions):
        where = f"{field}.instructions[{index}]"
        _require(isinstance(instruction, dict), where, "an object")
        _require(isinstance(instruction.get("name"), str), f"{where}.name", "a text")
        if kind == "PULSE":
            _require(_is_count(instruction.get("t0")), f"{where}.t0", "a whole number")
            continue
        qubits = instruction.get("qubits", [])
        valid = isinstance(qubits, list) and all(map(_is_count, qubits))
        _require(valid, f"{where}.qubits", "a list of qubit numbers")
        if n_qubits is not None and any(qubit >= n_qubits for qubit in qubits):
            raise SubmissionError(
                f"{where}.qubits names qubit {max(qubits)}, but the experiment has {n_qubits}."
            )


def _require(condition: bool, field: str, expected: str) -> None:
    if not condition:
        raise SubmissionError(f"The JSON is not a qobj: its field {field} must be {expected}.")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_complex(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(part, (int, float)) for part in value)
    )


def _short(value: Any) -> str:
    return "missing" if value is None else json.dumps(value)[:40]
