"""Where everything goes that is not the protocol: logs, warnings, stray prints."""

from __future__ import annotations

import io
import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import NamedTuple

from qtower import paths
from qtower.desk.scrubbing import ScrubbingFormatter

_LOG_BYTES = 2_000_000
_LOG_FILES = 3


class StandardDescriptors(NamedTuple):
    """Where standard output and standard error really lead."""

    output: int
    error: int


def take_standard(log_file: Path | None) -> StandardDescriptors:
    """Takes standard output and error away from the program and returns the real descriptors.

    From now on file descriptors 1 and 2, all loggers and all warnings lead to `log_file` (0600,
    rotated), or nowhere if it is None or cannot be written.
    """
    real = StandardDescriptors(os.dup(1), os.dup(2))  # which children do not inherit
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
    """Logs and warnings lead to `log_file` (0600); standard output and error stay the program's.

    For a command that talks to its user itself.
    """
    _log_by(_PrivateHandler(log_file, backups=1, delay=True))


def _log_by(handler: logging.Handler) -> None:
    handler.setFormatter(ScrubbingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
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


class _PrivateHandler(RotatingFileHandler):
    """A rotating file that its owner alone reads."""

    def __init__(self, file: Path, *, backups: int = _LOG_FILES, delay: bool = False) -> None:
        super().__init__(
            file,
            maxBytes=_LOG_BYTES,
            backupCount=backups,
            encoding="utf-8",
            errors="backslashreplace",
            delay=delay,
        )

    def _open(self) -> io.TextIOWrapper:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = paths.open_plain(Path(self.baseFilename), flags)
        os.fchmod(descriptor, 0o600)  # older versions left it to the umask
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # as logging has it
        """A log that cannot be written, as on a full disk, is nothing to bother a person with."""


class _DescriptorHandler(_PrivateHandler):
    """A rotating file that file descriptors 1 and 2 follow when it turns."""

    def _open(self) -> io.TextIOWrapper:
        stream = super()._open()
        _lead_to(stream)
        return stream
