"""QPY files: circuits as Qiskit itself stores them, read without trusting them."""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Operation
from qiskit.qpy import formats
from qiskit.qpy.binary_io import circuits as circuit_readers
from qiskit.qpy.binary_io import schedules as schedule_readers
from qiskit.qpy.binary_io import value as value_readers

from qtower.errors import SubmissionError

from .qasm_size import MAX_OPERATIONS
from .qasm_text import MAX_REGISTER

MAGIC = b"QISKIT"
_NAMESPACES = ("library", "circuit_mod", "extensions", "quantum_initializer", "controlflow")
"""Where Qiskit's reader looks for whatever a file names as an instruction, and calls it."""

_CONTROLS = 5  # the version of QPY from which on instructions say how many controls they have
_ENDLESS = 10**18  # operations; more than this is not told apart

_lock = threading.Lock()


def load_qpy(content: bytes) -> list[QuantumCircuit]:
    """Returns the circuits that QPY `content` holds, at least one.

    Raises:
        SubmissionError: It is damaged, from a newer Qiskit, or holds what cannot be submitted.
    """
    try:
        with _lock, _guarded():
            programs = qpy.load(io.BytesIO(content))
    except SubmissionError:
        raise
    except Exception as error:
        words = " ".join(str(getattr(error, "message", "") or error).split()).strip("'\"")
        raise SubmissionError(
            f"The QPY file is damaged or too new ({type(error).__name__}: {words})."
        ) from error
    if not programs:
        raise SubmissionError("The QPY file holds no circuits.")
    if not all(isinstance(program, QuantumCircuit) for program in programs):
        raise SubmissionError("The QPY file holds pulse schedules; only circuits are read.")
    _check_size(programs)
    return list(programs)


@contextmanager
def _guarded() -> Iterator[None]:
    """While it lasts, Qiskit's reader refuses what it would otherwise believe.

    Expressions are refused because reading them runs what the file says as Python (CVE-2025-2000);
    of parameters, of which a job needs every one bound: no file that could be submitted has any;
    and of pulses that are formulas. An instruction is looked up by the name that the file gives it:
    it is one, and nothing else that Qiskit has under that name and that may build for hours. Sizes
    are looked at because the reader allocates as much as they name.
    """
    guards: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (value_readers, "_read_parameter_expression", lambda _: _refuse_expression),
        (value_readers, "_read_parameter_expression_v3", lambda _: _refuse_expression),
        (value_readers, "_read_parameter_vec", _checked_vector),
        (schedule_readers, "_loads_symbolic_expr", lambda _: _refuse_formula),
        (circuit_readers, "_read_instruction", _checked_instruction),
        (circuit_readers, "_parse_custom_operation", _checked_definition),
        (circuit_readers, "_read_header", _checked),
        (circuit_readers, "_read_header_v2", _checked),
        *((circuit_readers, name, _Instructions) for name in _NAMESPACES),
    ]
    originals = [(module, name, getattr(module, name)) for module, name, _ in guards]
    try:
        for module, name, guard in guards:
            setattr(module, name, guard(getattr(module, name)))
        yield
    finally:
        for module, name, original in originals:
            setattr(module, name, original)


def _refuse_expression(*_: Any, **__: Any) -> NoReturn:
    raise SubmissionError(
        "The QPY file holds expressions of unbound parameters.",
        "Bind every parameter before you save it.",
    )


def _refuse_formula(formula: bytes, *_: Any, **__: Any) -> None:
    if formula:
        raise SubmissionError(
            "The QPY file holds pulses that are formulas, which reading would run as Python.",
            "Save them as samples (Waveform), or send a qobj.",
        )


class _Instructions:
    """What a module has of instructions."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if isinstance(found, type) and issubclass(found, Operation):
            return found
        raise AttributeError(f"{name} is no instruction")


def _checked_vector(read_vector: Callable[..., Any]) -> Callable[..., Any]:
    def read(file: io.BytesIO, *args: Any, **kwargs: Any) -> Any:
        _, size, *_ = _ahead(
            file, formats.PARAMETER_VECTOR_ELEMENT_PACK, formats.PARAMETER_VECTOR_ELEMENT_SIZE
        )
        _require_bits(size, "a vector of {:,} parameters")
        return read_vector(file, *args, **kwargs)

    return read


def _checked_instruction(read_instruction: Callable[..., Any]) -> Callable[..., Any]:
    def read(file: io.BytesIO, *args: Any) -> Any:
        version: int = args[3]  # after the circuit, its registers, and what the file defines
        if version >= _CONTROLS:
            *_, controls, _ = _ahead(
                file, formats.CIRCUIT_INSTRUCTION_V2_PACK, formats.CIRCUIT_INSTRUCTION_V2_SIZE
            )
            _require_bits(controls, "a gate with {:,} controls")
        return read_instruction(file, *args)

    return read


def _checked_definition(parse: Callable[..., Any]) -> Callable[..., Any]:
    def read(operations: dict[str, tuple[Any, ...]], name: str, *args: Any) -> Any:
        _, _, _, _, controls, *_ = (*operations[name], 0)
        _require_bits(controls, "a gate with {:,} controls")
        return parse(operations, name, *args)

    return read


def _checked(read_header: Callable[..., Any]) -> Callable[..., Any]:
    def read(*args: Any, **kwargs: Any) -> Any:
        header, name, metadata = read_header(*args, **kwargs)
        for bits in ("num_qubits", "num_clbits"):
            _require_bits(header[bits], "a circuit of {:,} bits")
        return header, name, metadata

    return read


def _ahead(file: io.BytesIO, pack: str, size: int) -> tuple[Any, ...]:
    """What is read next, which stays to be read."""
    place = file.tell()
    fields = struct.unpack(pack, file.read(size))
    file.seek(place)
    return fields


def _require_bits(number: int, what: str) -> None:
    if number > MAX_REGISTER:
        raise SubmissionError(f"The QPY file is damaged: {what.format(number)}.")


def _check_size(circuits: list[QuantumCircuit]) -> None:
    """Refuses circuits whose definitions, written out, are more operations than can be read."""
    known: dict[int, int] = {}  # by what defines it: many gates share one definition
    for circuit in circuits:
        operations = _written_out(circuit, known)
        if operations > MAX_OPERATIONS:
            raise SubmissionError(
                f"Written out, the gates of a circuit are more than {MAX_OPERATIONS:,} operations."
            )


def _written_out(circuit: QuantumCircuit, known: dict[int, int]) -> int:
    if (found := known.get(id(circuit))) is None:
        # Only what the file itself defines: Qiskit's own gates are small.
        inner = [getattr(item.operation, "_definition", None) for item in circuit.data]
        found = sum(1 if each is None else _written_out(each, known) for each in inner)
        found = known[id(circuit)] = min(found, _ENDLESS)
    return found
