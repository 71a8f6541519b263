"""The action table: what a person can do on every screen, as data. In parts, a module for each."""

from __future__ import annotations

from qtower.ui.action_tables.action import Action, Needs, Scope
from qtower.ui.action_tables.details import DETAILS
from qtower.ui.action_tables.dialogs import DIALOGS
from qtower.ui.action_tables.everywhere import EVERYWHERE
from qtower.ui.action_tables.jobs import JOBS
from qtower.ui.action_tables.moving import MOVING
from qtower.ui.action_tables.sets import SETS
from qtower.ui.action_tables.submit import SUBMIT

__all__ = ["ACTIONS", "BY_ID", "Action", "Needs", "Scope"]

ACTIONS: tuple[Action, ...] = (
    *JOBS,
    *DETAILS,
    *SUBMIT,
    *SETS,
    *DIALOGS,
    *MOVING,
    *EVERYWHERE,
)
"""All of them; on a line of keys they stand in this order."""

BY_ID = {action.id: action for action in ACTIONS}
