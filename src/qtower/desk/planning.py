"""An order as jobs: read, transpiled, checked against the backend and split, before it is sent."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit
from qiskit.providers.ibmq import IBMQBackend

from qtower.errors import JobStateError, SubmissionError
from qtower.model import JobRow, Order, Plan, Problem
from qtower.text import encodable

from .circuit_checks import check_qobj_fits, fit_circuit
from .circuit_files import Loaded, load
from .naming import label_of
from .order_checks import check_fields, default_name
from .qobj_files import Qobj

# Qiskit spreads work on lists of circuits over forked processes: in a process with threads, such
# as the agent, a fork may inherit a held lock and never end.
os.environ["QISKIT_IN_PARALLEL"] = "TRUE"

_DEFAULT_SHOTS = 4000  # IBMQBackend's own default, cut to max_shots


@dataclass(frozen=True)
class Part:
    """One job of a set: circuits to assemble with `run_config`, or a qobj as it is."""

    content: list[QuantumCircuit] | Qobj
    experiments: int
    start_index: int
    label: str
    shots: int | None
    run_config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PreparedPlan:
    """A plan, and what would be sent. `parts` is empty if the plan has problems."""

    plan: Plan
    parts: list[Part]
    tags: list[str] = field(default_factory=list)


def plan(
    order: Order, backend: IBMQBackend, clock: Callable[[], float] = time.time
) -> PreparedPlan:
    """Returns what `order` would send to `backend`, or all that is wrong with it.

    Raises:
        IBMQError: The backend's status or properties could not be read.
    """
    problems = list(check_fields(order, backend))
    loaded, unread = _read(order.files)
    problems += unread
    for source in loaded:
        problems += _qobj_problems(source, order, backend.configuration())
    circuits, unfit = _fit(loaded, backend, order.transpile)
    problems += unfit
    parts = [] if problems else _split(loaded, circuits, order, backend.configuration())
    shots = {part.shots for part in parts}
    made = Plan(
        backend=backend.name(),
        name=order.name.strip() or default_name(order.files, clock()),
        experiments=sum(len(source.experiments) for source in loaded),
        jobs=len(parts),
        shots=shots.pop() if len(shots) == 1 else None,
        problems=problems,
        plan_id="" if problems else new_plan_id(),
    )
    return PreparedPlan(made, parts, tags=list(dict.fromkeys(order.tags)))


def new_plan_id() -> str:
    """Returns an id for a plan that can be submitted."""
    return uuid.uuid4().hex


def circuits_part(
    circuits: list[QuantumCircuit], start_index: int, shots: int, memory: bool, label: str = ""
) -> Part:
    """Returns circuits as one job, run `shots` times each."""
    return Part(
        content=circuits,
        experiments=len(circuits),
        start_index=start_index,
        label=label or label_of([circuit.name for circuit in circuits]),
        shots=shots,
        run_config={"shots": shots, "memory": memory},
    )


def qobj_part(source: Loaded, start_index: int, label: str = "") -> Part:
    """Returns a qobj file as one job, exactly as it is."""
    return Part(
        content=source.qobj,
        experiments=len(source.experiments),
        start_index=start_index,
        label=label or label_of(source.experiments) or encodable(source.path.stem),
        shots=source.shots,
    )


def prepared_again(name: str, jobs: Sequence[tuple[JobRow, Any]]) -> PreparedPlan:
    """Returns jobs of one backend, each by its row and `ManagedJob`, as a set to be sent anew.

    Raises:
        JobStateError: The endpoint does not have the qobj of one of them any more.
        IBMQError: It could not be asked.
    """
    parts: list[Part] = []
    start = 0
    for row, managed_job in jobs:
        qobj = managed_job.job.qobj()
        if qobj is None:
            raise JobStateError(
                f"The endpoint does not have the qobj of job {row.job_id} any more.",
                "Submit its file anew.",
            )
        count = len(qobj.experiments)
        parts.append(Part(qobj, count, start, row.label, row.shots))
        start += count
    shots = {part.shots for part in parts}
    made = Plan(
        backend=jobs[0][0].backend,
        name=name,
        experiments=start,
        jobs=len(parts),
        shots=shots.pop() if len(shots) == 1 else None,
        plan_id=new_plan_id(),
    )
    return PreparedPlan(made, parts, tags=list(jobs[0][0].tags))


def _read(files: list[str]) -> tuple[list[Loaded], list[Problem]]:
    loaded, problems = [], []
    for path in files:
        try:
            loaded.append(load(path))
        except SubmissionError as error:
            problems.append(Problem(field="files", message=f"{Path(path).name or path}: {error}"))
    return loaded, problems


def _qobj_problems(source: Loaded, order: Order, configuration: Any) -> list[Problem]:
    if source.qobj is None:
        return []
    name, problems = source.path.name, []
    try:
        check_qobj_fits(source.qobj, configuration)
    except SubmissionError as error:
        problems.append(Problem(field="files", message=f"{name}: {error}"))
    if order.shots is not None and order.shots != source.shots:
        asked = f"{source.shots} shots" if source.shots else "no number of shots"
        problems.append(
            Problem(
                field="shots",
                message=f"{name} is a qobj, sent as it is, and asks for {asked}: "
                "leave shots empty, or submit it alone.",
            )
        )
    if order.memory and not getattr(source.qobj.config, "memory", False):
        problems.append(
            Problem(
                field="memory",
                message=f"{name} is a qobj, sent as it is, and asks for no memory: leave it off.",
            )
        )
    return problems


def _fit(
    loaded: list[Loaded], backend: IBMQBackend, translate: bool
) -> tuple[dict[int, list[QuantumCircuit]], list[Problem]]:
    """The circuits of each file as they would be sent, by the file's place in `loaded`."""
    fitted: dict[int, list[QuantumCircuit]] = {}
    problems = []
    for place, source in enumerate(loaded):
        try:
            fitted[place] = [
                fit_circuit(circuit, backend, translate) for circuit in source.circuits
            ]
        except SubmissionError as error:
            problems.append(Problem(field="files", message=f"{source.path.name}: {error}"))
    return fitted, problems


def _split(
    loaded: list[Loaded],
    circuits: dict[int, list[QuantumCircuit]],
    order: Order,
    configuration: Any,
) -> list[Part]:
    """Jobs in the order of the files: a qobj is one by itself, circuits between them share."""
    most = getattr(configuration, "max_shots", None) or _DEFAULT_SHOTS
    shots = order.shots or min(_DEFAULT_SHOTS, most)
    size = order.experiments_per_job or getattr(configuration, "max_experiments", None)
    parts: list[Part] = []
    waiting: list[QuantumCircuit] = []
    start = 0

    def send_waiting() -> None:
        nonlocal start
        for chunk in _chunks(waiting, size):
            parts.append(circuits_part(chunk, start, shots, order.memory))
            start += len(chunk)
        waiting.clear()

    for place, source in enumerate(loaded):
        if source.qobj is None:
            waiting.extend(circuits[place])
            continue
        send_waiting()
        parts.append(qobj_part(source, start))
        start += len(source.experiments)
    send_waiting()
    return parts


def _chunks(circuits: list[QuantumCircuit], size: int | None) -> list[list[QuantumCircuit]]:
    step = size or len(circuits) or 1
    return [circuits[place : place + step] for place in range(0, len(circuits), step)]
