"""What an action is: one thing that a person can do, as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Scope(Enum):
    """Where an action can be called; the value is its heading in help."""

    APP = "Everywhere"
    JOBS = "Jobs"
    MARKS = "Marking"
    SORT = "Sorting"
    LIST = "Moving in the list"
    DETAILS = "Details of a job"
    RESULT = "Result"
    QOBJ = "Qobj"
    EXPERIMENTS = "Experiments of the job"
    FINDING = "Finding an experiment"
    SAVE = "Saving a result"
    SUBMIT = "Submitting circuits"
    FORM = "Moving in the form"
    TICK = "On a box"
    PICKER = "Choosing files"
    UNSENT = "Unsent jobs"
    COVERAGE = "What a set covers"
    CONFIRM = "A question"
    LEAVE = "Quitting while jobs are being sent"
    HELP = "Help"
    CHOICES = "Moving from line to line"
    TEXT = "Moving in a text"
    TREE = "Moving in the JSON"


class Needs(Enum):
    """What an action is done to."""

    NOTHING = "nothing"
    JOB = "a job"
    JOB_OR_SET = "a job or a set"
    SET = "a set"
    EMPTY_LIST = "an empty list"
    RESULT = "a result"
    QOBJ = "a qobj"
    EXPERIMENTS = "experiments"
    UNSENT_SET = "a set that is not wholly sent"
    COVERAGE = "what a set covers"
    FILE = "a file"
    DIRECTORY = "a directory"


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    Attributes:
        id: Stable name: key maps and tests call it so.
        title: What the palette and help call it.
        keys: Keys as Textual spells them, the one to show first; none: only in the palette.
        tooltip: What it does, in a sentence.
        hint: What the line of keys calls it; empty leaves it out of that line.
        importance: The line of keys drops the least important first.
        dangerous: It cannot be undone: it asks first.
        changes: It changes something at the account: read-only, it is not there at all.
        call: How Textual calls it where it is done, if not by its id.
        hint_key: The key in the line of keys, if one hint stands for the keys of several actions.
        first: It comes before what the field that is typed in does with the key.
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
    hint_key: str = ""
    first: bool = False
