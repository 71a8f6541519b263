"""Which hints fit in a line of keys, and where they stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len

from qtower.ui.actions import Action, key_word

_GAP = 2


class Hint(NamedTuple):
    """A key and its word, from cell `x` to cell `end` (exclusive)."""

    action: str
    key: str
    word: str
    x: int
    end: int


def hints_that_fit(
    offered: Sequence[Action], width: int, *, start: int = 1, gap: int = _GAP
) -> list[Hint]:
    """The hints in their order and place; the least important are left out until they fit.

    Args:
        offered: The actions, in their order.
        width: Cells of the line.
        start: The cell of the first one.
        gap: Cells between two.
    """
    kept = list(offered)
    while kept and (placed := _placed(kept, start, gap))[-1].end > width:
        kept.remove(min(kept, key=lambda action: action.importance))
    return placed if kept else []


def _placed(kept: Sequence[Action], x: int, gap: int) -> list[Hint]:
    hints = []
    for action in kept:
        key = action.hint_key or key_word(action.keys[0])
        end = x + cell_len(key) + 1 + cell_len(action.hint)
        hints.append(Hint(action.id, key, action.hint, x, end))
        x = end + gap
    return hints
