"""Branches of OpenQASM 3 as conditions on gates, which is all that a qobj can carry."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import ControlFlowOp, IfElseOp, Qubit


def without_branches(circuit: QuantumCircuit) -> QuantumCircuit:
    """Returns the circuit with each plain `if` written as conditions on the gates in it.

    Plain is an `if` without `else`, on a bit or a whole register, whose body holds gates only: no
    measurement in it can change the condition half-way. Other control flow stays as it is.
    """
    if not any(isinstance(item.operation, ControlFlowOp) for item in circuit.data):
        return circuit
    flat = circuit.copy_empty_like()
    for item in circuit.data:
        if not _is_plain(item.operation):
            flat.append(item)
            continue
        body = item.operation.blocks[0]
        outer: dict[Qubit, Qubit] = dict(zip(body.qubits, item.qubits, strict=True))
        for inner in body.data:
            operation = inner.operation.to_mutable()
            gate = operation.c_if(*item.operation.condition)
            flat.append(gate, [outer[qubit] for qubit in inner.qubits])
    return flat


def control_flow(circuit: QuantumCircuit) -> list[str]:
    """Returns the names of the control flow operations that are left in `circuit`."""
    operations = (item.operation for item in circuit.data)
    return sorted({item.name for item in operations if isinstance(item, ControlFlowOp)})


def _is_plain(operation: object) -> bool:
    return (
        isinstance(operation, IfElseOp)
        and isinstance(operation.condition, tuple)
        and len(operation.blocks) == 1
        and all(
            not item.clbits
            and item.operation.condition is None
            and not isinstance(item.operation, ControlFlowOp)
            for item in operation.blocks[0].data
        )
    )
