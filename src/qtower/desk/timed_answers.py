"""Answers that have to be here in time as a whole: head, lengths and all.

A time-out of the socket is one for silence. An endpoint that says a word now and then, as another
header or another "100 Continue", would keep its reader for ever.
"""

from __future__ import annotations

import http.client
import io
import time
from typing import Any

_PATIENCE = 3  # a head that has begun may take so many times as long as a silence


class TimedResponse(http.client.HTTPResponse):
    """An answer that is given up at its deadline: at first, that of its head."""

    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        silence = sock.gettimeout()
        self._source = _Source(self.fp.detach())
        if silence is not None:
            self.end_by(time.monotonic() + _PATIENCE * silence)
        self.fp = io.BufferedReader(self._source)

    def end_by(self, deadline: float) -> None:
        """From now on reading raises TimeoutError after `deadline`, on the monotonic clock."""
        self._source.deadline = deadline


class _Source(io.RawIOBase):
    """What comes from a socket until the deadline."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self.deadline = float("inf")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if time.monotonic() > self.deadline:
            raise TimeoutError("timed out")
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
