"""Cancelling jobs: the question, the requests, and the outcome in words. No widgets."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from qtower.errors import QtowerError
from qtower.model import (
    Cancel,
    CancelOutcome,
    GetUnsent,
    JobRow,
    Request,
    Status,
    Steer,
    SteerSet,
    UnsentSet,
)
from qtower.ui import words
from qtower.ui.words import job_name

_AT_ONCE = 4
_NAMED = 6
_STOP_SECONDS, _LOOK_SECONDS = 10.0, 0.2  # until a sender has stopped; between looks at it


class Question(NamedTuple):
    """What is asked before a cancel, and the jobs it would hit."""

    question: str
    facts: list[str]
    keys: list[str]


def job_question(row: JobRow) -> Question:
    """Asks about one job, by name, id, status and backend."""
    facts = [
        f"name     {job_name(row)}",
        f"job id   {row.job_id or 'none yet'}",
        f"status   {row.status.value}",
        f"backend  {row.backend or 'not known'}",
    ]
    if row.set_id:
        facts.insert(1, f"set      {row.set_name or row.set_id}")
    return Question("Cancel this job?", facts, [row.key])


def set_question(name: str, rows: Sequence[JobRow]) -> Question:
    """Asks about the jobs of a set that have not ended."""
    open_rows = [row for row in rows if not row.status.final]
    counts = words.count_words(Counter(row.status for row in open_rows))
    facts = [f"set      {name}", f"jobs     {counts}, of {words.jobs(len(rows))}"]
    facts += _named(open_rows)
    if unsent := sum(not row.job_id for row in open_rows):
        facts.append(f"unsent   {words.jobs(unsent)}: the sending stops, they stay listed (U)")
    number = words.jobs(len(open_rows))
    return Question(f"Cancel {number} of this set?", facts, [row.key for row in open_rows])


def marks_question(rows: Sequence[JobRow], hidden: int, filter_text: str) -> Question:
    """Asks about the marked jobs that have not ended; says how many marks the filter hides."""
    open_rows = [row for row in rows if not row.status.final]
    counts = words.count_words(Counter(row.status for row in open_rows))
    facts = [f"marked   {words.jobs(len(rows))}", f"open     {counts}"]
    if hidden:
        verb = "is" if hidden == 1 else "are"
        facts.append(f'hidden   {hidden} of the marked {verb} not listed under "{filter_text}"')
    facts += _named(open_rows)
    number = words.jobs(len(open_rows)).replace(" ", " marked ")
    return Question(f"Cancel {number}?", facts, [row.key for row in open_rows])


def _named(rows: Sequence[JobRow]) -> list[str]:
    """The first jobs by name, and how many more there are."""
    facts = [f"         {job_name(row)}  {row.status.value}" for row in rows[:_NAMED]]
    if len(rows) > _NAMED:
        facts.append(f"         and {len(rows) - _NAMED} more")
    return facts


def nothing_to_cancel(rows: Sequence[JobRow], of: str = "jobs of this set") -> str:
    """Why there is nothing to cancel, or "" if there is."""
    if not all(row.status.final for row in rows):
        return ""
    if len(rows) == 1:
        return f"{job_name(rows[0])} is {rows[0].status.value} already: there is nothing to cancel."
    return f"All {of} have ended: there is nothing to cancel."


async def stop_sending(set_id: str, ask: Callable[[Request], Awaitable[Any]]) -> None:
    """Stops what is being sent of a set, and waits a while for the job that is under way.

    Raises:
        QtowerError: It could not be asked for.
    """
    sets = (await ask(SteerSet(set_id=set_id, steer=Steer.STOP))).sets
    deadline = time.monotonic() + _STOP_SECONDS
    while _is_sent(set_id, sets) and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_SECONDS)
        sets = (await ask(GetUnsent())).sets


def _is_sent(set_id: str, sets: Sequence[UnsentSet]) -> bool:
    return any(each.set_id == set_id and each.state != "offered" for each in sets)


async def cancel_jobs(
    keys: Sequence[str], ask: Callable[[Request], Awaitable[Any]]
) -> list[CancelOutcome]:
    """Asks for each job to be cancelled, a few at a time; a failed request is a refusal."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(key: str) -> CancelOutcome:
        async with limit:
            try:
                outcome = await ask(Cancel(key=key))
            except QtowerError as error:
                return CancelOutcome(
                    key=key, outcome="refused", message=str(error), status=Status.UNKNOWN
                )
        assert isinstance(outcome, CancelOutcome)
        return outcome

    return list(await asyncio.gather(*(one(key) for key in keys)))


def outcome_words(name: str, outcomes: Sequence[CancelOutcome]) -> tuple[str, str]:
    """What became of it: the level of the notice, and its sentence."""
    if len(outcomes) == 1:
        return _one_outcome(name, outcomes[0])
    kinds = Counter(outcome.outcome for outcome in outcomes)
    parts = [f"{kinds['cancelled']} of {len(outcomes)} jobs cancelled"]
    if kinds["too_late"]:
        parts.append(f"{kinds['too_late']} had ended already")
    if kinds["refused"]:
        first = next(outcome for outcome in outcomes if outcome.outcome == "refused")
        parts.append(f"{kinds['refused']} refused: {first.message}")
    return ("warning" if kinds["refused"] else "info"), f"{name}: {', '.join(parts)}"


def _one_outcome(name: str, outcome: CancelOutcome) -> tuple[str, str]:
    if outcome.outcome == "cancelled":
        return "info", f"{name} was cancelled."
    if outcome.outcome == "too_late":
        return "warning", f"Too late: {name} is {outcome.status.value} already."
    return "error", f"{name} was not cancelled: {outcome.message}"
