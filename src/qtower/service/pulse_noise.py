"""What happens to a pulsed device's qubits that no pulse asked for: relaxation, misread outcomes.

A qubit's level n falls to n - 1 at the rate n / T1; what T1 does not explain of T2 dephases it.
Level pairs relax independently of each other, which holds where their frequencies differ by more
than the rates, as those of transmons do. Source: Krantz et al., "A Quantum Engineer's Guide to
Superconducting Qubits" (2019), section III.B, for the rates.
"""

from __future__ import annotations

import copy
import functools
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from qiskit.providers.exceptions import BackendPropertyError
from qiskit.providers.models import BackendProperties
from scipy.linalg import expm

from qtower.service.devices import Device

_NANOSECONDS = 1e9

Matrix: TypeAlias = npt.NDArray[np.complex128]
Rates: TypeAlias = npt.NDArray[np.float64]


class PulseNoise:
    """The noise of one device, as its properties give it."""

    def __init__(self, device: Device) -> None:
        assert device.properties is not None
        self._properties = BackendProperties.from_dict(copy.deepcopy(device.properties))

    def relaxed(self, state: Matrix, qubits: tuple[int, ...], duration: float) -> Matrix:
        """Returns a density matrix of dressed levels after `duration` nanoseconds.

        Args:
            state: Of shape (levels, levels, ...), first the rows of the qubits, the last qubit
                first as in a bitstring, then their columns.
            qubits: In increasing order.
            duration: Not negative.
        """
        for place, qubit in enumerate(reversed(qubits)):
            state = self._relaxed_one(state, place, len(qubits), qubit, duration)
        return state

    def misread(self, qubit: int) -> tuple[float, float]:
        """Returns the probabilities of reading 1 for 0, and 0 for 1."""
        try:
            return (
                float(self._properties.qubit_property(qubit, "prob_meas1_prep0")[0]),
                float(self._properties.qubit_property(qubit, "prob_meas0_prep1")[0]),
            )
        except BackendPropertyError:
            return self._readout_error(qubit), self._readout_error(qubit)

    def _readout_error(self, qubit: int) -> float:
        try:
            return float(self._properties.readout_error(qubit))
        except BackendPropertyError:
            return 0.0

    def _relaxed_one(
        self, state: Matrix, place: int, width: int, qubit: int, duration: float
    ) -> Matrix:
        levels = state.shape[place]
        falls, dephases = self._rates(qubit)
        pairs = np.moveaxis(state, (place, width + place), (0, 1)).copy()
        n = np.arange(levels)
        # Coherences fade by half the sum of what empties their two levels, and by dephasing.
        fading = falls * (n[:, None] + n[None, :]) / 2 + dephases * (n[:, None] - n[None, :]) ** 2
        kept = np.exp(-duration * fading)
        populations = np.einsum("nn...->n...", pairs)
        fallen = np.einsum("mn,n...->m...", _falling(levels, falls, duration), populations)
        pairs *= kept.reshape(kept.shape + (1,) * (pairs.ndim - 2))
        pairs[n, n] = fallen
        return np.moveaxis(pairs, (0, 1), (place, width + place))

    def _rates(self, qubit: int) -> tuple[float, float]:
        """1 / T1, and the rate of dephasing, per nanosecond; 0 where a time is not known."""
        t1 = self._time(qubit, "T1")
        t2 = self._time(qubit, "T2")
        falls = 1 / t1 if t1 else 0.0
        # T2 cannot be above 2 T1, though a measured one sometimes is.
        dephases = max(0.0, 1 / t2 - falls / 2) if t2 else 0.0
        return falls, dephases

    def _time(self, qubit: int, name: str) -> float:
        try:
            return float(self._properties.qubit_property(qubit, name)[0]) * _NANOSECONDS
        except BackendPropertyError:
            return 0.0


@functools.lru_cache(maxsize=1024)
def _falling(levels: int, rate: float, duration: float) -> Rates:
    """How populations go over into each other while each level falls to the one below it."""
    n = np.arange(levels)
    generator = np.diag(-rate * n) + np.diag(rate * n[1:], k=1)
    fallen: Rates = expm(duration * generator)
    return fallen
