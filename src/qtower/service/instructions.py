"""Instructions of a qobj, made fit for Aer: checked against a device, matrices decoded.

JSON has no complex numbers; a qobj writes them as [re, im]. Aer wants arrays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from qtower.service.devices import Device

_NOT_IN_BASIS = 7000  # IBM API: "Instruction not in basis gates"

# Not gates, and understood by every backend. `bfunc` compares classical bits for a conditional.
_ALWAYS = frozenset({"measure", "reset", "barrier", "delay", "bfunc", "snapshot"})

# Gates of older programs, which devices still took and turned into their own.
_LEGACY = frozenset({"u1", "u2", "u3"})

_MATRICES = frozenset(
    {"unitary", "kraus", "superop", "multiplexer", "set_density_matrix", "set_unitary"}
)
_VECTORS = frozenset({"initialize", "diagonal", "set_statevector"})

Json = dict[str, Any]


class BadInstruction(Exception):  # noqa: N818 (named as the API names the fault)
    """An instruction that the backend does not have."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


def fit_to_simulator(experiments: list[Json], config: Json) -> None:
    """Decodes matrices in the experiments and in the noise model of the config, in place."""
    for experiment in experiments:
        for instruction in experiment["instructions"]:
            _decode(instruction)
    model = config.get("noise_model")
    for error in model.get("errors", []) if isinstance(model, dict) else []:
        for alternative in error.get("instructions", []):
            for instruction in alternative:
                _decode(instruction)


def fit_to_device(experiments: list[Json], device: Device) -> None:
    """Replaces legacy gates by the device's own, in place.

    Raises:
        BadInstruction: The device does not have an instruction, or not on those qubits.
    """
    configuration = device.configuration
    gates = _ALWAYS | _LEGACY | set(configuration["basis_gates"])
    coupled = {tuple(pair) for pair in configuration["coupling_map"] or []}
    for experiment in experiments:
        fitted: list[Json] = []
        for instruction in experiment["instructions"]:
            _check(instruction, gates, coupled, configuration["n_qubits"])
            fitted.extend(_without_legacy(instruction))
        experiment["instructions"] = fitted


def _check(
    instruction: Json, gates: frozenset[str], coupled: set[tuple[int, ...]], n_qubits: int
) -> None:
    name = instruction["name"]
    qubits = instruction.get("qubits", [])
    if name not in gates and not name.startswith("save_"):
        raise BadInstruction(_not_in_basis(instruction), _NOT_IN_BASIS)
    if any(not 0 <= qubit < n_qubits for qubit in qubits):
        raise BadInstruction(_not_in_basis(instruction), _NOT_IN_BASIS)
    if name == "cx" and tuple(qubits) not in coupled:
        raise BadInstruction(_not_in_basis(instruction), _NOT_IN_BASIS)


def _not_in_basis(instruction: Json) -> str:
    return (
        f"Instruction not in basis gates: instruction: {instruction['name']}, "
        f"qubits: {instruction.get('qubits', [])}, params: {instruction.get('params', [])}"
    )


def _without_legacy(instruction: Json) -> list[Json]:
    """u1, u2 and u3 as rz and sx, up to a global phase; the two sx of u3 carry its noise.

    Source: McKay, Wood, Sheldon, Chow, Gambetta, "Efficient Z gates for quantum computing"
    (2017), equations 2 and 5.
    """
    params = instruction.get("params", [])
    if instruction["name"] == "u1":
        return [_gate(instruction, "rz", params[0])]
    if instruction["name"] == "u2":
        phi, lam = params
        return [
            _gate(instruction, "rz", lam - math.pi / 2),
            _gate(instruction, "sx"),
            _gate(instruction, "rz", phi + math.pi / 2),
        ]
    if instruction["name"] == "u3":
        theta, phi, lam = params
        return [
            _gate(instruction, "rz", lam),
            _gate(instruction, "sx"),
            _gate(instruction, "rz", theta + math.pi),
            _gate(instruction, "sx"),
            _gate(instruction, "rz", phi + math.pi),
        ]
    return [instruction]


def _gate(like: Json, name: str, *params: float) -> Json:
    gate = {**like, "name": name, "params": list(params)}
    gate.pop("label", None)
    return gate


def _decode(instruction: Json) -> None:
    name = instruction.get("name")
    params = instruction.get("params")
    if not isinstance(params, list):
        return
    if name in _MATRICES:
        instruction["params"] = [_matrix(param) for param in params]
    elif name in _VECTORS:
        instruction["params"] = [_number(param) for param in params]


def _matrix(param: Any) -> npt.NDArray[np.complex128]:
    values = np.asarray(param, dtype=float)
    if values.ndim == 3:
        return np.asarray(values[..., 0] + 1j * values[..., 1])
    return values.astype(complex)


def _number(param: Any) -> Any:
    if isinstance(param, list) and len(param) == 2:
        return complex(*param)
    return param
