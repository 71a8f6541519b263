"""The service's log: one JSON object a line on stderr, with job ids and never a secret."""

from __future__ import annotations

import json
import logging
import sys
import time

_FIELDS = ("job", "reason", "method")


class _JsonLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        milliseconds = int(record.created * 1000) % 1000
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{moment}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{name: getattr(record, name) for name in _FIELDS if hasattr(record, name)},
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


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
