"""The backends of the service: a simulator, and devices as Qiskit's fake provider describes them.

Their configuration, properties and pulse defaults are read from the data files of the installed
Qiskit package, which is found but never imported: that would cost the service's process a second
and 100 MB. They go to the client as they are here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from qtower.service.statuses import from_date, to_date

SIMULATOR = "ibmq_qasm_simulator"
MODEL_SIMULATOR = "simulator"
_FAKE = "fake_"

# From one qubit to twenty-seven, in the topologies that programs of the time were written for:
# a single qubit, lines, T and H shapes, and two heavy-hexagon lattices.
_DEVICES = ("armonk", "lima", "bogota", "lagos", "guadalupe", "montreal")

# As of the last year of these devices; the data files are older than that.
_DEVICE_LIMITS = {"max_shots": 20_000, "max_experiments": 300}

# What the data of the oldest devices leaves out, and clients read.
_DEFAULTS = {"memory": False, "conditional": False, "online_date": "2016-05-04T00:00:00Z"}

_LEAST_DT = 1e-3  # nanoseconds

_DATES = ("date", "last_update_date")

# All gates of Aer that OpenQASM 2 and qobj can name. Source: qiskit_aer 0.13, name_mapping.
_SIMULATOR_GATES = (
    *("u1", "u2", "u3", "u", "p", "r", "rx", "ry", "rz", "id", "x", "y", "z", "h", "s", "sdg"),
    *("sx", "sxdg", "t", "tdg", "swap", "cx", "cy", "cz", "csx", "cp", "cu", "cu1", "cu2", "cu3"),
    *("rxx", "ryy", "rzz", "rzx", "ecr", "ccx", "cswap", "mcp", "mcx", "mcy", "mcz", "mcsx"),
    *("mcphase", "mcu", "mcu1", "mcu2", "mcu3", "mcrx", "mcry", "mcrz", "mcr", "mcswap"),
    *("unitary", "diagonal", "multiplexer", "initialize", "delay", "pauli", "mcx_gray"),
    *("kraus", "superop", "roerror", "reset"),
)

# What the provider wants of every gate: a name, parameters and a definition. The definitions are
# those of qelib1.inc.
_SIMULATOR_GATE_DEFINITIONS: tuple[tuple[str, list[str], str], ...] = (
    ("u1", ["lambda"], "gate u1(lambda) q { U(0,0,lambda) q; }"),
    ("u2", ["phi", "lambda"], "gate u2(phi,lambda) q { U(pi/2,phi,lambda) q; }"),
    ("u3", ["theta", "phi", "lambda"], "gate u3(theta,phi,lambda) q { U(theta,phi,lambda) q; }"),
    ("cx", [], "gate cx c,t { CX c,t; }"),
)


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A backend. The dictionaries are JSON-ready, exactly as the API sends them."""

    name: str
    simulator: bool
    configuration: dict[str, Any]
    properties: dict[str, Any] | None = None  # none for the simulator
    defaults: dict[str, Any] | None = None


def load_devices(models: Mapping[str, str] | None = None) -> dict[str, Device]:
    """Returns all backends by name, in their order.

    Args:
        models: What each backend is, as of `load_device`. None: the built-in ones, the simulator
            first.

    Raises:
        LookupError: There is no such device.
        RuntimeError: The installed Qiskit has no data files of fake backends.
    """
    if models is None:
        devices = [_simulator(SIMULATOR), *(_fake_device(stem) for stem in _DEVICES)]
        return {device.name: device for device in devices}
    return {name: load_device(name, model) for name, model in models.items()}


def load_device(name: str, model: str | None = None) -> Device:
    """Returns the backend `name`, reading no more files than it must.

    Args:
        name: As clients see it.
        model: `simulator`, or a fake device as Qiskit names it: `fake_lima`. None: the built-in
            backend of that name.

    Raises:
        LookupError: There is none.
        RuntimeError: The installed Qiskit has no data files of fake backends.
    """
    if model == MODEL_SIMULATOR or (model is None and name == SIMULATOR):
        return _simulator(name)
    if model is not None:
        stem = model.removeprefix(_FAKE)
        if not model.startswith(_FAKE) or stem not in fake_devices():
            raise LookupError(
                f"there is no device {model}; there are {MODEL_SIMULATOR}, {_known()}"
            )
        return _fake_device(stem, name)
    for stem in _DEVICES:
        if name.endswith(f"_{stem}") and (device := _fake_device(stem)).name == name:
            return device
    raise KeyError(name)


def takes_pulses(device: Device) -> bool:
    """Whether its pulses can be simulated: it opens them, and has a Hamiltonian and defaults."""
    configuration = device.configuration
    published = configuration.get("hamiltonian") and device.defaults
    return bool(configuration["open_pulse"] and published)


def fake_devices() -> list[str]:
    """Returns the names of the devices of Qiskit's fake provider, without "fake_".

    Raises:
        RuntimeError: The installed Qiskit has no data files of fake backends.
    """
    directory = _data_directory()
    return sorted(
        path.name
        for path in directory.iterdir()
        if (path / f"conf_{path.name}.json").is_file()
        and (path / f"props_{path.name}.json").is_file()
    )


def _known() -> str:
    return ", ".join(f"{_FAKE}{stem}" for stem in fake_devices())


def _fake_device(stem: str, name: str | None = None) -> Device:
    directory = _data_directory() / stem
    configuration: dict[str, Any] = {**_DEFAULTS, **_read(directory / f"conf_{stem}.json")}
    configuration |= _DEVICE_LIMITS
    configuration |= {"input_allowed": ["job"], "credits_required": False}
    configuration["backend_name"] = name or configuration["backend_name"]
    configuration.pop("url", None)
    for name_of_time in ("dt", "dtm"):
        if configuration.get(name_of_time, 1) < _LEAST_DT:
            configuration[name_of_time] *= 1e9  # one device has seconds there
    properties = _in_utc(_read(directory / f"props_{stem}.json"))
    properties["backend_name"] = configuration["backend_name"]
    return Device(
        name=configuration["backend_name"],
        simulator=False,
        configuration=configuration,
        properties=properties,
        defaults=_pulse_defaults(directory / f"defs_{stem}.json"),
    )


def _pulse_defaults(file: Path) -> dict[str, Any] | None:
    if not file.is_file():
        return None
    # "_data" is what a Qiskit object once kept beside its fields: not part of the schema.
    return {key: value for key, value in _read(file).items() if not key.startswith("_")}


def _simulator(name: str) -> Device:
    return Device(
        name=name,
        simulator=True,
        configuration={
            "backend_name": name,
            "backend_version": "0.1.547",
            "n_qubits": 32,
            "basis_gates": list(_SIMULATOR_GATES),
            "gates": [
                {"name": name, "parameters": parameters, "qasm_def": definition}
                for name, parameters, definition in _SIMULATOR_GATE_DEFINITIONS
            ],
            "coupling_map": None,
            "simulator": True,
            "local": False,
            "conditional": True,
            "open_pulse": False,
            "memory": True,
            "max_shots": 100_000,
            "max_experiments": 300,
            "allow_q_object": True,
            "allow_object_storage": True,
            "credits_required": False,
            "description": "Aer, without noise or with the noise model of a program",
            "online_date": "2019-05-02T08:15:00Z",
            "input_allowed": ["job"],
            "dynamic_reprate_enabled": False,
            "supported_instructions": list(_SIMULATOR_GATES),
        },
    )


def _in_utc(data: Any) -> Any:
    """The same with all its dates in UTC: as such the client reads them, whatever their offset."""
    if isinstance(data, list):
        return [_in_utc(value) for value in data]
    if isinstance(data, dict):
        return {
            key: to_date(from_date(value)) if key in _DATES else _in_utc(value)
            for key, value in data.items()
        }
    return data


def _data_directory() -> Path:
    package = importlib.util.find_spec("qiskit")
    for location in (package.submodule_search_locations or []) if package else []:
        directory = Path(location) / "providers" / "fake_provider" / "backends"
        if directory.is_dir():
            return directory
    raise RuntimeError("the installed Qiskit has no data of fake backends")


def _read(file: Path) -> dict[str, Any]:
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
