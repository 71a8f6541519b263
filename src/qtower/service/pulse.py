"""Pulse qobjs, simulated: schedules in, counts or points in the IQ plane out.

Only the qubits that a schedule drives are in the model, up to `MOST_QUBITS` of them; the others
stay in their ground state. Imported by the first pulse job of a worker: qiskit-dynamics (extra
`pulse`) costs more than a second and tens of megabytes.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from qtower.service.devices import Device
from qtower.service.instructions import BadInstruction
from qtower.service.pulse_models import PulseModel, calibrated_strength
from qtower.service.pulse_noise import PulseNoise
from qtower.service.pulse_programs import PulseProgram, PulseReader
from qtower.service.pulse_readout import Levels, Measurement, counted, sample_levels, scattered
from qtower.service.pulse_shapes import Samples

MOST_QUBITS = 3
"""A schedule may drive as many qubits: 27 levels, about 1 ms a sample."""

_MOST_DRIVEN = 65_536  # samples of an experiment with something played: a minute at most
_TOO_MANY_QUBITS = 1109
_TOO_LONG = 8031  # IBM API: "Submitted job is too long."

_MODELS_KEPT = 8
_SPAN = 1024  # samples: relaxation is worked in after each, 0.2 us, far below any T1

# "omegad1*X0||U0": control channel 0 drives qubit 0.
_DRIVEN = re.compile(r"X(\d+)\|\|U(\d+)\Z")

_GROUND_LEVELS = 3  # of a qubit outside the model

Json: TypeAlias = dict[str, Any]
State: TypeAlias = npt.NDArray[np.complex128]


class PulseSimulation:
    """One device's qubits under pulses; keeps the models that it has built.

    Args:
        device: It takes pulses: it has a Hamiltonian and pulse defaults.
        noise: Whether qubits relax and are misread.
    """

    def __init__(self, device: Device, *, noise: bool) -> None:
        self._device = device
        self._dt: float = device.configuration["dt"]
        self._noise = PulseNoise(device) if noise else None
        self._operated = _operated_qubits(device)
        self._strengths: dict[int, float] = {}
        self._models: OrderedDict[tuple[int, ...], PulseModel] = OrderedDict()

    def results(self, qobj: Json) -> list[Json]:
        """Returns one result an experiment, as the API has it, without the header.

        Raises:
            BadInstruction: An experiment cannot be run on this device, or not be simulated.
        """
        config: Json = qobj["config"]
        measurement = Measurement(
            level=1 if config.get("meas_level") == 1 else 2,
            average=config.get("meas_return") != "single",
            shots=int(config.get("shots") or 1024),
            memory=bool(config.get("memory")),
        )
        reader = PulseReader(
            self._device, config.get("pulse_library") or [], config.get("qubit_lo_freq")
        )
        experiments: list[Json] = qobj["experiments"]
        # All are read before any is run: what is wrong with the last one is said at once. They are
        # not kept, because their samples may take a thousand times the memory of their JSON.
        for experiment in experiments:
            self._touched(reader.read(experiment))
        seed = config.get("seed_simulator")
        results = []
        for index, experiment in enumerate(experiments):
            random = np.random.default_rng(None if seed is None else [abs(int(seed)), index])
            width = self._memory_slots(experiment)
            result = self._result(reader.read(experiment), width, measurement, random)
            results.append(result if seed is None else {**result, "seed": seed})
        return results

    def _result(
        self,
        program: PulseProgram,
        width: int,
        measurement: Measurement,
        random: np.random.Generator,
    ) -> Json:
        began = time.perf_counter()
        qubits = self._touched(program)
        populations = self._populations(program, qubits)
        drawn = sample_levels(populations, measurement.shots, random)
        ground: Levels = np.zeros(measurement.shots, dtype=np.int64)
        levels = dict.fromkeys(program.slots, ground)
        level_counts = dict.fromkeys(program.slots, _GROUND_LEVELS)
        for place, qubit in enumerate(qubits):
            levels[qubit] = drawn[:, place]
            level_counts[qubit] = populations.shape[-1 - place]
        misread = {
            qubit: self._noise.misread(qubit) if self._noise else (0.0, 0.0)
            for qubit in program.slots
        }
        result: Json = {
            "shots": measurement.shots,
            "success": True,
            "status": "DONE",
            "meas_level": measurement.level,
        }
        if measurement.level == 1:
            result["meas_return"] = "avg" if measurement.average else "single"
            result["data"] = scattered(
                levels, program.slots, level_counts, misread, width, measurement, random
            )
        else:
            result["data"] = counted(levels, program.slots, misread, measurement, random)
        return {**result, "time_taken": time.perf_counter() - began}

    def _touched(self, program: PulseProgram) -> tuple[int, ...]:
        """The qubits that a program drives before it measures.

        Raises:
            BadInstruction: There are too many, or they are driven for too long.
        """
        qubits: set[int] = set()
        driven = 0
        for channel, plays in program.plays.items():
            if plays[0][0] < program.measured_at:
                qubits |= self._operated[channel]
            driven += sum(len(samples) for _, samples in plays)
        if len(qubits) > MOST_QUBITS:
            message = (
                f"The schedule drives {len(qubits)} qubits; "
                f"this service simulates pulses on up to {MOST_QUBITS}"
            )
            raise BadInstruction(message, _TOO_MANY_QUBITS)
        if driven > _MOST_DRIVEN:
            message = (
                f"The schedule plays {driven} samples; this service simulates up to {_MOST_DRIVEN}"
            )
            raise BadInstruction(message, _TOO_LONG)
        return tuple(sorted(qubits))

    def _populations(
        self, program: PulseProgram, qubits: tuple[int, ...]
    ) -> npt.NDArray[np.float64]:
        """Of all states when the qubits are measured, of shape (levels, ...), last qubit first."""
        if not qubits:
            return np.ones(1)
        model = self._model(qubits)
        shape = model.levels[::-1]
        size = math.prod(shape)
        state: State = np.zeros((size, size), dtype=complex)
        state[0, 0] = 1
        now = 0
        for start, stop in _spans(program, model.channels):
            propagator = model.propagator(start, _played(program, model.channels, start, stop))
            # Relaxation before what is played, and, to be even, half of it after.
            state = self._relaxed(state, shape, qubits, start - now + (stop - start) / 2)
            state = propagator @ state @ propagator.conj().T
            state = self._relaxed(state, shape, qubits, (stop - start) / 2)
            now = stop
        state = self._relaxed(state, shape, qubits, program.measured_at - now)
        return np.diagonal(state).real.reshape(shape)

    def _relaxed(
        self, state: State, shape: tuple[int, ...], qubits: tuple[int, ...], samples: float
    ) -> State:
        if self._noise is None or samples <= 0:
            return state
        tensor = state.reshape(shape + shape)
        return self._noise.relaxed(tensor, qubits, samples * self._dt).reshape(state.shape)

    def _memory_slots(self, experiment: Json) -> int:
        """How many memory slots a point is given for, as far as the header is to be believed."""
        width = (experiment.get("header") or {}).get("memory_slots")
        most: int = self._device.configuration["n_qubits"]
        return min(width, most) if isinstance(width, int) else 1

    def _model(self, qubits: tuple[int, ...]) -> PulseModel:
        if qubits not in self._models:
            for qubit in qubits:
                if qubit not in self._strengths:
                    self._strengths[qubit] = calibrated_strength(self._device, qubit)
            strengths = {qubit: self._strengths[qubit] for qubit in qubits}
            self._models[qubits] = PulseModel(self._device, qubits, strengths)
            if len(self._models) > _MODELS_KEPT:
                self._models.popitem(last=False)
        self._models.move_to_end(qubits)
        return self._models[qubits]


def _operated_qubits(device: Device) -> dict[str, set[int]]:
    """By channel: a drive channel's qubit; a control channel's, and the one it is tuned to."""
    configuration = device.configuration
    operated = {f"d{qubit}": {qubit} for qubit in range(configuration["n_qubits"])}
    for index, oscillators in enumerate(configuration.get("u_channel_lo") or []):
        operated[f"u{index}"] = {part["q"] for part in oscillators}
    for term in configuration["hamiltonian"]["h_str"]:
        if match := _DRIVEN.search(term):
            operated[f"u{match[2]}"].add(int(match[1]))
    return operated


def _spans(program: PulseProgram, channels: frozenset[str]) -> Iterator[tuple[int, int]]:
    """The times in which something is played before the measurement, in short spans.

    They are cut where a pulse begins or ends, so that pulses that come again are recognised.
    """
    busy = [
        (start, min(start + len(samples), program.measured_at))
        for channel in channels & program.plays.keys()
        for start, samples in program.plays[channel]
        if start < program.measured_at
    ]
    cuts = sorted({time for span in busy for time in span})
    # How many pulses more begin than end at each cut.
    changes = Counter(start for start, _ in busy)
    changes.subtract(stop for _, stop in busy)
    sounding = 0
    for start, stop in pairwise(cuts):
        sounding += changes[start]
        if sounding:
            for cut in range(start, stop, _SPAN):
                yield cut, min(cut + _SPAN, stop)


def _played(
    program: PulseProgram, channels: frozenset[str], start: int, stop: int
) -> Mapping[str, Samples]:
    """What is played from `start` to `stop`, by channel; zeros in between."""
    played: dict[str, Samples] = {}
    for channel in channels & program.plays.keys():
        for begins, samples in program.plays[channel]:
            first, last = max(begins, start), min(begins + len(samples), stop)
            if first < last:
                line = played.setdefault(channel, np.zeros(stop - start, dtype=complex))
                line[first - start : last - start] = samples[first - begins : last - begins]
    return played
