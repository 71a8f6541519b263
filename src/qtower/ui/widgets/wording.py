"""Values as people read them: durations, dates, sizes, numbers. Pure functions."""

from __future__ import annotations

from datetime import datetime


def plural(number: int, noun: str) -> str:
    """For example "1 experiment", "1,024 shots"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """`seconds` in the unit that fits: "350 ms", "12.4 s", "3 min 05 s", "2 h 10 min"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600:02} h"


def local_time(at: float, today: float) -> str:
    """`at` (seconds, UTC epoch) as local time, with its date if that is not the date of `today`.

    "?" for what no calendar shows.
    """
    try:
        moment = datetime.fromtimestamp(at)
    except (OverflowError, OSError, ValueError):
        return "?"
    clock = f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}"
    if moment.date() == datetime.fromtimestamp(today).date():
        return clock
    return f"{moment:%Y-%m-%d} {clock}"


def size(number: int) -> str:
    """A number of bytes as "512 B", "4.4 kB" or "56.0 MB"."""
    amount = float(number)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def bar(share: float, width: int) -> str:
    """A horizontal bar of `share` (0 to 1) of `width` cells, in eighths; not empty if > 0."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0 and width > 0:
        eighths = max(1, eighths)
    full, rest = divmod(eighths, 8)
    return "█" * full + ("" if rest == 0 else " ▏▎▍▌▋▊▉"[rest])
