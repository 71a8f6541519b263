"""From the populations of levels to what the API returns: counts, or points in the IQ plane."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

# Without noise, points still scatter as qiskit-dynamics has them do: this much around a level's.
_SCATTER = 0.2
_LEAST_ERROR, _GREATEST_ERROR = 1e-6, 0.4
_DIGITS = 6  # of a point; more would only make results longer

Json: TypeAlias = dict[str, Any]
Levels: TypeAlias = npt.NDArray[np.int64]


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """How outcomes are asked for."""

    level: int  # 1: points in the IQ plane, 2: counts
    average: bool  # at level 1: one point for all shots
    shots: int
    memory: bool  # at level 2: also the outcome of each shot


def sample_levels(
    populations: npt.NDArray[np.float64], shots: int, random: np.random.Generator
) -> Levels:
    """Returns the level of each qubit in each shot, of shape (shots, qubits), first qubit first.

    Args:
        populations: Of all states, of shape (levels, ...), the last qubit first.
        shots: How many.
        random: Where chance comes from.
    """
    weights = populations.clip(min=0).ravel()
    states = random.choice(len(weights), size=shots, p=weights / weights.sum())
    digits = np.unravel_index(states, populations.shape)
    return np.stack(digits[::-1], axis=1).astype(np.int64)


def counted(
    levels: Mapping[int, Levels],
    slots: Mapping[int, int],
    misread: Mapping[int, tuple[float, float]],
    measurement: Measurement,
    random: np.random.Generator,
) -> Json:
    """Returns counts by hexadecimal outcome, and the outcome of each shot if asked for.

    Levels above 1 are read as 1.

    Args:
        levels: By measured qubit, its level in each shot.
        slots: By measured qubit, its memory slot: a bit of the outcome.
        misread: By measured qubit, the probabilities of 1 for 0 and 0 for 1.
        measurement: How outcomes are asked for.
        random: Where chance comes from.
    """
    qubits = sorted(slots)
    bits = np.stack([_read(levels[qubit] > 0, misread[qubit], random) for qubit in qubits], axis=1)
    rows, which, numbers = np.unique(bits, axis=0, return_inverse=True, return_counts=True)
    # Python's integers: a memory may have more than 64 slots.
    outcomes = [
        hex(sum(1 << slots[qubit] for qubit, bit in zip(qubits, row, strict=True) if bit))
        for row in rows
    ]
    data: Json = {"counts": {}}
    for outcome, number in zip(outcomes, numbers.tolist(), strict=True):
        data["counts"][outcome] = data["counts"].get(outcome, 0) + number
    if measurement.memory:
        data["memory"] = [outcomes[index] for index in which.tolist()]
    return data


def scattered(
    levels: Mapping[int, Levels],
    slots: Mapping[int, int],
    level_counts: Mapping[int, int],
    misread: Mapping[int, tuple[float, float]],
    width: int,
    measurement: Measurement,
    random: np.random.Generator,
) -> Json:
    """Returns points [I, Q] by memory slot: of each shot, or averaged over all.

    The levels of a qubit lie around the unit circle, the ground state at (1, 0), as
    qiskit-dynamics puts them; points scatter so that the middle between 0 and 1 is on the wrong
    side of them as often as the device misreads. Slots that nothing was written to are (0, 0).

    Args:
        levels, slots, misread, measurement, random: As of `counted`.
        level_counts: By measured qubit, how many levels it has in the model.
        width: How many memory slots there are at least.
    """
    width = max(width, 1 + max(slots.values()))
    points = np.zeros((measurement.shots, width, 2))
    for qubit in sorted(slots):
        angle = 2 * math.pi / level_counts[qubit]
        angles = angle * levels[qubit]
        centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        scatter = _scatter(misread[qubit], distance=2 * math.sin(angle / 2))
        points[:, slots[qubit]] = centres + random.normal(0, scatter, centres.shape)
    shown = points.mean(axis=0) if measurement.average else points
    return {"memory": shown.round(_DIGITS)}


def _read(
    excited: npt.NDArray[np.bool_], misread: Sequence[float], random: np.random.Generator
) -> npt.NDArray[np.bool_]:
    one_for_zero, zero_for_one = misread
    chance = random.random(len(excited))
    return excited ^ (chance < np.where(excited, zero_for_one, one_for_zero))


def _scatter(misread: Sequence[float], distance: float) -> float:
    """The width of two normal distributions of which this share is beyond the middle."""
    error = sum(misread) / 2
    if error < _LEAST_ERROR:
        return _SCATTER
    return float(distance / 2 / -ndtri(min(error, _GREATEST_ERROR)))
