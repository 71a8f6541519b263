"""One step of the queue, taken until the store has taken it too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError

from qtower.service.logs import about
from qtower.service.outages import passes
from qtower.service.records import Change
from qtower.service.store import Store

Step: TypeAlias = Callable[[], None]

_RETRY_SECONDS = 1.0
_TOLD_EVERY = 60  # tries

logger = logging.getLogger(__name__)


def until_stored(step: Step, closing: threading.Event) -> bool:
    """Takes a step; when the disk is full, again and again until `closing`: nothing gets lost.

    A step that fails otherwise is logged and left: its job is taken up at the next start.

    Returns:
        False if it failed.
    """
    with about(_job_of(step)):
        tried = 0
        while True:
            try:
                step()
                return True
            except Exception as error:
                if not may_pass(error):
                    logger.exception("a step of the queue failed")
                    return False
                # Once in full, then in a line a minute: the log may lie on the disk that is full.
                if tried % _TOLD_EVERY == 0:
                    logger.error("the store did not answer", exc_info=tried == 0)
                tried += 1
                if closing.wait(_RETRY_SECONDS):
                    return True


def entered(store: Store, job_id: str, *wanted: str) -> Change | None:
    """Returns the change with which a job entered one of the statuses, if it is there now.

    For a change that the store refuses a second time: it may have been made at the first, and the
    answer got lost.
    """
    job = store.listed_job(job_id)
    if job is None or job.status not in wanted:
        return None
    return Change(job.id, job.status, job.updated, job.place_in_line)


def may_pass(error: BaseException) -> bool:
    """Returns whether a step that failed with this is tried again: the store is away, or full.

    Unlike a request, a step also waits for a table or a file that somebody has to put back.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return isinstance(error, SQLAlchemyError) and passes(error)


def _job_of(step: Step) -> str | None:
    """A step of one job is a partial that has the job's id first."""
    first = step.args[0] if isinstance(step, partial) and step.args else None
    return first if isinstance(first, str) else None
