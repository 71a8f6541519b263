"""What is sent to the terminal: the cells that differ from what stands there, and no others."""

from qtower.ui.painting.difference import Difference, lines_of
from qtower.ui.painting.shown import Shown

__all__ = ["Difference", "Shown", "lines_of"]
