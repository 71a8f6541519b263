"""A result and its experiments as lines of text, and which part of it is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from qtower.model import ExperimentHead, ResultHead
from qtower.text import inert
from qtower.ui.widgets.experiment_list import index_words
from qtower.ui.widgets.wording import duration, plural


@dataclass(frozen=True)
class View:
    """What is looked at: answers for any other view come too late and are dropped."""

    experiment: int = 0
    order: str = "count"  # or "bits"
    part: str = "counts"  # or "memory", "header"


def local_date(date: str) -> str:
    """An ISO date as local time to the second; anything else as it is."""
    try:
        moment = datetime.fromisoformat(date.replace("Z", "+00:00"))
    except ValueError:
        return inert(date, 64)
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def result_line(head: ResultHead) -> Text:
    """The result as a whole in one line, what matters most first."""
    line = Text()
    if not head.success:
        failed = sum(not experiment.success for experiment in head.experiments)
        words = f"partial: {failed} of {plural(len(head.experiments), 'experiment')} failed"
        line.append(words, style="bold red")
        line.append("  ·  ", style="dim")
    parts = [inert(head.backend), local_date(head.date)]
    if head.seconds is not None:
        parts.append(f"took {duration(head.seconds)}")
    if head.source == "kept":
        parts.append("from the kept copy")
    line.append("  ·  ".join(part for part in parts if part), style="dim")
    return line


def experiment_line(head: ExperimentHead, number_of_all: int, view: View) -> Text:
    """The experiment that is shown, in one line: which, its name, and what is below."""
    line = Text()
    line.append(f"{index_words(head.index, number_of_all)}  ", style="dim")
    line.append(inert(head.name, 200), style="bold")
    if not head.success:
        line.append("  FAILED", style="bold red")
    facts = []
    if head.shots is not None:
        facts.append(plural(head.shots, "shot"))
    if head.outcomes is not None:
        facts.append(plural(head.outcomes, "outcome"))
    facts.append(
        {"memory": "memory, shot by shot", "header": "header and metadata"}.get(
            view.part, "most frequent first" if view.order == "count" else "by bitstring"
        )
    )
    line.append("  " + "  ·  ".join(facts), style="dim")
    return line
