"""Cancelling from any screen: the question, the requests, and a notice of what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtower.errors import QtowerError
from qtower.model import JobRow
from qtower.ui import cancelling
from qtower.ui.screens.confirm import ConfirmScreen
from qtower.ui.words import job_name

if TYPE_CHECKING:
    from qtower.ui.tower import Tower


def cancel_job(app: Tower, key: str) -> None:
    """Asks, and cancels the job `key`; says why not where there is nothing to cancel."""
    row = app.board.row(key)
    if row is None:
        app.say("warning", "Cancel", "This job is not listed any more.")
        return
    _cancel(app, job_name(row), [row], cancelling.job_question(row))


def cancel_set(app: Tower, set_id: str) -> None:
    """Asks, and cancels the unfinished jobs of a set; says why not where there is none."""
    rows = app.board.jobs_of(set_id)
    group = app.board.group(set_id)
    name = (group.name if group else "") or set_id
    _cancel(app, name, rows, cancelling.set_question(name, rows), set_id=set_id)


def cancel_marked(app: Tower) -> None:
    """Asks, and cancels the marked jobs that are unfinished; says why not where there is none."""
    board = app.board
    rows = [board.rows[key] for key in board.marks]
    question = cancelling.marks_question(rows, board.hidden_marks, board.filter_text)
    _cancel(app, "Marked jobs", rows, question, of="marked jobs")


def _cancel(
    app: Tower,
    name: str,
    rows: Sequence[JobRow],
    question: cancelling.Question,
    of: str = "jobs of this set",
    set_id: str = "",
) -> None:
    if why_not := cancelling.nothing_to_cancel(rows, of):
        app.say("info", "Cancel", why_not)
    else:
        app.attempt(_ask_and_cancel(app, name, question, set_id), group="cancel")


async def _ask_and_cancel(
    app: Tower, name: str, question: cancelling.Question, set_id: str
) -> None:
    text, facts, keys = question
    screen = ConfirmScreen(text, facts, "Yes, cancel", "No, let it run")
    if not await app.push_screen_wait(screen):
        return
    # Time has passed: jobs may have gone meanwhile.
    known = [key for key in keys if app.board.row(key) is not None]
    if not known:
        app.say("warning", "Cancel", f"{name} is not listed any more.")
        return
    if any(each.set_id == set_id and each.state != "offered" for each in app.sending):
        try:
            await cancelling.stop_sending(set_id, app.ask)
        except QtowerError as error:  # it may have ended by itself: the jobs are cancelled anyway
            app.say("warning", "Cancel", f"The sending of {name} was not stopped: {error}")
        rows = (app.board.row(key) for key in known)
        known = [row.key for row in rows if row is not None and not row.status.final]
        if not known:
            app.say("info", "Cancel", f"The sending of {name} was stopped; nothing of it ran.")
            return
    outcomes = await cancelling.cancel_jobs(known, app.ask)
    for outcome in outcomes:
        if outcome.outcome != "refused":
            app.board.marks.unmark(outcome.key)
    level, sentence = cancelling.outcome_words(name, outcomes)
    app.say(level, "Cancel", sentence)
