"""Where everything goes that is not the protocol: logs, warnings, stray prints."""

from __future__ import annotations

import io
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from qtower.desk.scrubbing import scrub

_LOG_BYTES = 2_000_000
_LOG_FILES = 3


def take_stdout(log_file: Path | None) -> int:
    """Takes standard output away from the program and returns its real descriptor.

    From now on file descriptors 1 and 2, all loggers and all warnings lead to `log_file` (0600,
    rotated), or nowhere if it is None or cannot be written.
    """
    real = os.dup(1)
    os.set_inheritable(real, False)
    handler: logging.Handler
    try:
        handler = _DescriptorHandler(log_file) if log_file else logging.NullHandler()
    except OSError:
        handler = logging.NullHandler()
    if isinstance(handler, logging.NullHandler):
        with Path(os.devnull).open("w") as nowhere:
            _lead_to(nowhere)
    _log_by(handler)
    return real


def leave_stdout(log_file: Path) -> None:
    """Logs and warnings lead to `log_file`; standard output and error stay the program's.

    For a command that talks to its user itself.
    """
    _log_by(
        RotatingFileHandler(
            log_file, maxBytes=_LOG_BYTES, backupCount=1, errors="backslashreplace", delay=True
        )
    )


def _log_by(handler: logging.Handler) -> None:
    handler.setFormatter(_ScrubbingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(True)


def _lead_to(stream: io.TextIOBase) -> None:
    for descriptor in (1, 2):
        os.dup2(stream.fileno(), descriptor)
    # A line at a time, so that what a library prints is not lost at the end.
    for standard in (sys.stdout, sys.stderr):
        if isinstance(standard, io.TextIOWrapper):
            standard.reconfigure(line_buffering=True, errors="backslashreplace")


class _DescriptorHandler(RotatingFileHandler):
    """A rotating file that file descriptors 1 and 2 follow when it turns."""

    def __init__(self, file: Path) -> None:
        super().__init__(
            file,
            maxBytes=_LOG_BYTES,
            backupCount=_LOG_FILES,
            encoding="utf-8",
            errors="backslashreplace",
        )

    def _open(self) -> io.TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        stream = os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)
        _lead_to(stream)
        return stream


class _ScrubbingFormatter(logging.Formatter):
    """No token and no signed URL gets into the log, whoever logs it."""

    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))
