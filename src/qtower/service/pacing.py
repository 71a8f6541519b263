"""How long a real device would take for a job, for backends with `pacing = "device"`.

    seconds = 2 + sum over experiments of shots x period
    period  = rep_delay + circuit duration     (devices with a dynamic repetition rate)
    period  = max(rep_time, circuit duration)  (the others, and where a program sets rep_time)

The two seconds are what loading a job and fetching its result cost on the devices of the time,
whatever is in it. A circuit lasts as long as its qubits are busy, each gate as soon as its qubits
are free, with the gate lengths and readout lengths of the device's properties; a schedule lasts
until its last pulse ends. rep_delay and rep_time are the job's own, or else the device's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from qtower.service.devices import Device
from qtower.service.qobjs import InvalidQobj
from qtower.service.settings import BackendSettings

JOB_SECONDS = 2.0
"""What every job takes beside its shots."""

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_MICROSECOND = 1e-6
_NANOSECOND = 1e-9
_DEFAULT_SHOTS = 1024
_LARGEST = 10_000_000  # bytes
_TOO_LONG = 8019  # IBM API: "The schedule is too long"
_LONGEST = 30 * 24 * 3600.0  # a qobj may say what it likes

Json = dict[str, Any]


class Pacing:
    """The backends that take as long as the real ones, and how long that is.

    Args:
        backends: The backends of `service.toml`.
        devices: All backends by name.
    """

    def __init__(
        self, backends: Mapping[str, BackendSettings], devices: Mapping[str, Device]
    ) -> None:
        self._devices = {
            name: devices[name]
            for name, backend in backends.items()
            if backend.pacing == "device" and name in devices
        }
        self._lengths: dict[str, _Lengths] = {}

    def paced(self, backend: str) -> bool:
        """Whether the backend takes as long as the real one."""
        return backend in self._devices

    def run_seconds(self, backend: str, qobj: bytes) -> float | None:
        """Returns how long a job (a valid qobj, as JSON) takes there; None if it is not paced.

        Raises:
            InvalidQobj: An experiment is larger than that of any device.
        """
        device = self._devices.get(backend)
        if device is None:
            return None
        if backend not in self._lengths:
            self._lengths[backend] = _Lengths(device)
        outline = msgspec.json.decode(qobj, type=_Outline)
        document: Json = {
            "type": outline.type,
            "config": _decoded(outline.config),
            "experiments": map(_decoded, outline.experiments),
        }
        return device_seconds(document, device, self._lengths[backend])


class _Outline(msgspec.Struct):
    type: str
    config: msgspec.Raw
    experiments: list[msgspec.Raw]


def _decoded(part: msgspec.Raw) -> Any:
    """One part at a time: as objects, a qobj takes many times the memory of its text."""
    if memoryview(part).nbytes > _LARGEST:
        message = f"A device takes no experiment or config of more than {_LARGEST:,} bytes"
        raise InvalidQobj(message, _TOO_LONG)
    return msgspec.json.decode(part)


class _Lengths:
    """How long the gates and the readout of a device take, in seconds."""

    def __init__(self, device: Device) -> None:
        properties = device.properties or {}
        self._gates: dict[tuple[str, tuple[int, ...]], float] = {
            (gate["gate"], tuple(gate["qubits"])): _value(gate["parameters"], "gate_length")
            for gate in properties.get("gates", ())
        }
        self._readout = [_value(qubit, "readout_length") for qubit in properties.get("qubits", ())]
        self.dt = _number(device.configuration.get("dt")) * _NANOSECOND

    def of(self, name: str, qubits: tuple[int, ...], parameters: Any) -> float:
        """Returns the seconds of an instruction; 0 for one that the device does not have."""
        if name in ("measure", "reset"):
            known = [self._readout[q] for q in qubits if q < len(self._readout)]
            return max(known, default=0.0)
        if name == "delay":
            return _number(parameters[0] if isinstance(parameters, list) and parameters else 0) * (
                self.dt
            )
        return self._gates.get((name, qubits), 0.0)


def device_seconds(qobj: Json, device: Device, lengths: _Lengths | None = None) -> float:
    """Returns how long the device takes for a qobj; see the formula above."""
    lengths = lengths or _Lengths(device)
    config: Json = qobj["config"]
    durations = (
        _schedule_seconds(experiment, config, lengths)
        if qobj["type"] == "PULSE"
        else _circuit_seconds(experiment, lengths)
        for experiment in qobj["experiments"]
    )
    shots = _number(config.get("shots") or _DEFAULT_SHOTS)
    total = sum(_period(duration, config, device) for duration in durations)
    return float(min(JOB_SECONDS + shots * total, _LONGEST))


def _period(duration: float, config: Json, device: Device) -> float:
    """The seconds from the start of one shot to the start of the next."""
    configuration = device.configuration
    if _number(config.get("rep_time")):
        return max(_number(config["rep_time"]) * _MICROSECOND, duration)
    if config.get("rep_delay") is not None:
        return _number(config["rep_delay"]) * _MICROSECOND + duration
    if configuration.get("default_rep_delay") is not None:
        return _number(configuration["default_rep_delay"]) * _MICROSECOND + duration
    slowest = max((_number(time) for time in configuration.get("rep_times") or ()), default=0.0)
    return max(slowest * _MICROSECOND, duration)


def _circuit_seconds(experiment: Json, lengths: _Lengths) -> float:
    free: dict[int, float] = {}  # when each qubit is done
    for instruction in _instructions(experiment):
        named = instruction.get("qubits")
        qubits = tuple(q for q in (named if isinstance(named, list) else ()) if isinstance(q, int))
        name = str(instruction.get("name"))
        seconds = lengths.of(name, qubits, instruction.get("params"))
        end = max((free.get(qubit, 0.0) for qubit in qubits), default=0.0) + seconds
        free.update(dict.fromkeys(qubits, end))
    return max(free.values(), default=0.0)


def _schedule_seconds(experiment: Json, config: Json, lengths: _Lengths) -> float:
    library = config.get("pulse_library")
    samples = {
        str(pulse.get("name")): len(pulse["samples"])
        for pulse in (library if isinstance(library, list) else ())
        if isinstance(pulse, dict) and isinstance(pulse.get("samples"), list)
    }
    ends = (_end(instruction, samples) for instruction in _instructions(experiment))
    return max(ends, default=0.0) * lengths.dt


def _instructions(experiment: Json) -> list[Json]:
    return [found for found in experiment["instructions"] if isinstance(found, dict)]


def _end(instruction: Json, samples: Mapping[str, int]) -> float:
    """The end of an instruction of a schedule, in samples."""
    parameters = instruction.get("parameters")
    duration = parameters.get("duration") if isinstance(parameters, dict) else None
    if duration is None:
        duration = instruction.get("duration", samples.get(str(instruction.get("name")), 0))
    return _number(instruction.get("t0")) + _number(duration)


def _value(parameters: Iterable[Json], name: str) -> float:
    """A parameter of the properties, in seconds; 0 if it is not there."""
    for parameter in parameters:
        if parameter["name"] == name:
            return _number(parameter["value"]) * _SECONDS.get(parameter["unit"], 0.0)
    return 0.0


def _number(value: Any) -> float:
    """A number of a qobj that nobody has checked so far; 0 for anything else."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return max(float(min(value, _LONGEST * 1e9)), 0.0) if is_number else 0.0
