"""A line to type in, which shows what it holds inert: a file's name or a paste may be anything."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.text import Text
from textual.widgets import Input

from qtower.text import inert_characters


class Field(Input):
    """An `Input` in which each character of the value takes up a place that can be seen."""

    @property
    def _value(self) -> Text:
        return Text(_shown(self.value), no_wrap=True, overflow="ignore", end="")

    def _position_to_cell(self, position: int) -> int:
        return cell_len(_shown(self.value[:position]))


@lru_cache(maxsize=8)  # asked for at each blink of the cursor
def _shown(value: str) -> str:
    return inert_characters(value)
