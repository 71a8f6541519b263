"""Snapshots of older programs, which Aer took under that name before it had save instructions."""

from __future__ import annotations

from typing import Any

_SAVES = {
    "statevector": "save_statevector",
    "density_matrix": "save_density_matrix",
    "stabilizer": "save_stabilizer",
}

# Marks, in the labels that Aer sees, what goes back under "snapshots".
_PREFIX = "snapshot:"

Json = dict[str, Any]


def as_saves(instructions: list[Json]) -> list[Json]:
    """Returns the instructions with snapshots as save instructions that keep a list.

    Snapshots of other types stay as they are, and Aer refuses them by name.
    """
    return [_as_save(instruction) for instruction in instructions]


def fold_snapshots(data: Json) -> Json:
    """Returns an experiment's data with snapshots where such programs look for them.

    That is `data["snapshots"][TYPE][LABEL]`, a list with one entry a shot, or a single entry
    where all shots share one.
    """
    marked = [key for key in data if key.startswith(_PREFIX)]
    if not marked:
        return data
    snapshots: dict[str, Json] = {}
    for key in marked:
        kind, label = key.removeprefix(_PREFIX).split(":", 1)
        value = data[key]
        snapshots.setdefault(kind, {})[label] = value if isinstance(value, list) else [value]
    rest = {key: value for key, value in data.items() if key not in marked}
    return {**rest, "snapshots": snapshots}


def _as_save(instruction: Json) -> Json:
    kind = instruction.get("snapshot_type", "")
    if instruction["name"] != "snapshot" or kind not in _SAVES:
        return instruction
    label = f"{_PREFIX}{kind}:{instruction.get('label', '')}"
    return {
        "name": _SAVES[kind],
        "qubits": instruction["qubits"],
        "label": label,
        "snapshot_type": "list",
    }
