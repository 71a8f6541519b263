"""Checks a qobj against a backend's configuration before it is queued.

Only what the check needs is decoded, by type: a qobj of many megabytes costs milliseconds, and
its config, in which programs put what they like, is never shown. Instructions, and whatever else
there may be millions of, are passed over as they stand: as objects they would take fifty times the
memory of their text. The codes are those that the IBM Quantum API used for the same faults.
"""

from __future__ import annotations

import threading

import msgspec

from qtower.service.devices import Device, takes_pulses

_NOT_A_QOBJ = 1101
_TOO_MANY_EXPERIMENTS = 1102
_TOO_MANY_SHOTS = 1103
_NO_MEMORY = 1104
_NO_PULSE = 1108
_TOO_MANY_QUBITS = 1109
_TOO_FEW_SHOTS = 6001
_TOO_FEW_EXPERIMENTS = 6003
_NO_SUCH_MEASUREMENT = 8009
_NO_TYPE = 8033
_NO_CALIBRATIONS = 8011  # "Pulse experiments are not supported on this system."

_DEFAULT_SHOTS = 1024
_NAME_LENGTH = 200  # characters of an experiment's name that are kept
_MOST_EXPERIMENTS = 100_000  # more are not counted
_POINTS = 1  # the measurement level of points in the IQ plane
_COUNTS = 2  # the measurement level of QASM experiments: discriminated outcomes


class QobjSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a valid qobj asks for."""

    kind: str  # "QASM" or "PULSE"
    experiments: int
    names: list[str]  # of the experiments, in order, cut to 200 characters; "" where one has none
    shots: int
    memory: bool
    qubits: int  # of its widest experiment; 0 where the qobj does not say
    meas_level: int


class InvalidQobj(Exception):  # noqa: N818 (named as the API names the fault)
    """A qobj that the backend does not accept; `code` is a four-digit code of the IBM API.

    The message has no full stop: the provider writes "MESSAGE. Error code: CODE.". `summary` says
    what the qobj asks for, if it could be read.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.summary: QobjSummary | None = None


class _Gate(msgspec.Struct):
    name: str = ""
    qubits: list[int] = []


class _Calibrations(msgspec.Struct):
    gates: list[_Gate] = []


class _Size(msgspec.Struct):
    n_qubits: int | None = None
    shots: int | None = None  # Aer takes them instead of the qobj's
    calibrations: _Calibrations | None = None


class _Header(msgspec.Struct):
    name: msgspec.Raw = msgspec.Raw()
    n_qubits: int | None = None


class _Experiment(msgspec.Struct):
    instructions: msgspec.Raw
    header: _Header | None = None
    config: _Size | None = None

    def __post_init__(self) -> None:
        if bytes(memoryview(self.instructions)[:1]) != b"[":
            raise ValueError("Expected `array` of instructions")
        _counted.experiments += 1
        if _counted.experiments > _MOST_EXPERIMENTS:
            raise ValueError(f"More than {_MOST_EXPERIMENTS:,} experiments")


class _Config(msgspec.Struct):
    shots: int | None = None
    memory: bool | None = None
    meas_level: int | None = None
    n_qubits: int | None = None
    calibrations: _Calibrations | None = None


class _Qobj(msgspec.Struct):
    experiments: list[_Experiment]
    config: _Config
    type: str | None = None


class _Counted(threading.local):
    """What the decoder has made so far, of one qobj: it is to stop, not to fill the memory."""

    experiments = 0


_counted = _Counted()
_DECODER = msgspec.json.Decoder(_Qobj)


def check_qobj(raw: bytes, device: Device) -> QobjSummary:
    """Returns what the qobj asks for, if `device` can be asked for it.

    Raises:
        InvalidQobj: It is no qobj, or asks for more than the device's configuration allows.
    """
    qobj = _decode(raw)
    summary = _summary(qobj)
    try:
        _check_kind(summary, device)
        _check_calibrations(qobj)
        _check_limits(summary, device)
        for experiment in qobj.experiments:
            if experiment.config is not None and experiment.config.shots is not None:
                _check_shots(experiment.config.shots, device)
    except InvalidQobj as error:
        error.summary = summary
        raise
    return summary


def _decode(raw: bytes) -> _Qobj:
    _counted.experiments = 0
    try:
        return _DECODER.decode(raw)
    except msgspec.ValidationError as error:
        # The decoder names types and places, never a value.
        raise InvalidQobj(f"Qobj does not conform to the schema: {error}", _NOT_A_QOBJ) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidQobj("Qobj is not valid JSON", _NOT_A_QOBJ) from None


def _summary(qobj: _Qobj) -> QobjSummary:
    if qobj.type not in ("QASM", "PULSE"):
        raise InvalidQobj('Qobj has no type "QASM" or "PULSE"', _NO_TYPE)
    config = qobj.config
    return QobjSummary(
        kind=qobj.type,
        experiments=len(qobj.experiments),
        names=[_name(experiment) for experiment in qobj.experiments],
        shots=_DEFAULT_SHOTS if config.shots is None else config.shots,
        memory=bool(config.memory),
        qubits=max((_qubits(experiment, config) for experiment in qobj.experiments), default=0),
        meas_level=_COUNTS if config.meas_level is None else config.meas_level,
    )


def _name(experiment: _Experiment) -> str:
    raw = bytes(experiment.header.name) if experiment.header else b""
    if not raw.startswith(b'"'):
        return ""
    try:
        return msgspec.json.decode(raw, type=str)[:_NAME_LENGTH]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidQobj("Qobj is not valid JSON", _NOT_A_QOBJ) from None


def _qubits(experiment: _Experiment, config: _Config) -> int:
    """An experiment's own width; a qobj's config holds the width of the widest one."""
    for source in (experiment.config, experiment.header, config):
        if source is not None and source.n_qubits is not None:
            return source.n_qubits
    return 0


def _check_kind(summary: QobjSummary, device: Device) -> None:
    if summary.kind == "PULSE" and not takes_pulses(device):
        raise InvalidQobj(f"The backend {device.name} does not support open pulse", _NO_PULSE)
    if summary.memory and not device.configuration["memory"]:
        raise InvalidQobj(
            "The Qobj requests memory measurement, but the backend does not support memory",
            _NO_MEMORY,
        )
    if summary.kind == "PULSE":
        levels: list[int] = device.configuration.get("meas_levels", [_POINTS, _COUNTS])
        if summary.meas_level not in levels:
            raise InvalidQobj(
                f"Measurement level {summary.meas_level} is not supported by {device.name}, "
                f"only {' and '.join(map(str, levels))}",
                _NO_SUCH_MEASUREMENT,
            )
    if summary.kind == "QASM" and summary.meas_level != _COUNTS:
        raise InvalidQobj(
            f"Measurement level {summary.meas_level} is not supported for circuits; "
            f"level {_COUNTS} is",
            _NO_SUCH_MEASUREMENT,
        )


def _check_calibrations(qobj: _Qobj) -> None:
    """Circuits may bring pulses for their gates; a simulation without them would be of others."""
    if qobj.type != "QASM":
        return
    for config in (qobj.config, *(experiment.config for experiment in qobj.experiments)):
        if config is None or config.calibrations is None or not config.calibrations.gates:
            continue
        gate = config.calibrations.gates[0]
        name = "".join(character for character in gate.name[:40] if character.isprintable())
        raise InvalidQobj(
            f"The circuits bring pulses of their own (calibrations) for the gate {name} on qubits "
            f"{gate.qubits[:4]}, which this service does not simulate; send a schedule, or "
            "circuits without calibrations",
            _NO_CALIBRATIONS,
        )


def _check_limits(summary: QobjSummary, device: Device) -> None:
    max_experiments: int = device.configuration["max_experiments"]
    max_qubits: int = device.configuration["n_qubits"]
    if summary.experiments < 1:
        raise InvalidQobj("Too few experiments given (0 < 1)", _TOO_FEW_EXPERIMENTS)
    if summary.experiments > max_experiments:
        raise InvalidQobj(
            f"The number of experiments in the Qobj ({summary.experiments}) is higher than the "
            f"number of experiments supported by the backend ({max_experiments})",
            _TOO_MANY_EXPERIMENTS,
        )
    _check_shots(summary.shots, device)
    if summary.qubits > max_qubits:
        raise InvalidQobj(
            f"The number of qubits used in the Qobj ({summary.qubits}) is higher than the number "
            f"of qubits supported by the backend ({max_qubits})",
            _TOO_MANY_QUBITS,
        )


def _check_shots(shots: int, device: Device) -> None:
    max_shots: int = device.configuration["max_shots"]
    if shots < 1:
        raise InvalidQobj(f"Too few shots given ({shots} < 1)", _TOO_FEW_SHOTS)
    if shots > max_shots:
        raise InvalidQobj(
            f"The number of shots in the Qobj ({shots}) is higher than the number of "
            f"shots supported by the backend ({max_shots})",
            _TOO_MANY_SHOTS,
        )
