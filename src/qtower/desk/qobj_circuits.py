"""A QASM experiment of a qobj as a circuit to be drawn.

Qiskit's own `disassemble` calls whatever method of QuantumCircuit an instruction is named after, so
that a foreign qobj may write files with it. Here names are looked up in the table of standard gates
and all others become boxes.
"""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister
from qiskit.circuit import Barrier, Clbit, Instruction, Measure, Reset
from qiskit.circuit.library.standard_gates import get_standard_gate_name_mapping

from qtower.text import inert

MAX_BITS = 1000


class UndrawableError(Exception):
    """The experiment is no circuit that a drawing could show; the text says why."""


def circuit_of(experiment: dict[str, Any], limit: int) -> QuantumCircuit:
    """Returns the first `limit` instructions of an experiment as a circuit.

    Raises:
        UndrawableError: Its registers or instructions make no sense, or are too many bits.
    """
    header = experiment.get("header") or {}
    instructions = experiment.get("instructions") or []
    circuit = QuantumCircuit(
        *_registers(QuantumRegister, header.get("qreg_sizes"), _width(instructions, "qubits"), "q"),
        *_registers(
            ClassicalRegister, header.get("creg_sizes"), _width(instructions, "memory"), "c"
        ),
    )
    condition: tuple[ClassicalRegister | Clbit, int] | None = None
    for item in instructions[:limit]:
        if item.get("name") == "bfunc":
            condition = _condition(item, circuit)
            continue
        qubits = [circuit.qubits[place] for place in item.get("qubits") or []]
        clbits = [circuit.clbits[place] for place in item.get("memory") or []]
        operation = _operation(item, len(qubits), len(clbits))
        if condition is not None and "conditional" in item:
            operation = operation.c_if(*condition)
        circuit.append(operation, qubits, clbits)
    return circuit


def _registers(kind: Any, sizes: Any, width: int, name: str) -> list[Any]:
    """The registers that the header names, if they hold all bits that are used, else one."""
    if isinstance(sizes, list) and all(_is_register(size) for size in sizes):
        total = sum(size for _, size in sizes)
        names = {register for register, _ in sizes}
        if width <= total and len(names) == len(sizes):
            if total > MAX_BITS:
                raise UndrawableError(f"{total} bits are too many to draw.")
            return [kind(size, inert(register, 20)) for register, size in sizes if size]
    if width > MAX_BITS:
        raise UndrawableError(f"{width} bits are too many to draw.")
    return [kind(width, name)] if width else []


def _is_register(size: Any) -> bool:
    return (
        isinstance(size, list)
        and len(size) == 2
        and isinstance(size[0], str)
        and isinstance(size[1], int)
        and size[1] >= 0
    )


def _width(instructions: list[dict[str, Any]], bits: str) -> int:
    return max((place + 1 for item in instructions for place in item.get(bits) or []), default=0)


def _operation(item: dict[str, Any], qubits: int, clbits: int) -> Instruction:
    name, params = str(item.get("name")), item.get("params") or []
    if name == "measure" and qubits == clbits == 1:
        return Measure()
    if name == "barrier":
        return Barrier(qubits)
    if name == "reset" and qubits == 1:
        return Reset()
    numbers = [value for value in params if isinstance(value, (int, float))]
    gate = _standard_gates().get(name)
    if (
        gate is not None
        and gate.num_qubits == qubits
        and len(gate.params) == len(numbers)
        and not clbits
        and name != "delay"
    ):
        made = copy.deepcopy(gate).to_mutable()
        if numbers:
            made.params = numbers
        return made
    return Instruction(inert(name, 30) or "?", qubits, clbits, numbers[:4])


@cache
def _standard_gates() -> dict[str, Any]:
    return dict(get_standard_gate_name_mapping())


def _condition(
    item: dict[str, Any], circuit: QuantumCircuit
) -> tuple[ClassicalRegister | Clbit, int] | None:
    """What a bfunc asks of: `mask` has a one for each bit looked at, `val` what they must be."""
    mask, value = int(str(item.get("mask")), 16), int(str(item.get("val")), 16)
    start = 0
    for register in circuit.cregs:
        if mask == ((1 << register.size) - 1) << start:
            return register, value >> start
        start += register.size
    place = mask.bit_length() - 1
    if mask.bit_count() == 1 and place < len(circuit.clbits):
        return circuit.clbits[place], value >> place
    return None
