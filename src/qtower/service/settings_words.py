"""What msgspec says of a wrong field, in words of TOML. No value is ever quoted."""

from __future__ import annotations

import difflib
import re
import typing
from collections.abc import Sequence

import msgspec

from qtower.service import settings

_TABLES: dict[str, type[msgspec.Struct]] = {
    "users": settings.UserSettings,
    "hubs": settings.HubSettings,
    "groups": settings.GroupSettings,
    "projects": settings.ProjectSettings,
    "backends": settings.BackendSettings,
    "reservations": settings.ReservationSettings,
    "limits": settings.LimitSettings,
    "retention": settings.RetentionSettings,
    "queue": settings.QueueSettings,
    "database": settings.DatabaseSettings,
    "scheduler": settings.SchedulerSettings,
}

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text in quotes",
    "array": "a list",
    "object": "a table",
    "datetime": "a date with an offset, as 2030-01-01T09:00:00Z",
}

_BOUNDS = {">=": "at least", ">": "more than", "<=": "at most", "<": "less than"}

_KIND = re.compile(r"Expected `([a-z]+)(?: \| null)?`(?:, got `[a-z]+`)?")
_BOUND = re.compile(r"Expected `(?:int|float)` ([<>]=?) (\S+)")
_LENGTH = re.compile(r"Expected `str` of length <= (\d+)")


def in_words(reason: str, field: Sequence[str | int]) -> str:
    """Returns a reason of msgspec as a sentence for whoever wrote the file, without its full stop.

    Args:
        reason: The message of a `ValidationError`, without its path.
        field: Keys from the outermost in; the last is the field that is wrong.
    """
    for pattern, words in settings.PATTERNS.items():
        if repr(pattern) in reason:
            return words
    if reason.startswith("Object contains unknown field"):
        return _no_such_field(field)
    if tuple(field) == ("reservations",):
        return "It takes tables headed [[reservations]]"
    if found := re.fullmatch(r"Object missing required field `(.+)`", reason):
        return f'The field "{found[1]}" is missing'
    if reason.startswith("Invalid enum value"):
        return f"It is none of {_choices(field)}"
    if reason.startswith("Invalid RFC3339") or "timezone component" in reason:
        return f"It takes {_KINDS['datetime']}"
    if found := _BOUND.fullmatch(reason):
        return f"It takes a number of {_BOUNDS[found[1]]} {float(found[2]):,.15g}"
    if found := _LENGTH.fullmatch(reason):
        return f"It takes a text of at most {found[1]} characters"
    if reason.startswith("Expected `array` of length"):
        return "It takes a list with at least one entry"
    if (found := _KIND.fullmatch(reason)) and found[1] in _KINDS:
        return f"It takes {_KINDS[found[1]]}"
    return reason


def _no_such_field(field: Sequence[str | int]) -> str:
    if len(field) == 1:
        known = list(_TABLES)
        kind = "section"
    else:
        known = [f.encode_name for f in msgspec.structs.fields(_TABLES[str(field[0])])]
        kind = "field"
    close = difflib.get_close_matches(str(field[-1]).replace("_", "-"), known, n=1)
    hint = f'the nearest is "{close[0]}"' if close else f"there are {', '.join(known)}"
    return f"There is no such {kind}; {hint}"


def _choices(field: Sequence[str | int]) -> str:
    table = _TABLES[str(field[0])]
    types = {f.encode_name: f.type for f in msgspec.structs.fields(table)}
    return ", ".join(f'"{choice}"' for choice in typing.get_args(types[str(field[-1])]))
