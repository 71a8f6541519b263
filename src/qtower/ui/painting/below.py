"""What changes on a screen over which a dialog lies."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen


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
