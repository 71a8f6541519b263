"""What can be done on every screen."""

from __future__ import annotations

from qtower.ui.action_tables.action import Action, Needs, Scope

EVERYWHERE: tuple[Action, ...] = (
    Action("change_theme", "Change the theme", (), "Choose other colours.", Scope.APP),
    Action(
        "help",
        "Help",
        ("question_mark", "f1"),
        "Show the keys and the signs.",
        Scope.APP,
        Needs.NOTHING,
        "help",
        85,
    ),
    Action(
        "command_palette",
        "Command palette",
        ("ctrl+p",),
        "Search for a command by name.",
        Scope.APP,
        Needs.NOTHING,
        "commands",
        20,
    ),
    Action(
        "redraw",
        "Draw the screen anew",
        ("ctrl+l",),
        "Draw all of the screen again, where something else has written on it.",
        Scope.APP,
    ),
    Action(
        "suspend_process",
        "Suspend",
        ("ctrl+z",),
        "Go back to the shell for a while; `fg` comes back.",
        Scope.APP,
    ),
    Action(
        "quit",
        "Quit",
        ("q", "ctrl+c", "ctrl+q"),
        "Leave. Jobs go on, and are listed next time.",
        Scope.APP,
        Needs.NOTHING,
        "quit",
        95,
    ),
)
