"""One step of the queue, taken until the store has taken it too."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy.exc import OperationalError

Step: TypeAlias = Callable[[], None]

_RETRY_SECONDS = 1.0

logger = logging.getLogger(__name__)


def until_stored(step: Step, closing: threading.Event) -> None:
    """Takes a step; when the disk is full, again and again until `closing`: nothing gets lost.

    A step that fails otherwise is logged and left: its job is taken up at the next start.
    """
    while True:
        try:
            step()
            return
        except OperationalError:
            logger.exception("the store did not answer")
            if closing.wait(_RETRY_SECONDS):
                return
        except Exception:
            logger.exception("a step of the queue failed")
            return
