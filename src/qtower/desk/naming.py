"""How experiments are called on the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtower.text import encodable

_LABEL_NAMES = 3


def experiment_name(index: int, experiment: Mapping[str, Any]) -> str:
    """The name in the header of experiment `index` of a result or a qobj, or its number."""
    header = experiment.get("header")
    name = header.get("name") if isinstance(header, Mapping) else None
    return str(name or f"experiment {index}")


def label_of(names: Sequence[str], experiments: int = 0) -> str:
    """The first names of a job of at least `experiments` experiments, on one line."""
    first = names[:_LABEL_NAMES]
    shown = [encodable(name) for name in first if name]
    more = len(first) < max(len(names), experiments)
    return ", ".join(shown) + (", …" if shown and more else "")
