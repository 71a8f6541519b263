"""The backends of the service: a simulator, and devices as Qiskit's fake provider describes them.

Their configuration, properties and pulse defaults are read from the data files of the installed
Qiskit package, which is found but never imported: that would cost the service's process a second
and 100 MB. They go to the client as they are here.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

SIMULATOR = "ibmq_qasm_simulator"

# From one qubit to twenty-seven, in the topologies that programs of the time were written for:
# a single qubit, lines, T and H shapes, and two heavy-hexagon lattices.
_DEVICES = ("armonk", "lima", "bogota", "lagos", "guadalupe", "montreal")

# As of the last year of these devices; the data files are older than that.
_DEVICE_LIMITS = {"max_shots": 20_000, "max_experiments": 300}

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


def load_devices() -> dict[str, Device]:
    """Returns all backends by name, the simulator first.

    Raises:
        RuntimeError: The installed Qiskit has no data files of fake backends.
    """
    devices = [_simulator(), *_fake_devices()]
    return {device.name: device for device in devices}


def load_device(name: str) -> Device:
    """Returns the backend `name`, reading no more files than it must.

    Raises:
        KeyError: There is none.
    """
    if name == SIMULATOR:
        return _simulator()
    for stem in _DEVICES:
        if name.endswith(f"_{stem}") and (device := _fake_device(stem)).name == name:
            return device
    raise KeyError(name)


def _fake_devices() -> Iterator[Device]:
    for stem in _DEVICES:
        yield _fake_device(stem)


def _fake_device(stem: str) -> Device:
    directory = _data_directory() / stem
    configuration = _read(directory / f"conf_{stem}.json")
    configuration |= _DEVICE_LIMITS
    configuration |= {"input_allowed": ["job"], "credits_required": False}
    configuration.pop("url", None)
    defaults = _read(directory / f"defs_{stem}.json")
    return Device(
        name=configuration["backend_name"],
        simulator=False,
        configuration=configuration,
        properties=_read(directory / f"props_{stem}.json"),
        # "_data" is what a Qiskit object once kept beside its fields: not part of the schema.
        defaults={key: value for key, value in defaults.items() if not key.startswith("_")},
    )


def _simulator() -> Device:
    return Device(
        name=SIMULATOR,
        simulator=True,
        configuration={
            "backend_name": SIMULATOR,
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


def _data_directory() -> Path:
    package = importlib.util.find_spec("qiskit")
    for location in (package.submodule_search_locations or []) if package else []:
        directory = Path(location) / "providers" / "fake_provider" / "backends"
        if directory.is_dir():
            return directory
    raise RuntimeError("the installed Qiskit has no data of fake backends")


def _read(file: Path) -> dict[str, Any]:
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
