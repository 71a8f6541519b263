"""What a failed reading means: for the connection as it is shown, and for the next reading."""

from __future__ import annotations

import math

import msgspec

from qtower.desk.faults import LONGEST_WISH, BusyError, SilentError
from qtower.errors import AccountError, ConfigError, QtowerError
from qtower.model import Link

_REFUSED_SECONDS = 60.0
_LONGEST_BACKOFF = 30.0
_PATIENCE = 3  # failures in a row of an endpoint that answers, before it counts as offline


class Setback(msgspec.Struct, frozen=True, kw_only=True):
    """A failure, and what follows from it."""

    link: Link
    problem: str  # in words
    pause: float  # s until the next try

    def words(self, seconds: float = 0.0) -> str:
        """The problem, and in how many seconds it is tried again; 0: it is being tried."""
        return f"{self.problem} {trying_again(seconds)}"


def trying_again(seconds: float) -> str:
    """What is done about a problem: true now, and to be told anew when a second has passed."""
    return f"Trying again in {math.ceil(seconds)} s." if seconds > 0 else "Trying again."


class Setbacks:
    """Failures in a row, of one kind of reading."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def any(self) -> bool:
        """Whether the last one failed."""
        return self._count > 0

    def over(self) -> None:
        """It worked."""
        self._count = 0

    def met(self, error: QtowerError, *, was_live: bool) -> Setback:
        """One more. An endpoint that was live and still answers is slow, and not yet offline."""
        self._count += 1
        pause = min(_LONGEST_BACKOFF, 2.0 ** min(self._count - 1, 10))
        if isinstance(error, AccountError | ConfigError):
            return self._setback(Link.REFUSED, error, _REFUSED_SECONDS)
        if isinstance(error, BusyError):
            pause = max(pause, min(error.seconds, LONGEST_WISH))
        patient = isinstance(error, BusyError | SilentError) and (
            self._count < _PATIENCE or (isinstance(error, BusyError) and error.asked)
        )
        return self._setback(Link.LIVE if was_live and patient else Link.OFFLINE, error, pause)

    @staticmethod
    def _setback(link: Link, error: QtowerError, pause: float) -> Setback:
        return Setback(link=link, problem=str(error), pause=pause)
