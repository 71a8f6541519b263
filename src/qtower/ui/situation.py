"""What stands in place of the list when there is nothing to list, and why."""

from __future__ import annotations

from qtower.model import Link
from qtower.text import inert
from qtower.ui.header import Standing

MIN_WIDTH, MIN_HEIGHT = 40, 10
"""Below it nothing useful fits."""

_EMPTY_READ_ONLY = """There are no jobs yet.

Jobs that other programs send to this account appear by themselves."""

_EMPTY = """There are no jobs yet.

Press  d  to submit the sample circuits,
       n  to submit circuits of your own,
       ?  for all keys.

Jobs that other programs send to this account appear by themselves."""


def too_small(width: int, height: int) -> str:
    """The sentence for a terminal that is too small, or "" for one that is not."""
    if width >= MIN_WIDTH and height >= MIN_HEIGHT:
        return ""
    return f"This terminal is {width}x{height}; qtower needs {MIN_WIDTH}x{MIN_HEIGHT}."


def situation(standing: Standing, jobs: int, matching: int, filter_text: str) -> str:
    """Why the list is empty and what to press; "" if it has something to show."""
    if jobs and matching:
        return ""
    if jobs:
        return f'No job matches "{inert(filter_text, 60)}".\n\nPress  Esc  to list all jobs.'
    connection = standing.connection
    if not standing.agent_up:
        return f"The agent is being started again.\n\n{inert(standing.agent_detail, 300)}".rstrip()
    if connection is None:
        return "Reading the journal."
    detail = inert(connection.detail, 300)
    if connection.link is Link.STARTING:
        endpoint = "the local service" if connection.local_service else connection.endpoint
        what = f"Connecting to {inert(endpoint)}." if endpoint else "Starting."
        return f"{what}\n\n{detail or 'Loading the provider.'}"
    if connection.link is Link.REFUSED:
        return f"The login was refused.\n\n{detail}\n\nCorrect the account and press  Ctrl+R."
    if connection.link is Link.OFFLINE:
        return f"The endpoint does not answer, and no job is known yet.\n\n{detail}".rstrip()
    if connection.confirmed is None:
        return "Reading the jobs."
    return _EMPTY_READ_ONLY if standing.read_only else _EMPTY
