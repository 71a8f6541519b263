"""Moving in what several screens have: lists of lines, texts that scroll, the tree of a JSON."""

from __future__ import annotations

from qtower.ui.action_tables.action import Action, Scope

_CHOICES = Scope.CHOICES
_TEXT = Scope.TEXT
_TREE = Scope.TREE

MOVING: tuple[Action, ...] = (
    Action(
        "choices.down", "Down", ("down", "j"), "To the next line.", _CHOICES, call="cursor_down"
    ),
    Action("choices.up", "Up", ("up", "k"), "To the line above.", _CHOICES, call="cursor_up"),
    Action(
        "choices.page_down",
        "Page down",
        ("pagedown",),
        "A screen down.",
        _CHOICES,
        call="page_down",
    ),
    Action("choices.page_up", "Page up", ("pageup",), "A screen up.", _CHOICES, call="page_up"),
    Action(
        "choices.top", "To the top", ("g", "home"), "To the first line.", _CHOICES, call="first"
    ),
    Action(
        "choices.bottom", "To the bottom", ("G", "end"), "To the last line.", _CHOICES, call="last"
    ),
    Action("text.down", "Down", ("down", "j"), "A line down.", _TEXT, call="scroll_down"),
    Action("text.up", "Up", ("up", "k"), "A line up.", _TEXT, call="scroll_up"),
    Action("text.left", "Left", ("left",), "To the left.", _TEXT, call="scroll_left"),
    Action("text.right", "Right", ("right",), "To the right.", _TEXT, call="scroll_right"),
    Action("text.page_down", "Page down", ("pagedown",), "A screen down.", _TEXT, call="page_down"),
    Action("text.page_up", "Page up", ("pageup",), "A screen up.", _TEXT, call="page_up"),
    Action(
        "text.page_left",
        "Page left",
        ("ctrl+pageup",),
        "A screen to the left.",
        _TEXT,
        call="page_left",
    ),
    Action(
        "text.page_right",
        "Page right",
        ("ctrl+pagedown",),
        "A screen to the right.",
        _TEXT,
        call="page_right",
    ),
    Action("text.top", "To the top", ("g", "home"), "To the beginning.", _TEXT, call="scroll_home"),
    Action("text.bottom", "To the bottom", ("G", "end"), "To the end.", _TEXT, call="scroll_end"),
    Action("tree.down", "Down", ("down", "j"), "To the next line.", _TREE, call="cursor_down"),
    Action("tree.up", "Up", ("up", "k"), "To the line above.", _TREE, call="cursor_up"),
    Action("tree.open", "Open", ("right",), "Open the branch.", _TREE, call="open"),
    Action(
        "tree.close",
        "Close",
        ("left",),
        "Close the branch, or go to the one that holds it.",
        _TREE,
        call="close",
    ),
    Action(
        "tree.select",
        "Open or close",
        ("enter",),
        "Open the branch, or close it; on the line that says so, read on.",
        _TREE,
        call="select_cursor",
    ),
    Action(
        "tree.toggle",
        "Open or close",
        ("space",),
        "Open the branch, or close it.",
        _TREE,
        call="toggle_node",
    ),
    Action(
        "tree.toggle_all",
        "Open or close all beside it",
        ("shift+space",),
        "Open all branches beside this one, or close them.",
        _TREE,
        call="toggle_expand_all",
    ),
    Action("tree.page_down", "Page down", ("pagedown",), "A screen down.", _TREE, call="page_down"),
    Action("tree.page_up", "Page up", ("pageup",), "A screen up.", _TREE, call="page_up"),
    Action(
        "tree.page_left",
        "Page left",
        ("ctrl+pageup",),
        "A screen to the left.",
        _TREE,
        call="page_left",
    ),
    Action(
        "tree.page_right",
        "Page right",
        ("ctrl+pagedown",),
        "A screen to the right.",
        _TREE,
        call="page_right",
    ),
    Action(
        "tree.top", "To the top", ("g", "home"), "To the first line.", _TREE, call="scroll_home"
    ),
    Action(
        "tree.bottom", "To the bottom", ("G", "end"), "To the last line.", _TREE, call="scroll_end"
    ),
    Action(
        "tree.parent",
        "To the branch above",
        ("shift+left",),
        "To the branch that holds this one.",
        _TREE,
        call="cursor_parent",
    ),
    Action(
        "tree.after_parent",
        "Past the branch",
        ("shift+right",),
        "To what comes after the branch that holds this one.",
        _TREE,
        call="cursor_parent_next_sibling",
    ),
    Action(
        "tree.previous",
        "Previous in the branch",
        ("shift+up",),
        "To the one before it in the same branch.",
        _TREE,
        call="cursor_previous_sibling",
    ),
    Action(
        "tree.next",
        "Next in the branch",
        ("shift+down",),
        "To the next one in the same branch.",
        _TREE,
        call="cursor_next_sibling",
    ),
)
