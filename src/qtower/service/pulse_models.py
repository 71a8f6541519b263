"""The model of some qubits of a device: its published Hamiltonian, and how pulses move it.

qiskit-dynamics reads the Hamiltonian, leaves out what turns fast (the rotating wave approximation)
and solves the Schroedinger equation in the frame that turns with the qubits: there, nothing
happens while nothing is played. So only the pulses cost time, however long a schedule waits.
Times are nanoseconds, frequencies GHz, energies radians per nanosecond.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from qiskit_dynamics import DiscreteSignal, Solver
from qiskit_dynamics.backend import parse_backend_hamiltonian_dict
from scipy.optimize import linear_sum_assignment

from qtower.service.devices import Device
from qtower.service.instructions import BadInstruction
from qtower.service.pulse_programs import PulseReader, control_frequency
from qtower.service.pulse_shapes import Samples

_CUTOFF = 1.5  # of the highest carrier: above it are the terms that turn at the sum of two
_KEPT = 512  # propagators: pulses recur within an experiment, and in the others of its sweep

_DIGITS = 9
_FAINT = 1e-6  # an amplitude without a phase to speak of

_LEAST_TURN = 1e-3  # radians
_NO_PULSE = 8011  # IBM API: "Pulse experiments are not supported on this system."

# Steps end with samples; without the grain, rounding would add a step and shift them all.
_GRAIN = 1 + 1e-9

Matrix: TypeAlias = npt.NDArray[np.complex128]


class PulseModel:
    """Some qubits of a device, each with the levels that its Hamiltonian has.

    Args:
        device: It has a Hamiltonian and pulse defaults.
        qubits: In increasing order; the first one is the least significant digit of a state.
        strengths: By qubit, what the published strength of its drive is multiplied by.
    """

    def __init__(
        self, device: Device, qubits: tuple[int, ...], strengths: Mapping[int, float]
    ) -> None:
        assert device.defaults is not None
        self.qubits = qubits
        hamiltonian = _with_strengths(device.configuration["hamiltonian"], strengths)
        static, operators, channels, dimensions = parse_backend_hamiltonian_dict(
            hamiltonian, list(qubits)
        )
        self.levels = tuple(int(dimensions[qubit]) for qubit in qubits)
        self._dt: float = device.configuration["dt"]
        drives: list[float] = device.defaults["qubit_freq_est"]
        self._carriers = {name: _carrier(device, name, drives) for name in channels}
        self._solver = Solver(
            static_hamiltonian=static,
            hamiltonian_operators=operators,
            hamiltonian_channels=channels,
            channel_carrier_freqs=self._carriers,
            dt=self._dt,
            rotating_frame=static,
            rwa_cutoff_freq=_CUTOFF * max(self._carriers.values()),
        )
        self._energies, self._dressed = _dressed_states(static)
        # The most significant digit of a state is the last qubit's level.
        levels = np.indices(self.levels[::-1]).sum(axis=0)
        self._excitations: npt.NDArray[np.int64] = levels.ravel()
        self._known: OrderedDict[bytes, Matrix] = OrderedDict()

    @property
    def channels(self) -> frozenset[str]:
        return frozenset(self._carriers)

    def propagator(self, start: int, played: Mapping[str, Samples]) -> Matrix:
        """What is played from sample `start` on does this to a state of dressed levels.

        Args:
            start: In samples from the beginning of the schedule, for the phases of the carriers.
            played: By channel, samples of one length, already turned by their frames.
        """
        canonical, angle = self._canonical(start, played)
        key = _key(canonical)
        if key not in self._known:
            self._known[key] = self._solved(canonical)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        # Later by `start`, the frame has turned on; with all drives turned by an angle, states
        # are turned by it once for each excitation, whose number the Hamiltonian keeps.
        turns = np.exp(1j * (self._energies * start * self._dt - angle * self._excitations))
        propagator: Matrix = turns[:, None] * self._known[key] * turns.conj()[None, :]
        return propagator

    def _canonical(
        self, start: int, played: Mapping[str, Samples]
    ) -> tuple[dict[str, Samples], float]:
        """The same samples as if they were played first of all, and turned by minus the angle.

        So a pulse that comes again, at whatever time and phase, is solved only once.
        """
        turned = {
            name: samples * np.exp(2j * np.pi * self._carriers[name] * start * self._dt)
            for name, samples in sorted(played.items())
        }
        first = next(iter(turned.values()))
        angle = float(np.angle(first[np.argmax(np.abs(first) > _FAINT)]))
        back = np.exp(-1j * angle)
        # Rounded, or what differs in the last bit would be another pulse.
        return {name: (samples * back).round(_DIGITS) for name, samples in turned.items()}, angle

    def _solved(self, played: Mapping[str, Samples]) -> Matrix:
        duration = max(len(samples) for samples in played.values())
        silence = np.zeros(duration, dtype=complex)
        signals = [
            DiscreteSignal(
                dt=self._dt,
                samples=played.get(name, silence),
                carrier_freq=carrier,
            )
            for name, carrier in self._carriers.items()
        ]
        solution = self._solver.solve(
            t_span=[0.0, duration * self._dt],
            y0=np.eye(math.prod(self.levels), dtype=complex),
            signals=signals,
            method="scipy_expm",
            max_dt=self._dt * _GRAIN,
        )
        bare = np.asarray(solution.y[-1])
        propagator: Matrix = self._dressed.conj().T @ bare @ self._dressed
        return propagator


def calibrated_strength(device: Device, qubit: int) -> float:
    """Returns the factor for a qubit's drive with which the device's own X gate turns it by pi.

    The published strengths are some 15 % above what the published pulses were tuned to. The pulses
    are right: programs use them, and expect gates. 1.0 where there is no X gate.

    Raises:
        BadInstruction: The Hamiltonian does not say how strongly the qubit is driven.
    """
    assert device.defaults is not None
    gate = _x_gate(device, qubit)
    if gate is None:
        return 1.0
    plays = PulseReader(device, device.defaults["pulse_library"]).plays(gate)
    channel = f"d{qubit}"
    start, samples = plays[channel][0]

    def excited(strength: float) -> float:
        model = PulseModel(device, (qubit,), {qubit: strength})
        return float(abs(model.propagator(start, {channel: samples})[1, 0]) ** 2)

    turned = 2 * math.asin(min(1.0, math.sqrt(excited(1.0))))
    if turned < _LEAST_TURN:
        message = f"The Hamiltonian of {device.name} has no drive for qubit {qubit}"
        raise BadInstruction(message, _NO_PULSE)
    # Whether it fell short of pi or went beyond it, one number cannot tell.
    return max((math.pi / turned, math.pi / (2 * math.pi - turned)), key=excited)


def _x_gate(device: Device, qubit: int) -> list[dict[str, Any]] | None:
    assert device.defaults is not None
    for command in device.defaults["cmd_def"]:
        if command["name"] == "x" and command["qubits"] == [qubit]:
            sequence: list[dict[str, Any]] = command["sequence"]
            return sequence if len(sequence) == 1 else None
    return None


def _with_strengths(
    hamiltonian: Mapping[str, Any], strengths: Mapping[int, float]
) -> dict[str, Any]:
    scaled = copy.deepcopy(dict(hamiltonian))
    for qubit, strength in strengths.items():
        if f"omegad{qubit}" in scaled["vars"]:
            scaled["vars"][f"omegad{qubit}"] *= strength
    return scaled


def _carrier(device: Device, channel: str, drives: list[float]) -> float:
    index = int(channel[1:])
    return drives[index] if channel[0] == "d" else control_frequency(device, index, drives)


def _dressed_states(hamiltonian: Matrix) -> tuple[npt.NDArray[np.float64], Matrix]:
    """Energies, and eigenstates as columns, each in the place of its most similar bare state."""
    values, vectors = np.linalg.eigh(hamiltonian)
    places, columns = linear_sum_assignment(np.abs(vectors) ** 2, maximize=True)
    energies, dressed = np.empty_like(values), np.empty_like(vectors)
    energies[places] = values[columns]
    dressed[:, places] = vectors[:, columns]
    return energies, dressed


def _key(played: Mapping[str, Samples]) -> bytes:
    digest = hashlib.sha256()
    for name, samples in played.items():
        digest.update(name.encode())
        digest.update((samples + 0).tobytes())  # without minus zeros
    return digest.digest()
