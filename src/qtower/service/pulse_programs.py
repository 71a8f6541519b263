"""Pulse experiments of a qobj, read for simulation: what is played on which channel, and measured.

A frame is a channel's oscillator: its frequency and phase, as instructions set and shift them.
Samples are turned by their frame, relative to the carrier that the model has for the channel.
Times are in samples (dt of the device), frequencies in GHz, phases in radians.

Sources: the OpenPulse specification (McKay et al., "Qiskit Backend Specifications for OpenQASM and
OpenPulse Experiments", 2018) for the instructions of a qobj; the documentation of
`qiskit_dynamics.pulse.InstructionToSignals` for frames.
"""

from __future__ import annotations

import re
from typing import Any, TypeAlias

import msgspec
import numpy as np

from qtower.service.devices import Device
from qtower.service.instructions import BadInstruction
from qtower.service.pulse_shapes import Samples, library_of, parametric_samples, shown, whole

_LONGEST_SCHEDULE = 45_000_000  # samples: 10 ms
_MOST_SLOTS = 128

# Codes of the IBM API.
_UNKNOWN_INSTRUCTION = 7001  # "Instruction {} is not supported."
_NO_FREQUENCY = 8000  # "Channel {}{} lo setting: {} is not within acceptable range of {}."
_NOT_MAPPED = 8001  # "Qubits {} in measurement are not mapped."
_CONDITIONAL = 8013  # "This backend does not support conditional pulses."
_TOO_LATE = 8019  # "Final channel time exceeds max time"
_NO_INTEGER = 8023  # "{0} should be a positive integer."
_SECOND_ACQUIRE = 8024  # "At most one acquire currently supported per acquisition channel."
_NO_QUBIT = 8026  # "Supplied qubits ({0}) in acquire are not valid."
_NO_CHANNEL = 8027  # "Channel specified: {} is not available."
_OVERLAP = 8035  # "Instruction {0} at timestep {1}dt overlaps with ..."
_BAD_PULSE = 8042  # "The input pulse had some parameters which were not validated."

_CHANNEL = re.compile(r"([dmu])(0|[1-9]\d{0,3})")
_NOT_PLAYED = frozenset({"delay", "snapshot"})  # times are absolute: a delay says nothing more

Json: TypeAlias = dict[str, Any]


class PulseProgram(msgspec.Struct, frozen=True):
    """One experiment. What is played later than `measured_at` has no part in its outcome."""

    plays: dict[str, list[tuple[int, Samples]]]  # by channel ("d0", "u3"): start and samples
    slots: dict[int, int]  # memory slot by measured qubit
    measured_at: int


class Frame:
    """A channel's oscillator while a program runs."""

    def __init__(self, carrier: float, frequency: float, dt: float) -> None:
        self._carrier = carrier
        self._dt = dt
        self._offset = frequency - carrier
        self._phase = 0.0
        # What keeps the oscillation continuous when the frequency changes; in turns.
        self._turns = 0.0

    @property
    def frequency(self) -> float:
        return self._carrier + self._offset

    def tune(self, frequency: float, time: int) -> None:
        self._turns -= (frequency - self.frequency) * time * self._dt
        self._offset = frequency - self._carrier

    def set_phase(self, phase: float) -> None:
        self._phase = phase

    def shift_phase(self, phase: float) -> None:
        self._phase += phase

    def turned(self, samples: Samples, start: int) -> Samples:
        times = self._dt * (start + np.arange(len(samples)))
        angles = 2 * np.pi * (self._offset * times + self._turns) + self._phase
        turned: Samples = samples * np.exp(1j * angles)
        return turned


class PulseReader:
    """Reads the experiments of one qobj for one device.

    Args:
        device: It has pulse defaults.
        library: Pulses by name, as a qobj's or the defaults' `pulse_library` lists them.
        oscillators: Frequencies (GHz) of the qubits' drives, instead of the device's own.

    Raises:
        BadInstruction: A pulse of the library is none, or there is no such oscillator.
    """

    def __init__(
        self, device: Device, library: list[Json], oscillators: list[float] | None = None
    ) -> None:
        self._device = device
        self._dt: float = device.configuration["dt"]
        self._library = library_of(library)
        self._drives = self._checked_oscillators(oscillators)

    def read(self, experiment: Json) -> PulseProgram:
        """Returns the program of an experiment.

        Raises:
            BadInstruction: It has an instruction that the device does not understand.
        """
        drives = self._drives
        own = (experiment.get("config") or {}).get("qubit_lo_freq")
        if own is not None:
            drives = self._checked_oscillators(own)
        instructions = experiment["instructions"]
        slots, measured_at = self._acquisitions(instructions)
        return PulseProgram(self.plays(instructions, drives), slots, measured_at)

    def plays(
        self, instructions: list[Json], drives: list[float] | None = None
    ) -> dict[str, list[tuple[int, Samples]]]:
        """Returns what the instructions play on drive and control channels.

        Raises:
            BadInstruction: As `read`.
        """
        frames: dict[str, Frame] = {}
        plays: dict[str, list[tuple[int, Samples]]] = {}
        free_from: dict[str, int] = {}
        for start, instruction in self._in_order(instructions):
            channel = self._channel(instruction)
            if channel not in frames:
                frames[channel] = self._frame(channel, drives or self._drives)
            samples = self._obey(instruction, frames[channel], channel, start)
            if samples is None:
                continue
            if start < free_from.get(channel, 0):
                message = f"A pulse at {start} dt overlaps with another on channel {channel}"
                raise BadInstruction(message, _OVERLAP)
            free_from[channel] = start + len(samples)
            # The readout's stimulus is not simulated, and a pulse of zeros is a delay.
            if channel[0] != "m" and samples.any():
                turned = frames[channel].turned(samples, start)
                plays.setdefault(channel, []).append((start, turned))
        return plays

    def _in_order(self, instructions: list[Json]) -> list[tuple[int, Json]]:
        """By time; frames are set before what is played at that time."""
        timed = []
        for instruction in instructions:
            if "conditional" in instruction:
                raise BadInstruction("Conditional pulses are not supported", _CONDITIONAL)
            if instruction["name"] == "acquire" or instruction["name"] in _NOT_PLAYED:
                continue
            timed.append((_time(instruction["t0"]), instruction))
        return sorted(timed, key=lambda pair: (pair[0], not _sets_frame(pair[1])))

    def _obey(self, instruction: Json, frame: Frame, channel: str, start: int) -> Samples | None:
        """Returns the samples if the instruction plays any; otherwise it sets the frame."""
        name = instruction["name"]
        if name == "fc":
            frame.shift_phase(_number(instruction["phase"]))
        elif name == "setp":
            frame.set_phase(_number(instruction["phase"]))
        elif name == "setf":
            frequency = _number(instruction["frequency"])
            self._tune(frame, frequency, channel, start)
        elif name == "shiftf":
            frequency = frame.frequency + _number(instruction["frequency"])
            self._tune(frame, frequency, channel, start)
        elif name == "parametric_pulse":
            return parametric_samples(instruction)
        elif name in self._library:
            return self._library[name]
        else:
            message = f"Instruction {shown(name)} is not supported"
            raise BadInstruction(message, _UNKNOWN_INSTRUCTION)
        return None

    def _tune(self, frame: Frame, frequency: float, channel: str, start: int) -> None:
        if channel[0] == "d":
            self._check_frequency(int(channel[1:]), frequency)
        frame.tune(frequency, start)

    def _frame(self, channel: str, drives: list[float]) -> Frame:
        own = self._device.defaults["qubit_freq_est"] if self._device.defaults else drives
        index = int(channel[1:])
        if channel[0] == "d":
            return Frame(own[index], drives[index], self._dt)
        if channel[0] == "u":
            carrier = control_frequency(self._device, index, own)
            return Frame(carrier, control_frequency(self._device, index, drives), self._dt)
        return Frame(0.0, 0.0, self._dt)

    def _channel(self, instruction: Json) -> str:
        name = instruction["ch"]
        match = _CHANNEL.fullmatch(name)
        if match is None:
            raise BadInstruction(f"Channel {shown(name)} is not valid", _NO_CHANNEL)
        configuration = self._device.configuration
        count = configuration["n_uchannels" if match[1] == "u" else "n_qubits"]
        if int(match[2]) >= count:
            raise BadInstruction(f"Channel {name} is not available", _NO_CHANNEL)
        return str(name)

    def _checked_oscillators(self, oscillators: Any) -> list[float]:
        assert self._device.defaults is not None
        if oscillators is None:
            return [float(frequency) for frequency in self._device.defaults["qubit_freq_est"]]
        n_qubits = self._device.configuration["n_qubits"]
        if len(oscillators) != n_qubits:
            message = f"{len(oscillators)} frequencies are given for {n_qubits} qubits"
            raise BadInstruction(message, _NO_FREQUENCY)
        drives = [_number(frequency) for frequency in oscillators]
        for qubit, frequency in enumerate(drives):
            self._check_frequency(qubit, frequency)
        return drives

    def _check_frequency(self, qubit: int, frequency: float) -> None:
        lowest, highest = self._device.configuration["qubit_lo_range"][qubit]
        if not lowest <= frequency <= highest:
            message = (
                f"Channel d{qubit} lo setting: {frequency:.6g} GHz is not within "
                f"{lowest:.6g} to {highest:.6g} GHz"
            )
            raise BadInstruction(message, _NO_FREQUENCY)

    def _acquisitions(self, instructions: list[Json]) -> tuple[dict[int, int], int]:
        slots: dict[int, int] = {}
        times = set()
        n_qubits = self._device.configuration["n_qubits"]
        for instruction in instructions:
            if instruction["name"] != "acquire":
                continue
            qubits, memory = instruction["qubits"], instruction.get("memory_slot") or []
            if len(memory) != len(qubits):
                raise BadInstruction("Qubits in a measurement are not mapped", _NOT_MAPPED)
            times.add(_time(instruction["t0"]))
            for qubit, slot in zip(qubits, memory, strict=True):
                if not whole(qubit) or not 0 <= qubit < n_qubits:
                    raise BadInstruction("A qubit in an acquire is not valid", _NO_QUBIT)
                if not whole(slot) or not 0 <= slot < _MOST_SLOTS:
                    raise BadInstruction("A memory slot in an acquire is not valid", _NOT_MAPPED)
                if qubit in slots:
                    message = f"Qubit {qubit} is acquired more than once"
                    raise BadInstruction(message, _SECOND_ACQUIRE)
                slots[qubit] = slot
        if not slots:
            raise BadInstruction("The schedule measures no qubit", _NOT_MAPPED)
        if len(times) > 1:
            message = "All qubits of a schedule must be measured at one time"
            raise BadInstruction(message, _SECOND_ACQUIRE)
        return slots, times.pop()


def control_frequency(device: Device, index: int, drives: list[float]) -> float:
    """Returns the frequency (GHz) of control channel `index`, from those of the qubits' drives."""
    oscillators = device.configuration["u_channel_lo"][index]
    return float(sum(drives[part["q"]] * _real(part["scale"]) for part in oscillators))


def _sets_frame(instruction: Json) -> bool:
    return instruction["name"] in ("fc", "setp", "setf", "shiftf")


def _time(value: Any) -> int:
    if not whole(value) or value < 0:
        raise BadInstruction("The time of an instruction is not a whole number", _NO_INTEGER)
    if value > _LONGEST_SCHEDULE:
        message = f"The schedule is longer than {_LONGEST_SCHEDULE} dt"
        raise BadInstruction(message, _TOO_LATE)
    return int(value)


def _number(value: Any) -> float:
    """A phase or a frequency; 1e9 radians or GHz are none that a program can mean."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise BadInstruction("A phase or a frequency is not a number", _BAD_PULSE)
    return float(value)


def _real(scale: Any) -> float:
    return float(scale[0] if isinstance(scale, list) else scale)
