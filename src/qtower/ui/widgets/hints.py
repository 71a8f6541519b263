"""The line of keys at the bottom of a screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.widget import Widget

Hint = tuple[str, str]
"""A key as people call it, and what it does."""


class Hints(Widget):
    """Keys and what they do, as many as fit: the last ones give way first."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"hints--key"}

    def __init__(self, hints: Sequence[Hint] = (), *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._hints = list(hints)

    def show(self, hints: Sequence[Hint]) -> None:
        """Replaces the hints."""
        self._hints = list(hints)
        self.refresh()

    def render(self) -> Text:
        key_style = self.get_component_rich_style("hints--key", partial=True)
        line = Text(no_wrap=True)
        for key, what in self._hints:
            gap = "   " if line.plain else ""
            if len(line.plain) + len(gap) + len(key) + 1 + len(what) > self.size.width:
                break
            line.append(gap)
            line.append(key, style=key_style)
            line.append(f" {what}")
        return line
