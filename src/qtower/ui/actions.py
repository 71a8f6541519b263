"""What is made from the action table: key bindings, refusals, the footer's hints."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from qtower.ui.action_table import ACTIONS, BY_ID, Action, Needs, Scope

__all__ = [
    "ACTIONS",
    "BY_ID",
    "Action",
    "Needs",
    "Scope",
    "bindings",
    "call_of",
    "footer_hints",
    "key_word",
    "offered",
    "refusal",
]

_KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
    "less_than_sign": "<",
    "greater_than_sign": ">",
    "enter": "Enter",
    "escape": "Esc",
    "space": "Space",
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
    if key.startswith("ctrl+"):
        return "Ctrl+" + key[5:].upper()
    return _KEY_WORDS.get(key, key.upper() if len(key) > 1 else key)


def call_of(action: Action) -> str:
    """How Textual calls an action where it is bound: `ID`, or `act('ID')` if done to jobs."""
    if action.scope is Scope.JOBS:
        return f"act('{action.id}')"
    return action.call or action.id


def bindings(*scopes: Scope) -> list[BindingType]:
    """The key bindings of some scopes."""
    return [
        Binding(
            key,
            call_of(action),
            action.title,
            show=bool(action.hint),
            key_display=key_word(key),
            tooltip=action.tooltip,
            id=action.id,
            # Before any text field: `q` is a letter there, Ctrl+C quits everywhere.
            priority=action.scope is Scope.APP and key.startswith("ctrl+"),
        )
        for action in ACTIONS
        if action.scope in scopes
        for key in action.keys
    ]


def offered(read_only: bool) -> tuple[Action, ...]:
    """All actions, or those that change nothing."""
    return tuple(action for action in ACTIONS if not (read_only and action.changes))


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


def footer_hints(empty: bool, read_only: bool = False) -> list[Action]:
    """The actions the footer offers, in the table's order."""
    return [
        action
        for action in offered(read_only)
        if action.hint and (action.needs is Needs.NOTHING or _offered(action.needs, empty))
    ]


def _offered(needs: Needs, empty: bool) -> bool:
    return empty if needs is Needs.EMPTY_LIST else not empty
