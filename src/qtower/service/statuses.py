"""The statuses of a job as the API spells them, and its dates."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

CREATING = "CREATING"  # named; its qobj has not come yet
CREATED = "CREATED"  # its qobj is stored
VALIDATING = "VALIDATING"
VALIDATED = "VALIDATED"
QUEUED = "QUEUED"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
CANCELLED = "CANCELLED"
ERROR_CREATING_JOB = "ERROR_CREATING_JOB"
ERROR_VALIDATING_JOB = "ERROR_VALIDATING_JOB"
ERROR_RUNNING_JOB = "ERROR_RUNNING_JOB"

UNFINISHED = (CREATING, CREATED, VALIDATING, VALIDATED, QUEUED, RUNNING)
ERRORS = (ERROR_CREATING_JOB, ERROR_VALIDATING_JOB, ERROR_RUNNING_JOB)
FINAL = (COMPLETED, CANCELLED, *ERRORS)

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)"
    r"(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?"
    r"(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)


def to_date(microseconds: int) -> str:
    """Returns microseconds since 1970 UTC as the API writes them: `2020-02-13T15:19:25.717000Z`."""
    moment = _EPOCH + microseconds * _MICROSECOND
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def date_in_words(microseconds: int) -> str:
    """Returns microseconds since 1970 UTC as a sentence has them: `2020-02-13 15:19 UTC`."""
    return f"{_EPOCH + microseconds * _MICROSECOND:%Y-%m-%d %H:%M} UTC"


def from_date(text: str) -> int:
    """Returns an ISO 8601 date as microseconds since 1970 UTC; without an offset it is UTC.

    Raises:
        ValueError: It is no such date.
    """
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not an ISO 8601 date")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    moment = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0)
    ).replace(tzinfo=timezone.utc)
    microseconds = (moment - _EPOCH) // _MICROSECOND + int((fraction or "0")[:6].ljust(6, "0"))
    return microseconds - _offset_minutes(offset) * 60_000_000


def _offset_minutes(offset: str | None) -> int:
    if offset is None or offset == "Z":
        return 0
    minutes = int(offset[1:3]) * 60 + int(offset[-2:])
    return -minutes if offset[0] == "-" else minutes
