"""What circuits with a device's noise cost to simulate, and how much is too much.

Aer computes a density matrix where that is cheaper, and otherwise every shot by itself (a
trajectory of the state vector); with the qubits that a circuit uses, both double with each one:

    seconds = sum over circuits of  min(shots, 2^qubits) x operations x 2^qubits x 10 ns / threads

The 10 ns are measured, noise included: 7 to 12 ns on a processor of 2020 or so, at 14 to 18 qubits.
Without this, 25 qubits keep a worker for weeks.
"""

from __future__ import annotations

from typing import Any

from qtower.service.instructions import BadInstruction

NOISY_SECONDS = 24 * 3600.0
"""What noisy circuits may cost where jobs have no limit of time."""

_AMPLITUDE_SECONDS = 10e-9
_TOO_LONG = 8031  # IBM API: "Submitted job is too long."
_FREE = frozenset({"barrier", "bfunc", "snapshot", "rz", "u1"})  # no noise, or worked in at once
_DOUBLING = (None, "automatic", "statevector", "density_matrix")

Json = dict[str, Any]


def check_cost(experiments: list[Json], config: Json, threads: int, limit: float | None) -> None:
    """Refuses circuits that with a device's noise could not end in `limit` seconds.

    Args:
        experiments: As Aer gets them.
        config: Of the qobj: shots, and the method if one is asked for.
        threads: How many a simulation may use.
        limit: Seconds; None for `NOISY_SECONDS`.

    Raises:
        BadInstruction: They cost too much.
    """
    if config.get("method") not in _DOUBLING:
        return
    shots = [_shots(experiment, config) for experiment in experiments]
    costs = [_seconds(*each, threads) for each in zip(experiments, shots, strict=True)]
    allowed = NOISY_SECONDS if limit is None else limit
    if sum(costs) <= allowed:
        return
    widest = max(map(_width, experiments))
    raise BadInstruction(
        f"With the device's noise, circuits of up to {widest} qubits and {max(shots)} shots would "
        f"take about {_words(sum(costs))}; a job may run for {_words(allowed)}. Use fewer qubits "
        "or shots, the method matrix_product_state, or a backend without noise",
        _TOO_LONG,
    )


def _shots(experiment: Json, config: Json) -> int:
    """Its own, if it has some: Aer takes those."""
    return int((experiment.get("config") or {}).get("shots") or config.get("shots") or 1024)


def _seconds(experiment: Json, shots: int, threads: int) -> float:
    states = 2.0 ** _width(experiment)
    operations = sum(step["name"] not in _FREE for step in experiment["instructions"])
    return min(shots, states) * operations * states * _AMPLITUDE_SECONDS / threads


def _width(experiment: Json) -> int:
    """How many qubits a circuit uses; Aer leaves out the others."""
    return len(
        {
            qubit
            for step in experiment["instructions"]
            if step["name"] != "barrier"
            for qubit in step.get("qubits", ())
        }
    )


def _words(seconds: float) -> str:
    for unit, size in (("years", 365 * 86400.0), ("days", 86400.0), ("hours", 3600.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"
