"""Times and durations as few characters. Everything in seconds; clock times are local."""

from __future__ import annotations

from datetime import datetime

_MINUTE = 60
_STEP = 10
"""From so many seconds on an age goes by steps: a screen of new jobs is not sent every second."""

_HOUR = 3600
_DAY = 86400


def age(seconds: float) -> str:
    """A duration in at most five characters: `7s`, `40s`, `7m`, `3h05`, `2d04`, `400d`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole if whole < _STEP else whole - whole % _STEP}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}"
    days = whole // _DAY
    return f"{days}d{whole % _DAY // _HOUR:02}" if days < 100 else f"{days}d"


def span(seconds: float) -> str:
    """A measured duration in at most six characters: `0.42s`, `12.3s`, `4m05s`, `3h05`."""
    if seconds < 0:
        return "0s"
    if seconds < 9.995:
        return f"{seconds:.2f}s"
    if seconds < 59.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}s"
    return age(whole)


def age_in_words(seconds: float) -> str:
    """For a sentence: `12 s`, `3 min`, `2 h`, `5 days`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h"
    days = whole // _DAY
    return "1 day" if days == 1 else f"{days} days"


def clock(moment: float, now: float) -> str:
    """A time of day, with its date if that is not today's: `14:03`, `Nov 23 14:03`."""
    try:
        then = datetime.fromtimestamp(moment)
    except (OverflowError, OSError, ValueError):
        return "?"
    same_day = then.date() == datetime.fromtimestamp(now).date()
    return then.strftime("%H:%M" if same_day else "%b %d %H:%M")
