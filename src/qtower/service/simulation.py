"""What a child of the engine does with a job: qobj JSON in, Aer, result JSON out.

Aer is given the qobj itself. Measured against circuits made from it (`disassemble`, then
`AerSimulator.run`) on 300 experiments: the same counts for the same seeds in half the time, with
conditionals as the qobj states them. Headers never pass through Aer: they go back as they came.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from qiskit.exceptions import QiskitError
from qiskit.qobj import QasmQobj, QasmQobjConfig, QasmQobjExperiment, QobjHeader
from qiskit_aer import AerSimulator
from qiskit_aer.backends.backend_utils import cpp_execute_qobj
from qiskit_aer.backends.controller_wrappers import aer_controller_execute

from qtower.service import payloads
from qtower.service.costs import check_cost
from qtower.service.devices import Device, load_device
from qtower.service.instructions import BadInstruction, fit_to_device, fit_to_simulator
from qtower.service.limits import Limits
from qtower.service.noise import DeviceNoise
from qtower.service.orders import NOT_RUN, Outcome
from qtower.service.snapshots import as_saves, fold_snapshots

if TYPE_CHECKING:
    from qtower.service.pulse import PulseSimulation

_AER_FAILED = 5204  # IBM API: "Error raised when execution on AER failed."
_NO_PULSE = 8011  # IBM API: "Pulse experiments are not supported on this system."
_BAD_INSTRUCTION = 7005  # IBM API: "Error in supplied instruction."

# Ours to decide, whatever a program put into its qobj: threads, memory, other hardware.
_OWN_OPTIONS = (
    *("executor", "max_job_size", "max_shot_size", "accept_distributed_results", "device"),
    *("max_parallel_threads", "max_parallel_experiments", "max_parallel_shots", "max_memory_mb"),
    "mps_omp_threads",
    *("cuStateVec_enable", "batched_shots_gpu", "blocking_enable", "num_threads_per_device"),
)

# Between the seeds of consecutive experiments, as Aer itself spaces them.
_SEED_STEP = 2113

_SHOWN = 1_000  # characters of a message: parts of the qobj may be in it, of any size

_PULSE_EXTRA = "qiskit_dynamics"
_AUTOMATIC = "automatic"

# What malformed input raises on its way into Aer. The texts of these exceptions may hold parts of
# the qobj, so only those of Qiskit and Aer are shown.
_MALFORMED = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError)

Json = dict[str, Any]


class Simulation:
    """Aer, warm, with the devices used so far and their noise.

    Args:
        threads: How many threads a simulation may use.
    """

    def __init__(self, threads: int) -> None:
        self._controller = aer_controller_execute()
        self._options = frozenset(vars(AerSimulator().options)).difference(_OWN_OPTIONS) | {
            *("memory_slots", "n_qubits", "meas_level", "init_qubits"),
        }
        self._limits: Json = {"max_parallel_threads": threads, "max_parallel_experiments": 1}
        self._devices: dict[str, Device] = {}
        self._noise: dict[str, DeviceNoise] = {}
        self._pulses: dict[tuple[str, bool], PulseSimulation] = {}

    def run(
        self,
        job_id: str,
        device: str,
        qobj_file: Path,
        result_file: Path,
        options: Mapping[str, Any] | None = None,
        limits: Limits | None = None,
    ) -> Outcome:
        """Simulates the qobj in `qobj_file` and writes its result, if there is one.

        Args:
            job_id: Stands in the result.
            device: The backend's name.
            qobj_file: As `payloads.write` left it.
            result_file: Where the result goes.
            options: How the backend is set up. "device": what it is, if it is not built in
                (`simulator`, or a fake device: `fake_lima`); "method": Aer's method for all of its
                circuits, unless "automatic"; "noise": False for a device without its noise.
            limits: What the job may take; here, how large its result may be, and whether noisy
                circuits can end in time.
        """
        setup = options or {}
        try:
            backend = self._device(device, setup.get("device"))
            return self._run(job_id, backend, setup, qobj_file, result_file, limits or Limits())
        except BadInstruction as error:
            return Outcome(kind="failed", message=_sentence(error.message), code=error.code)
        except OSError as error:
            message = (
                f"The qobj could not be read, or the result not stored: {error.strerror or error}"
            )
            return Outcome(kind="failed", message=message, code=NOT_RUN)
        except MemoryError:
            message = "The job needs more memory than this service has"
            return Outcome(kind="failed", message=message, code=_AER_FAILED)
        except QiskitError as error:
            return Outcome(kind="failed", message=_sentence(error.message), code=_AER_FAILED)
        except RuntimeError as error:
            return Outcome(kind="failed", message=_sentence(str(error)), code=_AER_FAILED)
        except _MALFORMED as error:
            message = f"The qobj is malformed ({type(error).__name__})"
            return Outcome(kind="failed", message=message, code=_BAD_INSTRUCTION)

    def _run(
        self,
        job_id: str,
        device: Device,
        setup: Mapping[str, Any],
        qobj_file: Path,
        result_file: Path,
        limits: Limits,
    ) -> Outcome:
        began = time.perf_counter()
        qobj: Json = msgspec.json.decode(payloads.read(qobj_file))
        headers = [experiment.get("header") or {} for experiment in qobj["experiments"]]
        if qobj["type"] == "PULSE":
            results = self._pulse_simulation(device, noise=setup.get("noise", True)).results(qobj)
        else:
            results = self._results(qobj, device, setup, limits)
        failures = [result["status"] for result in results if not result["success"]]
        if failures and not device.simulator:
            return Outcome(kind="failed", message=_sentence(failures[0]), code=_AER_FAILED)
        for result, header in zip(results, headers, strict=True):
            result["header"] = header
        document = {
            "backend_name": device.name,
            "backend_version": device.configuration["backend_version"],
            "job_id": job_id,
            "qobj_id": qobj.get("qobj_id") or job_id,
            "date": datetime.now(timezone.utc).isoformat(),
            "status": "COMPLETED",
            "success": not failures,
            "header": qobj.get("header") or {},
            "results": results,
            "time_taken": time.perf_counter() - began,
        }
        content = msgspec.json.encode(document, enc_hook=_plain)
        most = limits.result_bytes
        if most is not None and len(content) > most:
            message = f"The result has {len(content):,} bytes; {most:,} are allowed"
            return Outcome(kind="failed", message=message, code=NOT_RUN)
        # A job has no part in a full disk; meanwhile it is RUNNING, and can be cancelled.
        while not payloads.room_for(partial(payloads.write, result_file, content)):
            time.sleep(payloads.ROOM_SECONDS)
        if not failures:
            return Outcome(kind="completed", has_result=True)
        message = f"{len(failures)} of {len(results)} experiments failed"
        return Outcome(kind="failed", message=message, code=_AER_FAILED, has_result=True)

    def _results(
        self, qobj: Json, device: Device, setup: Mapping[str, Any], limits: Limits
    ) -> list[Json]:
        """One result an experiment, in order, whether it succeeded or not."""
        config: Json = {key: qobj["config"][key] for key in self._options & qobj["config"].keys()}
        config = {key: value for key, value in config.items() if value is not None} | self._limits
        experiments: list[Json] = qobj["experiments"]
        for experiment in experiments:
            experiment["header"] = {}
        if device.simulator:
            fit_to_simulator(experiments, config)
        else:
            fit_to_device(experiments, device)
            config.pop("noise_model", None)
        if setup.get("method", _AUTOMATIC) != _AUTOMATIC:
            config["method"] = setup["method"]
        if not device.simulator and setup.get("noise", True):
            check_cost(experiments, config, self._limits["max_parallel_threads"], limits.seconds)
            config["noise_model"] = self._noise_of(device).model_for(experiments)
        for experiment in experiments:
            experiment["instructions"] = as_saves(experiment["instructions"])
        readable = [QasmQobjExperiment.from_dict(experiment) for experiment in experiments]
        results = self._execute(config, readable)
        return [_finished(result, config) for result in results]

    def _execute(self, config: Json, experiments: list[QasmQobjExperiment]) -> list[Json]:
        output = self._aer(config, experiments)
        results: list[Json] = output["results"]
        if len(results) == len(experiments):
            return results
        if len(experiments) == 1:
            # Aer could not read it at all, and says so only once.
            return [{"success": False, "status": output["status"], "data": {}}]
        # One that Aer cannot read spoils them all: each by itself, and the good ones are kept.
        return [
            self._execute(_config_of(config, index), [experiment])[0]
            for index, experiment in enumerate(experiments)
        ]

    def _aer(self, config: Json, experiments: list[QasmQobjExperiment]) -> Json:
        qobj = QasmQobj("", QasmQobjConfig.from_dict(dict(config)), experiments, QobjHeader())
        output: Json = cpp_execute_qobj(self._controller, qobj)
        return output

    def _device(self, name: str, model: str | None) -> Device:
        if name not in self._devices:
            self._devices[name] = load_device(name, model)
        return self._devices[name]

    def _pulse_simulation(self, device: Device, *, noise: bool) -> PulseSimulation:
        if importlib.util.find_spec(_PULSE_EXTRA) is None:
            message = (
                "Pulse jobs cannot be simulated: the service was installed without qtower[pulse]"
            )
            raise BadInstruction(message, _NO_PULSE)
        # Only now: it costs more than a second, and most workers never see a pulse.
        from qtower.service.pulse import PulseSimulation

        key = (device.name, noise)
        if key not in self._pulses:
            self._pulses[key] = PulseSimulation(device, noise=noise)
        return self._pulses[key]

    def _noise_of(self, device: Device) -> DeviceNoise:
        if device.name not in self._noise:
            self._noise[device.name] = DeviceNoise(device)
        return self._noise[device.name]


def _config_of(config: Json, index: int) -> Json:
    """The config for one experiment alone: its seed is the one it has among the others."""
    seed = config.get("seed_simulator")
    if seed is None:
        return config
    return {**config, "seed_simulator": seed + index * _SEED_STEP}


def _finished(result: Json, config: Json) -> Json:
    """An experiment's result with the fields of the schema, and snapshots as they were asked."""
    result.pop("circ_id", None)
    result["status"] = result["status"].strip()
    result.setdefault("shots", config.get("shots", 1024))
    result["meas_level"] = 2
    if "seed_simulator" in result:
        result["seed"] = result["seed_simulator"]
    result["data"] = fold_snapshots(result["data"])
    return result


def _sentence(status: str) -> str:
    return status[:_SHOWN].removeprefix("ERROR:").strip().rstrip(".")


def _plain(value: Any) -> Any:
    """Complex numbers as [re, im], arrays as lists: what the provider's decoder expects."""
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(type(value).__name__)
