"""Questions, and help: what lies over another screen."""

from __future__ import annotations

from qtower.ui.action_tables.action import Action, Scope

_CONFIRM = Scope.CONFIRM
_LEAVE = Scope.LEAVE

DIALOGS: tuple[Action, ...] = (
    Action(
        "confirm.no", "No", ("n", "escape"), "Leave it as it is.", _CONFIRM, call="answer(False)"
    ),
    Action("confirm.yes", "Yes", ("y",), "Do it.", _CONFIRM, call="answer(True)"),
    Action(
        "confirm.other",
        "Other answer",
        ("left", "right", "up", "down", "h", "l"),
        "Move between the answers.",
        _CONFIRM,
        call="app.focus_next",
    ),
    Action("leave.stay", "Stay", ("n", "escape"), "Leave it as it is.", _LEAVE, call="answer('')"),
    Action(
        "leave.background",
        "Background",
        ("b",),
        "Quit; a process of its own sends the rest.",
        _LEAVE,
        changes=True,
        call="answer('background')",
    ),
    Action(
        "leave.stop",
        "Stop",
        ("s",),
        "Quit; what is not sent is kept for later.",
        _LEAVE,
        changes=True,
        call="answer('stop')",
    ),
    Action(
        "leave.other",
        "Other answer",
        ("left", "right", "up", "down", "h", "l", "j", "k"),
        "Move between the answers.",
        _LEAVE,
        call="app.focus_next",
    ),
    Action(
        "help.close",
        "Close",
        ("escape", "q", "question_mark", "enter"),
        "Back to where you were.",
        Scope.HELP,
        call="dismiss(None)",
    ),
)
