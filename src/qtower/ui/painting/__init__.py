"""What is sent to the terminal: the cells that differ from what stands there, and no others."""

from qtower.ui.painting.difference import lines_of
from qtower.ui.painting.shown import Shown
from qtower.ui.painting.sparing import SparingApp

__all__ = ["Shown", "SparingApp", "lines_of"]
