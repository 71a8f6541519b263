"""Writes those samples that are too long to write by hand.

    python tools/samples.py [DIRECTORY]

The directory is the samples' own by default. The rest of the samples are texts of their own.
"""

from __future__ import annotations

import io
import json
import math
import random
import sys
from collections.abc import Iterator
from pathlib import Path

from qiskit import QuantumCircuit, assemble, qpy

DATA = Path(__file__).parents[1] / "src" / "qtower" / "desk" / "samples" / "data"
_MONITORED_QUBITS = 16
_MONITORED_LAYERS = 12


def generated() -> Iterator[tuple[str, bytes]]:
    """Yields the name and the content of each file."""
    yield "ansatz-sweep.qpy", _as_qpy(ansatz_sweep())
    yield "chsh.json", _as_qobj(chsh(), shots=4096, memory=True)
    yield "stabilizer-fails.json", _as_qobj(stabilizer_fails(), shots=1024, method="stabilizer")
    yield "monitored-long.qasm", monitored_circuit().encode()


def ansatz_sweep() -> list[QuantumCircuit]:
    """The one-parameter ansatz exp(-i t X0 Y1)|01> of the hydrogen molecule, for 13 angles t.

    P(01) = cos(t)^2 and P(10) = sin(t)^2. Source: P. J. J. O'Malley et al., "Scalable quantum
    simulation of molecular energies", Phys. Rev. X 6 (2016) 031007.
    """
    circuits = []
    for step in range(13):
        angle = step * math.pi / 12
        circuit = QuantumCircuit(2, 2, name=f"ansatz t={step}pi/12")
        circuit.x(0)
        # X0 Y1 is Z0 Z1 between the basis changes H on 0 and rx(pi/2) on 1.
        circuit.h(0)
        circuit.rx(math.pi / 2, 1)
        circuit.cx(0, 1)
        circuit.rz(2 * angle, 1)
        circuit.cx(0, 1)
        circuit.rx(-math.pi / 2, 1)
        circuit.h(0)
        circuit.measure([0, 1], [0, 1])
        circuit.metadata = {"t": round(angle, 12)}
        circuits.append(circuit)
    return circuits


def chsh() -> list[QuantumCircuit]:
    """The four settings of the CHSH inequality on a Bell pair, where |S| comes to 2 sqrt(2).

    Source: J. F. Clauser, M. A. Horne, A. Shimony, R. A. Holt, Phys. Rev. Lett. 23 (1969) 880.
    """
    settings = {"a b": (0, 1), "a b'": (0, 3), "a' b": (2, 1), "a' b'": (2, 3)}  # in pi/4
    circuits = []
    for name, (alice, bob) in settings.items():
        circuit = QuantumCircuit(2, 2, name=f"chsh {name}")
        circuit.h(0)
        circuit.cx(0, 1)
        circuit.ry(-alice * math.pi / 4, 0)
        circuit.ry(-bob * math.pi / 4, 1)
        circuit.measure([0, 1], [0, 1])
        circuits.append(circuit)
    return circuits


def stabilizer_fails() -> list[QuantumCircuit]:
    """Two circuits for the stabilizer method, of which the second has a T gate and must fail.

    Source: D. Gottesman, "The Heisenberg representation of quantum computers" (1998).
    """
    clifford = QuantumCircuit(2, 2, name="clifford runs")
    clifford.h(0)
    clifford.cx(0, 1)
    clifford.measure([0, 1], [0, 1])
    magic = QuantumCircuit(1, 1, name="t gate fails")
    magic.h(0)
    magic.t(0)
    magic.h(0)
    magic.measure(0, 0)
    return [clifford, magic]


def monitored_circuit() -> str:
    """A random circuit whose qubits are measured on the way, with feedback: every shot differs.

    Nothing of it can be shared between shots, so that it takes long: it is there to be cancelled.
    Source: B. Skinner, J. Ruhman, A. Nahum, "Measurement-induced phase transitions in the dynamics
    of entanglement", Phys. Rev. X 9 (2019) 031009.
    """
    choose = random.Random(2019)
    lines = [
        "// A monitored random circuit: measurements between its gates, each with a reaction, make",
        "// every shot a simulation of its own. It runs long, to be cancelled.",
        "// B. Skinner, J. Ruhman, A. Nahum, Phys. Rev. X 9 (2019) 031009.",
        "OPENQASM 2.0;",
        'include "qelib1.inc";',
        f"qreg q[{_MONITORED_QUBITS}];",
        "creg seen[1];",
        f"creg c[{_MONITORED_QUBITS}];",
    ]
    for layer in range(_MONITORED_LAYERS):
        for qubit in range(_MONITORED_QUBITS):
            angles = ", ".join(f"{choose.uniform(0, 2 * math.pi):.4f}" for _ in range(3))
            lines.append(f"u3({angles}) q[{qubit}];")
        for qubit in range(layer % 2, _MONITORED_QUBITS - 1, 2):
            lines.append(f"cx q[{qubit}], q[{qubit + 1}];")
        watched = choose.randrange(_MONITORED_QUBITS)
        lines.append(f"measure q[{watched}] -> seen[0];")
        lines.append(f"if (seen == 1) x q[{watched}];")
    lines.append("measure q -> c;")
    return "\n".join(lines) + "\n"


def _as_qpy(circuits: list[QuantumCircuit]) -> bytes:
    stream = io.BytesIO()
    qpy.dump(circuits, stream)
    return stream.getvalue()


def _as_qobj(circuits: list[QuantumCircuit], **config: object) -> bytes:
    qobj = assemble(circuits, qobj_id=f"qtower-sample-{circuits[0].name.split()[0]}", **config)
    return json.dumps(qobj.to_dict(), indent=1).encode() + b"\n"


def main(arguments: list[str]) -> None:
    """Writes the files into the directory that `arguments` name, or the samples' own."""
    directory = Path(arguments[0]) if arguments else DATA
    for name, content in generated():
        (directory / name).write_bytes(content)


if __name__ == "__main__":
    main(sys.argv[1:])
