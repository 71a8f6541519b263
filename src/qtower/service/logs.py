"""The service's log: one JSON object a line on stderr, with job ids and never a secret."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import time
from collections.abc import Iterator

_FIELDS = ("job", "reason", "method", "route", "status", "ms")

_job: contextvars.ContextVar[str | None] = contextvars.ContextVar("job", default=None)


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        milliseconds = int(record.created * 1000) % 1000
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        if (job := _job.get()) is not None:
            line["job"] = job
        line |= {name: getattr(record, name) for name in _FIELDS if hasattr(record, name)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


@contextlib.contextmanager
def about(job_id: str | None) -> Iterator[None]:
    """Has all that this thread or task logs meanwhile carry the job's id, if there is one."""
    before = _job.set(job_id)
    try:
        yield
    finally:
        _job.reset(before)


def set_up_logging() -> None:
    """Sends the log of this process to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLine())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("qtower").setLevel(logging.INFO)
    # uvicorn tells the queries of addresses, and those of storage are signed.
    logging.getLogger("uvicorn.access").disabled = True
