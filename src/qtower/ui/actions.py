"""The action table. Key bindings, the footer, the palette and help are all made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from textual.binding import Binding, BindingType


class Scope(Enum):
    """Where an action can be called."""

    APP = "Everywhere"
    JOBS = "Jobs"
    LIST = "Moving in the list"


class Needs(Enum):
    """What an action is done to."""

    NOTHING = "nothing"
    JOB = "a job"
    JOB_OR_SET = "a job or a set"
    SET = "a set"
    EMPTY_LIST = "an empty list"


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    Attributes:
        id: Stable name: key maps and tests call it so.
        title: What the palette and help call it.
        keys: Keys as Textual spells them, the one to show first; none: only in the palette.
        tooltip: What it does, in a sentence.
        hint: What the footer calls it; empty leaves it out of the footer.
        importance: The footer drops the least important first.
        dangerous: It cannot be undone: it asks first.
    """

    id: str
    title: str
    keys: tuple[str, ...]
    tooltip: str
    scope: Scope
    needs: Needs = Needs.NOTHING
    hint: str = ""
    importance: int = 0
    dangerous: bool = False


_JOBS = Scope.JOBS
_LIST = Scope.LIST

ACTIONS: tuple[Action, ...] = (
    Action(
        "open",
        "Open details",
        ("enter",),
        "Show all that is known of the job; fold or unfold a set.",
        _JOBS,
        Needs.JOB_OR_SET,
        "open",
        80,
    ),
    Action(
        "samples",
        "Submit the samples",
        ("d",),
        "Send the sample circuits that come with qtower.",
        _JOBS,
        Needs.EMPTY_LIST,
        "samples",
        100,
    ),
    Action(
        "submit",
        "Submit circuits",
        ("n",),
        "Choose files, a backend and shots, and send them as jobs.",
        _JOBS,
        Needs.NOTHING,
        "submit",
        90,
    ),
    Action(
        "cancel",
        "Cancel",
        ("c",),
        "Cancel the job, or every unfinished job of the set. Asks first.",
        _JOBS,
        Needs.JOB_OR_SET,
        "cancel",
        70,
        dangerous=True,
    ),
    Action(
        "result",
        "Show the result",
        ("r",),
        "Show the counts of the job.",
        _JOBS,
        Needs.JOB,
        "result",
        75,
    ),
    Action(
        "error", "Show the error", ("e",), "Show why the job failed.", _JOBS, Needs.JOB, "error", 65
    ),
    Action(
        "qobj",
        "Show the qobj",
        ("o",),
        "Show the circuits and the run configuration of the job.",
        _JOBS,
        Needs.JOB,
        "qobj",
        50,
    ),
    Action(
        "filter",
        "Filter by text",
        ("slash",),
        "List only jobs whose name, id, set, tags, backend or status hold all the words.",
        _JOBS,
        Needs.NOTHING,
        "filter",
        60,
    ),
    Action("clear_filter", "Clear the filter", ("escape",), "List all jobs again.", _JOBS),
    Action(
        "refresh",
        "Refresh now",
        ("ctrl+r",),
        "Read the state of all jobs now.",
        _JOBS,
        Needs.NOTHING,
        "refresh",
        30,
    ),
    Action("down", "Down", ("down", "j"), "To the next row.", _LIST),
    Action("up", "Up", ("up", "k"), "To the row above.", _LIST),
    Action("page_down", "Page down", ("pagedown", "ctrl+f"), "A screen down.", _LIST),
    Action("page_up", "Page up", ("pageup", "ctrl+b"), "A screen up.", _LIST),
    Action("top", "To the top", ("g", "home"), "To the newest job.", _LIST),
    Action("bottom", "To the bottom", ("G", "end"), "To the oldest job.", _LIST),
    Action(
        "toggle_fold",
        "Fold or unfold",
        ("space",),
        "Fold the set, or unfold it.",
        _LIST,
        Needs.SET,
        "fold",
        40,
    ),
    Action(
        "fold", "Fold", ("left", "h"), "Fold the set that the row belongs to.", _LIST, Needs.SET
    ),
    Action("unfold", "Unfold", ("right", "l"), "Show the jobs of the set.", _LIST, Needs.SET),
    Action("fold_all", "Fold all sets", ("minus",), "Show one row for each set.", _LIST),
    Action(
        "unfold_all",
        "Unfold all sets",
        ("plus", "equals_sign"),
        "Show the jobs of all sets.",
        _LIST,
    ),
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

BY_ID = {action.id: action for action in ACTIONS}

_KEY_WORDS = {
    "slash": "/",
    "question_mark": "?",
    "minus": "-",
    "plus": "+",
    "equals_sign": "=",
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


def bindings(scope: Scope) -> list[BindingType]:
    """The key bindings of one scope.

    Each calls `action_ID` where it is bound, or `action_act(ID)` for what is done to jobs.
    """
    return [
        Binding(
            key,
            f"act('{action.id}')" if scope is Scope.JOBS else action.id,
            action.title,
            show=bool(action.hint),
            key_display=key_word(key),
            tooltip=action.tooltip,
            id=action.id,
            # Before any text field: `q` is a letter there, Ctrl+C quits everywhere.
            priority=scope is Scope.APP and key.startswith("ctrl+"),
        )
        for action in ACTIONS
        if action.scope is scope
        for key in action.keys
    ]


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


def footer_hints(empty: bool) -> list[Action]:
    """The actions the footer offers, in the table's order."""
    return [
        action
        for action in ACTIONS
        if action.hint and (action.needs is Needs.NOTHING or _offered(action.needs, empty))
    ]


def _offered(needs: Needs, empty: bool) -> bool:
    return empty if needs is Needs.EMPTY_LIST else not empty
