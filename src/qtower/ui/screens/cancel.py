"""Cancelling from any screen: the question, the requests, and a notice of what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qtower.model import JobRow
from qtower.ui import cancelling
from qtower.ui.joblist.cells import job_name
from qtower.ui.screens.confirm import ConfirmScreen

if TYPE_CHECKING:
    from qtower.ui.app import TowerApp


def cancel_job(app: TowerApp, key: str) -> None:
    """Asks, and cancels the job `key`; says why not where there is nothing to cancel."""
    row = app.board.row(key)
    if row is None:
        app.say("warning", "Cancel", "This job is not listed any more.")
        return
    _cancel(app, job_name(row), [row], cancelling.job_question(row))


def cancel_set(app: TowerApp, set_id: str) -> None:
    """Asks, and cancels the unfinished jobs of a set; says why not where there is none."""
    rows = app.board.jobs_of(set_id)
    group = app.board.group(set_id)
    name = (group.name if group else "") or set_id
    _cancel(app, name, rows, cancelling.set_question(name, rows))


def _cancel(
    app: TowerApp, name: str, rows: Sequence[JobRow], question: cancelling.Question
) -> None:
    if why_not := cancelling.nothing_to_cancel(rows):
        app.say("info", "Cancel", why_not)
    else:
        app.attempt(_ask_and_cancel(app, name, question), group="cancel")


async def _ask_and_cancel(app: TowerApp, name: str, question: cancelling.Question) -> None:
    text, facts, keys = question
    screen = ConfirmScreen(text, facts, "Yes, cancel", "No, let it run")
    if not await app.push_screen_wait(screen):
        return
    # Time has passed: jobs may have gone meanwhile.
    known = [key for key in keys if app.board.row(key) is not None]
    if not known:
        app.say("warning", "Cancel", f"{name} is not listed any more.")
        return
    outcomes = await cancelling.cancel_jobs(known, app.ask)
    level, sentence = cancelling.outcome_words(name, outcomes)
    app.say(level, "Cancel", sentence)
