"""Files that people name: read whole, and only if they are what one would call a file."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from qtower.errors import SubmissionError

LIMIT = 200 * 1024 * 1024  # bytes


def read_plain_file(path: Path, limit: int = LIMIT) -> bytes:
    """Returns the content of a regular file of at most `limit` bytes.

    Raises:
        SubmissionError: It is missing, unreadable, empty, too large, or no regular file.
    """
    try:
        # Looked at before it is opened: opening a FIFO waits for a writer, perhaps for ever.
        _refuse_unless_plain(path.stat())
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _refuse_unless_plain(status)
            if status.st_size > limit:
                raise SubmissionError(
                    f"The file is too large: {status.st_size / 1e6:.0f} MB, "
                    f"and at most {limit / 1e6:.0f} MB are read."
                )
            content = file.read(limit + 1)
    except OSError as error:
        raise SubmissionError(f"The file cannot be read: {error.strerror or error}.") from None
    except ValueError:  # a null character in the name
        raise SubmissionError("The name of the file holds a null character.") from None
    if not content.strip():
        raise SubmissionError("The file is empty.")
    return content


def _refuse_unless_plain(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise SubmissionError("It is a directory, not a file.")
    if not stat.S_ISREG(status.st_mode):
        raise SubmissionError("It is a pipe, a socket or a device, not a file.")
