"""One step of the queue, taken until the store has taken it too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError, TimeoutError

from qtower.service.logs import about

Step: TypeAlias = Callable[[], None]

_RETRY_SECONDS = 1.0

# The disk is full; the server is away, was before, or all connections to it wait.
_NO_ANSWER = (OperationalError, InterfaceError, PendingRollbackError, TimeoutError)

logger = logging.getLogger(__name__)


def until_stored(step: Step, closing: threading.Event) -> None:
    """Takes a step; when the disk is full, again and again until `closing`: nothing gets lost.

    A step that fails otherwise is logged and left: its job is taken up at the next start.
    """
    with about(_job_of(step)):
        while True:
            try:
                step()
                return
            except _NO_ANSWER:
                logger.exception("the store did not answer")
                if closing.wait(_RETRY_SECONDS):
                    return
            except Exception:
                logger.exception("a step of the queue failed")
                return


def _job_of(step: Step) -> str | None:
    """A step of one job is a partial that has the job's id first."""
    first = step.args[0] if isinstance(step, partial) and step.args else None
    return first if isinstance(first, str) else None
