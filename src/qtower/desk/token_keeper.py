"""The token of an account between two logins: its source is asked no more often than these need.

A command or a keyring may ask a person for the way in: nobody wants that again every minute, while
the endpoint is away or refuses.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from qtower.errors import ConfigError
from qtower.token_sources import TokenSource

_REST_SECONDS = 600.0


class TokenKeeper:
    """What a source gave, or why it gave nothing. Used by the thread that logs in, mostly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._token = ""
        self._problem: ConfigError | None = None
        self._read = 0.0

    def token(self, source: TokenSource) -> str:
        """The token; a file is read every time, because that costs nobody anything.

        Raises:
            ConfigError: There is none, or it cannot be had.
        """
        if source.kind == "token-file":
            return source.read()
        if self._token:
            return self._token
        if self._problem is not None and not self._rested():
            raise ConfigError(self._problem.what, self._problem.next_step)
        self._read = self._clock()
        try:
            self._token, self._problem = source.read(), None
        except ConfigError as error:
            self._problem = error
            raise
        return self._token

    def refused(self) -> None:
        """The endpoint wants another: the source is asked again, unless that was just done."""
        if self._rested():
            self._token = ""

    def forget(self) -> None:
        """A person has mended something, perhaps, and wants it tried now."""
        self._token, self._problem = "", None

    def _rested(self) -> bool:
        return self._clock() - self._read >= _REST_SECONDS
