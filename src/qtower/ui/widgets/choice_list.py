"""A list of lines of which one is under the cursor; what Enter does there is the screen's."""

from __future__ import annotations

from textual.widgets import OptionList

from qtower.ui.actions import Scope, bindings


class ChoiceList(OptionList, inherit_bindings=False):
    """An `OptionList` whose keys stand in the action table. A click chooses, as in every list."""

    BINDINGS = bindings(Scope.CHOICES)
