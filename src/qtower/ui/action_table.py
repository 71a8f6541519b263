"""The action table: what a person can do in the monitor, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from qtower.ui.sorting import COLUMNS


class Scope(Enum):
    """Where an action can be called."""

    APP = "Everywhere"
    JOBS = "Jobs"
    MARKS = "Marking"
    SORT = "Sorting"
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
        changes: It changes something at the account: read-only, it is not there at all.
        call: How Textual calls it, if not by its id.
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
    changes: bool = False
    call: str = ""


_JOBS = Scope.JOBS
_LIST = Scope.LIST
_MARKS = Scope.MARKS
_SORT = Scope.SORT

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
        changes=True,
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
        changes=True,
    ),
    Action(
        "unsent",
        "Unsent jobs",
        ("U",),
        "Show sets that are not wholly sent: send the rest, pause, stop, or give it up.",
        _JOBS,
    ),
    Action(
        "coverage",
        "What a set covers",
        ("C",),
        "Show which experiments of the set are there, and send those that are missing.",
        _JOBS,
        Needs.JOB_OR_SET,
    ),
    Action(
        "cancel",
        "Cancel",
        ("c",),
        "Cancel the marked jobs; without marks the job, or what is unfinished of the set. Asks.",
        _JOBS,
        Needs.JOB_OR_SET,
        "cancel",
        70,
        dangerous=True,
        changes=True,
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
    Action(
        "mark",
        "Mark",
        ("space",),
        "Mark the job, or unmark it; on a set, all its jobs that are listed.",
        _MARKS,
        Needs.JOB_OR_SET,
        "mark",
        55,
    ),
    Action(
        "mark_range",
        "Mark a range",
        ("v",),
        "Mark all rows from the one that was marked last to this one.",
        _MARKS,
        Needs.JOB_OR_SET,
    ),
    Action(
        "mark_all",
        "Mark all",
        ("a",),
        "Mark all jobs that match the filter, those of folded sets too.",
        _MARKS,
        Needs.JOB_OR_SET,
    ),
    Action(
        "invert_marks",
        "Invert the marks",
        ("i",),
        "Mark what is not marked of the jobs that match the filter, and unmark the rest of them.",
        _MARKS,
        Needs.JOB_OR_SET,
    ),
    Action("unmark_all", "Unmark all", ("u",), "Unmark all jobs, hidden ones too.", _MARKS),
    Action(
        "sort_next",
        "Sort by the next column",
        ("s", "greater_than_sign"),
        "Sort by the column to the right of the one that the list is sorted by.",
        _SORT,
        Needs.NOTHING,
        "sort",
        45,
    ),
    Action(
        "sort_previous",
        "Sort by the previous column",
        ("less_than_sign",),
        "Sort by the column to the left of it.",
        _SORT,
    ),
    Action(
        "turn_sort",
        "Turn the order round",
        ("S",),
        "Sort the other way: ascending or descending.",
        _SORT,
    ),
    *(
        Action(
            f"sort_by_{column.id}",
            f"Sort by {column.title}",
            (),
            f"Sort the list by {column.title}; a set by what its row shows.",
            _SORT,
            call=f"sort('{column.id}')",
        )
        for column in COLUMNS
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
        ("z",),
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

BY_ID = {action.id: action for action in ACTIONS}
