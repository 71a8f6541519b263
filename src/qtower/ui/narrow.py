"""Partial updates of the screen that send only the cells that changed.

Textual sends a changed part of a line from the first cell of its widget on: of a line of 160 cells,
whose last one changed, all 160. On a thin line that is felt.
"""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, Compositor
from textual.screen import Screen


class NarrowUpdate(ChopsUpdate):
    """As Textual's, but cut on both sides."""

    def render_segments(self, console: Console) -> str:
        """Returns what is written to the terminal."""
        written: list[str] = []
        for y, start, end in self.spans:
            for chop_end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= end or chop_end <= start:
                    continue
                first, last = max(x, start), min(chop_end, end)
                written.append(Control.move_to(first, y).segment.text)
                written.append(strip.crop(first - x, last - x).render(console))
        return "".join(written)


class NarrowCompositor(Compositor):
    """Makes narrow updates."""

    def render_partial_update(self) -> ChopsUpdate | None:
        """Returns what changed since the last update, or None if nothing did."""
        update = super().render_partial_update()
        if update is None:
            return None
        return NarrowUpdate(update.chops, update.spans, update.chop_ends)


def shine_through(screen: Screen[Any]) -> bool:
    """Has the dialog over a screen draw what changed below it; False if none lies over it.

    Textual then asks for all of both screens, which asks for it again: 160 KB a second for as long
    as a dialog is open over a list in which something changes.
    """
    top, regions = screen.app.screen, screen._compositor._dirty_regions
    if screen not in screen.app._background_screens or screen is top:
        return False
    if regions:
        top.refresh(*regions)
        regions.clear()
    screen._dirty_widgets.clear()
    return True
