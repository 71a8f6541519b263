"""Between Textual's updates of the screen and what is written of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.console import Console
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate

from qtower.ui.painting.shown import Placed


class Difference(CompositorUpdate):
    """An update of which is known what it writes."""

    def __init__(self, written: str) -> None:
        self.written = written

    def render_segments(self, console: Console) -> str:
        """Returns what is written to the terminal."""
        return self.written


def lines_of(update: object) -> Mapping[int, Iterable[Placed]] | None:
    """What is to stand on which line after an update; None if it is of a kind not known here."""
    if isinstance(update, ChopsUpdate):
        # All of each line that is drawn anew, not only its spans: what gets lost elsewhere, as
        # Textual loses what it draws within a batch, is made good with the next update.
        return {
            y: [(x, strip) for x, strip in update.chops[y].items() if strip is not None]
            for y in {y for y, _, _ in update.spans}
        }
    if isinstance(update, LayoutUpdate):
        lines: dict[int, list[Placed]] = {}
        for y, strips in enumerate(update.strips, update.region.y):
            x = update.region.x
            lines[y] = []
            for strip in strips:
                lines[y].append((x, strip))
                x += strip.cell_length
        return lines
    return None
