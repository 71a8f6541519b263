"""What is made from the action table: key bindings, hints, refusals, what read-only leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from textual.binding import Binding, BindingType

from qtower.ui.action_tables import ACTIONS, BY_ID, Action, Needs, Scope

__all__ = [
    "ACTIONS",
    "BY_ID",
    "JOB_LIST",
    "LACKING",
    "MOVING",
    "Action",
    "Needs",
    "Scope",
    "Section",
    "bindings",
    "call_of",
    "footer_hints",
    "help_hint",
    "hints",
    "is_offered",
    "key_word",
    "keys_there",
    "offered",
    "refusal",
    "scopes_of",
    "sections",
]

JOB_LIST = (Scope.JOBS, Scope.MARKS, Scope.SORT, Scope.LIST)
"""The scopes of the monitor."""

MOVING = frozenset(
    {Scope.LIST, Scope.CHOICES, Scope.TEXT, Scope.TREE, Scope.FORM, Scope.TICK, Scope.FINDING}
)
"""Scopes of widgets that act only while they have the focus: nothing for the palette."""

_TYPING = frozenset({Scope.FORM, Scope.SAVE})

_HELP_IMPORTANCE = 74
"""On a screen with keys of its own: below those that one needs to leave it."""

_OF_WIDGETS = MOVING | {Scope.MARKS, Scope.SORT}

LACKING = {
    Needs.RESULT: "There is no result here yet.",
    Needs.QOBJ: "There is no qobj here yet.",
    Needs.EXPERIMENTS: "There are no experiments here yet.",
    Needs.UNSENT_SET: "Nothing is unsent here.",
    Needs.COVERAGE: "It is not known yet what the set covers.",
    Needs.FILE: "Only files are marked.",
    Needs.DIRECTORY: "This is a file: press Enter to take it.",
}
"""What is said where there is nothing that an action could be done to."""

_KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "full_stop": ".",
    "tilde": "~",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
    "tab": "Tab",
    "backspace": "Backspace",
    "pagedown": "PgDn",
    "pageup": "PgUp",
    "home": "Home",
    "end": "End",
    "up": "Up",
    "down": "Down",
    "left": "Left",
    "right": "Right",
}


def key_word(key: str) -> str:
    """How a key is written for people: `Ctrl+R` for "ctrl+r", `/` for "slash"."""
    *held, last = key.split("+")
    letter = len(last) == 1 and not held
    word = _KEY_WORDS.get(last, last if letter else last.upper())
    return "+".join([*(each.capitalize() for each in held), word])


def call_of(action: Action) -> str:
    """How Textual calls an action where it is bound: by the screen `act('ID')`, else by its call.

    A screen looks the action up in the table before it does it; a widget does it at once.
    """
    if action.scope in _OF_WIDGETS or action.scope is Scope.APP:
        return action.call or action.id
    return f"act('{action.id}')"


def bindings(*scopes: Scope, dialog: bool = False) -> list[BindingType]:
    """The key bindings of some scopes.

    Args:
        scopes: Whose.
        dialog: Of a screen that hides the app's keys: help is called from there all the same.
    """
    made = [
        _binding(action, key, call_of(action))
        for action in ACTIONS
        if action.scope in scopes
        for key in action.keys
    ]
    if dialog:
        made += [_binding(BY_ID["help"], key, "app.help") for key in BY_ID["help"].keys]
    return made


def _binding(action: Action, key: str, call: str) -> BindingType:
    return Binding(
        key,
        call,
        action.title,
        show=bool(action.hint),
        key_display=key_word(key),
        tooltip=action.tooltip,
        id=action.id,
        # Before any text field: `q` is a letter there, Ctrl+C quits everywhere.
        priority=action.first or (action.scope is Scope.APP and key.startswith("ctrl+")),
    )


def is_offered(action: Action, read_only: bool) -> bool:
    """False for what changes something where jobs are only looked at.

    Everything that shows or calls actions asks here: keys, lines of keys, help, the palette.
    """
    return not (read_only and action.changes)


def offered(read_only: bool) -> tuple[Action, ...]:
    """All actions, or those that change nothing."""
    return tuple(action for action in ACTIONS if is_offered(action, read_only))


def scopes_of(screen: object) -> tuple[Scope, ...]:
    """The scopes whose actions can be called on a screen as it is now, its own first."""
    scopes: tuple[Scope, ...] = getattr(screen, "scopes", ())
    return scopes


class Section(NamedTuple):
    """The keys of one scope, for help: each line is the keys as people call them, and an action."""

    title: str
    lines: list[tuple[str, Action]]


def sections(
    scopes: Sequence[Scope], read_only: bool = False, dialog: bool = False
) -> Iterator[Section]:
    """The keys that work where these scopes count: scope by scope, and those of the app last."""
    for scope in (*scopes, Scope.APP):
        lines = [
            (" ".join(map(key_word, keys)), action)
            for action in offered(read_only)
            if action.scope is scope and (keys := keys_there(action, scopes, dialog))
        ]
        if lines:
            yield Section(scope.value, lines)


def keys_there(action: Action, scopes: Sequence[Scope], dialog: bool = False) -> tuple[str, ...]:
    """The keys that call an action where these scopes count.

    A key that a screen uses itself is not the app's there, and a dialog hides the app's letters.
    """
    if action.scope is not Scope.APP:
        return action.keys
    used = {key for other in ACTIONS if other.scope in scopes for key in other.keys}
    hidden = dialog and action.id != "help"
    return tuple(
        key for key in action.keys if key not in used and (not hidden or key.startswith("ctrl+"))
    )


def hints(scopes: Sequence[Scope], read_only: bool = False) -> list[Action]:
    """The actions that the line of keys offers where these scopes count, in the table's order."""
    return [action for action in offered(read_only) if action.hint and action.scope in scopes]


def help_hint(scopes: Sequence[Scope]) -> Action:
    """Help, for the line of keys of a screen: where one types, "?" is a letter."""
    key = "F1" if _TYPING.intersection(scopes) else ""
    return replace(BY_ID["help"], hint_key=key, importance=_HELP_IMPORTANCE)


def footer_hints(empty: bool, read_only: bool = False) -> list[Action]:
    """The actions the monitor's footer offers, in the table's order."""
    return [
        action
        for action in hints((*JOB_LIST, Scope.APP), read_only)
        if action.needs is Needs.NOTHING or _applies(action.needs, empty)
    ]


def _applies(needs: Needs, empty: bool) -> bool:
    return empty if needs is Needs.EMPTY_LIST else not empty


def refusal(action: Action, on_job: bool, on_set: bool, empty: bool) -> str:
    """Why the action does not apply to what is under the cursor; empty if it does."""
    if action.needs is Needs.NOTHING:
        return ""
    if action.needs is Needs.EMPTY_LIST:
        return (
            "" if empty else "The samples are offered while the list is empty. Press n to submit."
        )
    if not on_job and not on_set:
        return "There is no job in the list yet." if empty else "No job is selected."
    if action.needs is Needs.JOB and on_set:
        return "This is a set: go to one of its jobs first."
    return ""
