"""Circuit files: what a file holds, by its content first and by its name second."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm2, qasm3

from qtower import model
from qtower.errors import SubmissionError
from qtower.text import inert

from . import qasm_text
from .branches import without_branches
from .plain_files import read_plain_file
from .qobj_files import Qobj, load_qobj
from .qpy_files import MAGIC, load_qpy

# The OpenQASM 3 parser also writes its errors, and the file's own text, to stderr: not on a screen.
_listeners = import_module("antlr4.error.ErrorListener")
_listeners.ConsoleErrorListener.INSTANCE = _listeners.ErrorListener()


@dataclass(frozen=True)
class Loaded:
    """What a file holds: circuits, or one qobj."""

    path: Path
    format: str
    circuits: list[QuantumCircuit] = field(default_factory=list)
    qobj: Qobj | None = None

    @property
    def experiments(self) -> list[str]:
        """Names of the experiments, in order."""
        if self.qobj is None:
            return [circuit.name for circuit in self.circuits]
        return [experiment_name(experiment) for experiment in self.qobj.experiments]

    @property
    def qubits(self) -> int | None:
        """Qubits of the widest experiment, where that is known."""
        if self.qobj is None:
            return max(int(circuit.num_qubits) for circuit in self.circuits)
        known = [experiment_qubits(experiment) for experiment in self.qobj.experiments]
        return max((qubits for qubits in known if qubits is not None), default=None)

    @property
    def shots(self) -> int | None:
        """Shots that a qobj asks for."""
        return getattr(self.qobj.config, "shots", None) if self.qobj is not None else None


def read_files(paths: list[str]) -> list[model.FileReport]:
    """Returns a report for each path, in order; bad content is a `problem`, never an error."""
    return [_report(path) for path in paths]


def load(path: str | Path) -> Loaded:
    """Reads a circuit file.

    Raises:
        SubmissionError: It cannot be read as any of the formats; says why, and where in it.
    """
    try:
        file = Path(path).expanduser()
    except RuntimeError:  # "~name" of nobody
        raise SubmissionError("There is no such home directory.") from None
    content = read_plain_file(file)
    if content.startswith(MAGIC):
        return Loaded(file, "QPY", circuits=load_qpy(content))
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        qobj = load_qobj(content)
        return Loaded(file, f"{qobj.type} qobj", qobj=qobj)
    suffix = file.suffix.lower()
    if suffix == ".qpy":
        raise SubmissionError("It is named .qpy, but does not begin as a QPY file does.")
    if suffix == ".json":
        raise SubmissionError("It is named .json, but does not begin as a JSON object does.")
    return _load_qasm(file, content)


def experiment_name(experiment: Any) -> str:
    """Returns the name that a qobj experiment's header gives it, or ""."""
    return str(getattr(getattr(experiment, "header", None), "name", "") or "")


def experiment_qubits(experiment: Any) -> int | None:
    """Returns the number of qubits of a qobj experiment, as its header or configuration says."""
    for part in ("header", "config"):
        qubits = getattr(getattr(experiment, part, None), "n_qubits", None)
        if isinstance(qubits, int):
            return qubits
    return None


def _report(path: str) -> model.FileReport:
    try:
        loaded = load(path)
    except SubmissionError as error:
        return model.FileReport(path=path, problem=inert(str(error)))
    return model.FileReport(
        path=path,
        format=loaded.format,
        experiments=loaded.experiments,
        qubits=loaded.qubits,
        shots=loaded.shots,
    )


def _load_qasm(file: Path, content: bytes) -> Loaded:
    text = qasm_text.decode(content)
    version = qasm_text.version(text)
    if version is None:
        if file.suffix.lower() not in (".qasm", ".qasm2", ".qasm3", ".inc"):
            raise SubmissionError(
                "It is none of qobj JSON, OpenQASM 2, OpenQASM 3 and QPY: an OpenQASM program "
                'begins with its version, such as "OPENQASM 2.0;".'
            )
        version = 3 if file.suffix.lower() == ".qasm3" else 2
    if version not in (2, 3):
        raise SubmissionError(f"It is written in OpenQASM {version}; versions 2 and 3 are read.")
    program = qasm_text.with_includes(text, file.parent)
    circuit = _parse_qasm2(program) if version == 2 else _parse_qasm3(program)
    circuit.name = file.stem
    return Loaded(file, f"OpenQASM {version}", circuits=[circuit])


def _parse_qasm2(text: str) -> QuantumCircuit:
    try:
        return qasm2.loads(
            text,
            include_path=(),
            custom_instructions=qasm2.LEGACY_CUSTOM_INSTRUCTIONS,
            custom_classical=qasm2.LEGACY_CUSTOM_CLASSICAL,
        )
    except Exception as error:
        raise SubmissionError(f"OpenQASM 2: {_with_line(error)}") from error


def _parse_qasm3(text: str) -> QuantumCircuit:
    try:
        return without_branches(qasm3.loads(text))
    except RecursionError as error:
        raise SubmissionError("OpenQASM 3: an expression nests too deeply.") from error
    except Exception as error:
        raise SubmissionError(f"OpenQASM 3: {_syntax_error(error) or _with_line(error)}") from error


def _syntax_error(error: Exception) -> str:
    """Where the OpenQASM 3 grammar gave up: its error is empty, and caused by one that knows."""
    cause = error.__cause__
    reason = cause.args[0] if cause is not None and cause.args else None
    token = getattr(reason, "offendingToken", None)
    if token is None:
        return ""
    return f'line {token.line}, column {token.column + 1}: did not expect "{token.text}" here.'


_POSITION = re.compile(r"^(?:<input>:|L)?(\d+)(?:,\s?|:C)(\d+):\s*")


def _with_line(error: BaseException) -> str:
    """The parser's words as one sentence that begins with the line, where it names one."""
    words = _words(error)
    match = _POSITION.match(words)
    if match:
        words = f"line {match[1]}, column {match[2]}: {words[match.end() :]}"
    return words if words.endswith(".") else words + "."


def _words(error: BaseException) -> str:
    words = " ".join(str(getattr(error, "message", "") or error).split())
    # str() of a QiskitError is its message in quotation marks; quotes within it come in pairs.
    if len(words) > 1 and words[0] == words[-1] and words[0] in "'\"":
        words = words[1:-1]
    return words or type(error).__name__
