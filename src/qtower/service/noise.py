"""A device's noise: its noise model for Aer, and relaxation while a qubit is idle.

Runs in the engine's children only. Aer reads noise models from a qobj, as dictionaries; what it
adds to circuits in Python (relaxation during delays) is added to a qobj's instructions here.
"""

from __future__ import annotations

import copy
from typing import Any

from qiskit.providers.models import BackendProperties
from qiskit_aer.noise import NoiseModel, thermal_relaxation_error
from qiskit_aer.noise.device import thermal_relaxation_values

from qtower.service.devices import Device

Json = dict[str, Any]


class DeviceNoise:
    """The noise of one device, made once from its properties: gates, readout, T1 and T2."""

    def __init__(self, device: Device) -> None:
        assert device.properties is not None
        properties = BackendProperties.from_dict(copy.deepcopy(device.properties))
        # Nanoseconds; the oldest devices do not tell it, and a delay there has no known length.
        self._dt: float | None = device.configuration.get("dt")
        # T1 and T2 in nanoseconds; T2 cannot be above 2 T1, though a measured one sometimes is.
        self._relaxation = [
            (t1, min(t2, 2 * t1)) for t1, t2, _ in thermal_relaxation_values(properties)
        ]
        seconds = None if self._dt is None else self._dt * 1e-9
        model = NoiseModel.from_backend_properties(properties, dt=seconds)
        self._errors: list[Json] = model.to_dict()["errors"]

    def model_for(self, experiments: list[Json]) -> Json:
        """Returns the noise model for `experiments`, whose delays it marks as noisy.

        After each delay an error location is put, as Aer's own relaxation pass would do.
        """
        idle: dict[str, Json] = {}
        for experiment in experiments:
            instructions = experiment["instructions"]
            if any(instruction["name"] == "delay" for instruction in instructions):
                experiment["instructions"] = self._mark_delays(instructions, idle)
        return {"errors": [*self._errors, *idle.values()]}

    def _mark_delays(self, instructions: list[Json], idle: dict[str, Json]) -> list[Json]:
        marked = []
        for instruction in instructions:
            marked.append(instruction)
            if instruction["name"] != "delay":
                continue
            duration = instruction["params"][0]  # in dt: the unit of a qobj
            for qubit in instruction["qubits"]:
                label = f"idle_{qubit}_{duration}"
                if self._dt is not None and duration > 0 and label not in idle:
                    idle[label] = self._idle_error(qubit, duration * self._dt, label)
                if label in idle:
                    marked.append({"name": "qerror_loc", "qubits": [qubit], "label": label})
        return marked

    def _idle_error(self, qubit: int, duration: float, label: str) -> Json:
        t1, t2 = self._relaxation[qubit]
        error = thermal_relaxation_error(t1, t2, duration).to_dict()
        return {**error, "operations": [label], "id": label}
