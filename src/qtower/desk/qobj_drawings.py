"""Experiments of a qobj drawn as text."""

from __future__ import annotations

from typing import Any

from qiskit.exceptions import QiskitError

from qtower.text import inert, inert_lines

from .qobj_circuits import UndrawableError, circuit_of

# Drawing takes time in proportion to columns times wires: measured, this is about a second.
_MOST_CELLS = 25_000
_FEWEST_INSTRUCTIONS, _MOST_INSTRUCTIONS = 100, 5_000
_MOST_LINES = 2_000

# What instructions of any types raise on their way into a drawing.
_SENSELESS = (UndrawableError, QiskitError, LookupError, ValueError, TypeError, AttributeError)


def draw(experiment: dict[str, Any], kind: str, width: int) -> str:
    """Returns an experiment as text at most about `width` columns wide, safe for a terminal.

    A circuit is drawn by Qiskit; a pulse schedule is a table by time. What is too large is cut,
    and a last line says so.
    """
    try:
        return inert_lines(_table(experiment) if kind == "PULSE" else _circuit(experiment, width))
    except _SENSELESS as error:
        what = "a schedule" if kind == "PULSE" else "a circuit"
        known = isinstance(error, UndrawableError)
        reason = str(error) if known else f"It makes no sense as {what}."
        instructions = _list(experiment.get("instructions") or [])
        return inert_lines(f"{reason} Its instructions, one a line:\n\n{instructions}")


def _circuit(experiment: dict[str, Any], width: int) -> str:
    instructions = experiment.get("instructions") or []
    wires = len({place for item in instructions for place in item.get("qubits") or []}) + 1
    limit = min(_MOST_INSTRUCTIONS, max(_FEWEST_INSTRUCTIONS, _MOST_CELLS // wires))
    circuit = circuit_of(experiment, limit)
    drawing = str(circuit.draw("text", fold=max(width, 40), idle_wires=circuit.num_qubits <= 16))
    if len(instructions) > limit:
        drawing += _cut_after(limit, len(instructions))
    return drawing


def _list(instructions: list[dict[str, Any]]) -> str:
    lines = [
        f"{place:>6}  {inert(str(item.get('name')), 30):<12} "
        + " ".join(f"{name}={value}"[:80] for name, value in item.items() if name != "name")
        for place, item in enumerate(instructions[:_MOST_LINES])
    ]
    more = _cut_after(_MOST_LINES, len(instructions)) if len(instructions) > _MOST_LINES else ""
    return "\n".join(lines) + more


def _table(experiment: dict[str, Any]) -> str:
    """Pulse instructions by start time, in units of the backend's dt."""
    instructions = experiment.get("instructions") or []
    ordered = sorted(instructions, key=lambda item: (item.get("t0") or 0, str(item.get("ch"))))
    lines = [f"{'t0 (dt)':>10}  {'channel':<8} {'instruction':<22} what"]
    for item in ordered[:_MOST_LINES]:
        channel = item.get("ch") or _measured(item)
        name = inert(str(item.get("name")), 22)
        lines.append(
            f"{item.get('t0', 0):>10}  {inert(str(channel), 8):<8} {name:<22} {_what(item)}"
        )
    more = _cut_after(_MOST_LINES, len(ordered)) if len(ordered) > _MOST_LINES else ""
    return "\n".join(lines) + more


def _measured(item: dict[str, Any]) -> str:
    return ",".join(f"a{qubit}" for qubit in item.get("qubits") or [])


def _what(item: dict[str, Any]) -> str:
    """The facts of a pulse instruction: phase (rad), frequency (GHz), duration (dt), amplitude."""
    facts = []
    for name in ("pulse_shape", "duration", "phase", "frequency", "val", "memory_slot"):
        if item.get(name) is not None:
            facts.append(f"{name} {item[name]}")
    for name, value in (item.get("parameters") or {}).items():
        facts.append(f"{name} {value}")
    return inert("  ".join(facts), 120)


def _cut_after(shown: int, total: int) -> str:
    return f"\n\nThe first {shown:,} of {total:,} instructions are shown: the rest would take long."
